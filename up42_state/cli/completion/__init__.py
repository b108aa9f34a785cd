"""Completion in shells: the scripts, and the answers that the scripts ask for."""
