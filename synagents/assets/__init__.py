"""Files that travel with the package: the digits and the learned table (see their scripts and licences beside them)."""
