"""What is under every file that we write: digests, names that stay inside, lines that are sealed."""
