"""Learners of synapse agents: one file per algorithm; `choice` and `tabular` are their kit."""

USUAL = "trace"  # who learns a task of this family when nobody is named
