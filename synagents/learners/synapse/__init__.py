"""Learners of synapse agents: one file per algorithm; `team`, `tabular` and `choice` are their kit."""

USUAL = "team-q"  # who learns a task of this family when nobody is named
