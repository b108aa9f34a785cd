"""``engine``: the steps of one task, each a verb, for the containers of a workflow engine."""
