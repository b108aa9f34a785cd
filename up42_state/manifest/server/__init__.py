"""The validation service of the platform, for clients that were written for it."""
