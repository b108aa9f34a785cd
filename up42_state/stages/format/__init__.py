"""The stage format: the objects of a revision, as docs/stage-format.md describes them."""
