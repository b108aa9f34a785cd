"""Doubles that behave: real buckets with something put around them."""
