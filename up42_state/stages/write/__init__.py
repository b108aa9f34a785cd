"""Saving an output as the next revision of a stage."""
