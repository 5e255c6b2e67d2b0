"""Worlds: one file each, with its data sheet and version history. Imported as `synagents.envs`."""

if __name__ != "synagents.envs":
    raise ImportError("Import the worlds as synagents.envs: the folder envs/ is installed under that name.")

import gymnasium

gymnasium.register("synagents/Synapse-v0", vector_entry_point="synagents.envs.synapse_v0:vector_env")
