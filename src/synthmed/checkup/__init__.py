"""What ``synthmed doctor`` tells before any work: of the machine, and of a folder of images."""
