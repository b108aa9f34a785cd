"""Run one block, in a container, as a command, or as a Python function."""
