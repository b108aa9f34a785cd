"""Verifying, pruning and removing what is stored."""
