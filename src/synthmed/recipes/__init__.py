"""Recipes: what to train and how, one TOML file each; read by ``synthmed.config.read_recipe``."""
