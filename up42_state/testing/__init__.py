"""The pytest plugin for authors of blocks."""
