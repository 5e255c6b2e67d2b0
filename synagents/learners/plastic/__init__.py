"""Rules of plastic synapses: one file per rule; `synagents.agents.rules` is their kit."""
