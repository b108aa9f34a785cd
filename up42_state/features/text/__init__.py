"""The text of a ``data.json``: where its parts stand, what they mean, and how to change some of its bytes."""
