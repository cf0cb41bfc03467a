"""Reader studies: people judge images in a browser, and statistics that can be trusted say what they saw."""
