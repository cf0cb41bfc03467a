"""The one training loop and what it needs: it knows stages and phases, never losses or papers."""
