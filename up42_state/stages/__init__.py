"""The stage format: commits, indexes and packs; saving, restoring, verifying and pruning on any bucket."""
