"""Learners: the minds of whole populations, one file per algorithm, one folder per family of worlds."""
