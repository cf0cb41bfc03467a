"""Is a set of synthetic images safe to hand on? An audit that may fail it and never certifies it."""
