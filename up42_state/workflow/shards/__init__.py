"""The input of a task in shards: where it is cut, and how each shard gets its part."""
