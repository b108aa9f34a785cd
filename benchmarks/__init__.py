"""Measurements of up42_state beside the tools that people use; ``python -m benchmarks --help``."""
