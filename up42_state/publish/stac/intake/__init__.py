"""Outputs made of documents of STAC on this machine."""
