"""Workflows as documents of other engines: what all formats have in common, and a package for each."""
