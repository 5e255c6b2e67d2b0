"""Rules of plastic synapses: one file per rule; `synagents.agents.rules` is their kit."""

USUAL = "neuromodulated"  # who learns a task of this family when nobody is named
