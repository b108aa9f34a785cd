"""Run blocks that are images, with docker or podman, by their command lines."""
