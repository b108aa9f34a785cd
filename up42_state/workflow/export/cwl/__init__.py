"""Workflows as documents of the Common Workflow Language, version 1.2."""
