"""One task as a container runs it: input, output, process. ``Block`` and ``exec`` stand on these."""
