"""Whether the blocks of a workflow fit together."""
