"""The storage abstraction: one contract, one module for each kind of store."""
