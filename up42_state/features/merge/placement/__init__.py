"""Placing the files of added features."""
