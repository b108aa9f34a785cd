"""Run a block's processes: with directories of their own, and so that none outlives its attempt."""
