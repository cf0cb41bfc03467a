"""From a model to synthetic images: the model file, what images are made under, sample sets."""
