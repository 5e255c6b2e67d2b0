"""Populations of synapses that learn: one file per algorithm."""
