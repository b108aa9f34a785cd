"""Bytes in flight: threads that move them, and the memory that they may take."""
