"""This machine: paths, mounts, directory trees, and locks on directories. Nothing in here knows of stages."""
