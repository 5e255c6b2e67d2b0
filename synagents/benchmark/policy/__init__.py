"""The track for policies: learned on toys, then frozen and scored on what they have never seen."""
