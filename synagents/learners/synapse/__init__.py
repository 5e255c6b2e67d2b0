"""Learners of synapse agents: one file per algorithm; `team`, `tabular` and `choice` are their kit."""
