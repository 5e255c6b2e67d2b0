"""The command line: names and settings to objects, flags, presets."""
