"""Models that can be had by name: those inside the package, and those of an index in a folder or at an address."""
