"""Write a workflow as a document of the Common Workflow Language, version 1.2.

The document is packed: it holds the tools and the workflow, and ``cwltool FILE`` runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.workflow.export.cwl.limits import defects
from up42_state.workflow.export.cwl.package import package
from up42_state.workflow.export.cwl.staged import staged
from up42_state.workflow.export.cwl.tasks import Tasks
from up42_state.workflow.export.cwl.tools import step_tools
from up42_state.workflow.export.defects import check
from up42_state.workflow.export.writing import as_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.workflow.export.formats import Options
    from up42_state.workflow.export.source import Source

__all__ = ["warnings", "write"]

_COMMENT = "Written by `up42-state workflow export --to cwl`; run it with `cwltool FILE`."


def write(source: Source, options: Options) -> str:
    """Return the document's text.

    :raises InvalidWorkflowError: CWL cannot express the workflow; ``defects`` has everything that it cannot.
    """
    is_staged = bool(options.staged)
    tasks = Tasks.of(source, options.image or "", is_staged=is_staged)
    found = [
        defect
        for task in tasks.all
        for defect in defects(task, tasks.parameters[task.name], tasks.texts[task.name], is_staged=is_staged)
    ]
    check(source.workflow.name, "CWL", found)
    workflow = source.workflow
    workflows = (
        staged(workflow, tasks, options.job or "")
        if is_staged
        else [package(workflow, tasks, options.job or "package")]
    )
    graph = [*tasks.tools, *step_tools(_used(workflows), tasks.image), *workflows]
    return as_yaml({"cwlVersion": "v1.2", "$graph": graph}, comment=_COMMENT)


def warnings(source: Source, options: Options) -> Iterator[str]:
    """Yield what is expressed and should be known."""
    images = [task.name for task in source.workflow.tasks if task.block.kind == "image"]
    if images and (options.staged or len(images) == len(source.workflow.tasks)):
        yield (
            f"the quicklooks of {', '.join(images)} are lost: a CWL tool gives what lies in its output"
            " directory, and an image writes them beside it"
        )


def _used(workflows: list[dict[str, Any]]) -> set[str]:
    """The processes that steps run."""
    return {step["run"].removeprefix("#") for each in workflows for step in each["steps"].values()}
