"""A job shown to others."""
