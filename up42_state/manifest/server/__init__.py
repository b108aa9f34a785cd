"""The platform's validation service, for clients that were written for it."""
