"""Tasks: a stimulus out, a loss for the outputs or a reward for the action; one file per family."""
