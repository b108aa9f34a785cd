"""Which features of an earlier stage the current collection has already."""
