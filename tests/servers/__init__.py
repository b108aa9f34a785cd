"""Servers that the tests start, each in a process of its own."""
