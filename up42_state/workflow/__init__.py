"""Workflows: chains of blocks, each saved as a stage, of which only what has changed is run."""
