"""The workflow document: reading it, its schema, and the check of all of it before anything runs."""

from up42_state.workflow.document.blocks import NOT_SET
from up42_state.workflow.document.loading import load
from up42_state.workflow.document.manifests import find_manifests
from up42_state.workflow.document.runnable import check_runnable
from up42_state.workflow.document.schema import published
from up42_state.workflow.document.text import parameters_of, read_value

__all__ = ["NOT_SET", "check_runnable", "find_manifests", "load", "parameters_of", "published", "read_value"]
