"""The files of an output: what lies there, and which files features name."""
