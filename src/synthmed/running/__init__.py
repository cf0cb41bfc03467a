"""Where work runs, with how many threads, and how it tells how far it is."""
