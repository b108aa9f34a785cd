"""What the containers of a workflow engine call: the steps of one task, each a process of its own."""
