"""Show what happens in a run: a table on a terminal, lines in logs, objects for programs."""
