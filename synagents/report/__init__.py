"""Runs as people see them: a live display on the terminal, a closing summary, pictures."""
