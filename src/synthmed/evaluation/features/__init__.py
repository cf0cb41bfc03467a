"""Feature extractors: an image in, a row of numbers out; which one made them is part of every number."""
