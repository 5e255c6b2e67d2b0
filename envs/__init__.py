"""Worlds: one file each, with its data sheet and version history. Imported as `synagents.envs`."""

if __name__ != "synagents.envs":
    raise ImportError("Import the worlds as synagents.envs: the folder envs/ is installed under that name.")
