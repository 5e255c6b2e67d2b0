"""A run on disk: its directory, its checkpoints, and training that goes on where it was stopped."""
