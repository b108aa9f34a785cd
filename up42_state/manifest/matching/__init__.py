"""Check whether the blocks of a workflow fit together."""
