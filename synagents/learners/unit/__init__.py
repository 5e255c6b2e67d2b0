"""Learners of unit agents: one file per algorithm; `layers`, `td` and `hebbian` are their kit."""

USUAL = "map-propagation"  # who learns a task of this family when nobody is named
