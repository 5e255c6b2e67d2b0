"""Tasks: a stimulus out, a score for the answer; one file per family."""
