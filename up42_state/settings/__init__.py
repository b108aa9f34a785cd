"""Settings: which there are, where their values come from, and what the values mean."""
