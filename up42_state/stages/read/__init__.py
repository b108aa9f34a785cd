"""Restoring a revision, whole or in part, and reading files of it where they lie."""
