"""Write a workflow as a ``WorkflowTemplate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.workflow.export.names import dns_name
from up42_state.workflow.export.writing import as_yaml

if TYPE_CHECKING:
    from up42_state.workflow.export.formats import Options
    from up42_state.workflow.export.source import Source

__all__ = ["write"]


def write(source: Source, options: Options) -> str:
    """Return the document's text."""
    return as_yaml(
        {
            "kind": "WorkflowTemplate",
            "metadata": {"name": dns_name(source.workflow.name)},
            "spec": {"image": options.image},
        }
    )
