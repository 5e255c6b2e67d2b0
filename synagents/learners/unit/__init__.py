"""Learners of unit agents: one file per algorithm; `layers`, `td` and `hebbian` are their kit."""
