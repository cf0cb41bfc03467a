"""What objectives are made of: losses, distances, and changes of what a discriminator sees."""
