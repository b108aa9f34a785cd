"""A workflow as a ``WorkflowTemplate`` of Argo Workflows."""
