"""Write a workflow as a ``WorkflowTemplate``."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from up42_state import __version__
from up42_state.errors import Defect, InvalidWorkflowError, SettingsError
from up42_state.stages.format.names import check_job
from up42_state.workflow.export.argo.checks import problems
from up42_state.workflow.export.argo.defects import of_task, too_long
from up42_state.workflow.export.argo.graph import SUFFIXES, graph
from up42_state.workflow.export.argo.templates import Templates
from up42_state.workflow.export.defects import check
from up42_state.workflow.export.names import dns_name, unique_names
from up42_state.workflow.export.writing import as_yaml

if TYPE_CHECKING:
    from up42_state.workflow.export.formats import Options
    from up42_state.workflow.export.source import Source

__all__ = ["template", "write"]

_ENTRYPOINT = "workflow"
_NAMED = 57  # characters: Argo appends six for each run, and labels take 63
_OBJECT = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")  # Kubernetes: a DNS subdomain
_LARGEST = 1024 * 1024  # bytes: etcd takes 1.5 MiB, and Argo keeps how a run stands beside the document
_HEAD = """\
The workflow {name}, written by up42-state {version} (`up42-state workflow export --to argo`).
  kubectl apply --server-side -f FILE
  argo submit --from workflowtemplate/{object} -p job=JOB
It needs the Secret {secret} (UP42_STATE_URL and the store's credentials) and the ServiceAccount {account}."""


def write(source: Source, options: Options) -> str:
    """Return a workflow as the YAML text of a ``WorkflowTemplate``.

    :raises InvalidWorkflowError: Argo cannot express it; ``defects`` has everything that it cannot.
    :raises SettingsError: an option is none that Kubernetes takes.
    """
    document = template(source, options)
    head = _HEAD.format(
        name=json.dumps(source.workflow.name),
        version=__version__,
        object=document["metadata"]["name"],
        secret=options.secret,
        account=options.service_account,
    )
    return as_yaml(document, head)


def template(source: Source, options: Options) -> dict[str, Any]:
    """Return a workflow as a ``WorkflowTemplate``.

    :raises InvalidWorkflowError: Argo cannot express it; ``defects`` has everything that it cannot.
    :raises SettingsError: an option is none that Kubernetes takes.
    """
    _check_names(options)
    workflow = source.workflow
    check(
        workflow.name,
        "Argo",
        [
            defect
            for task in workflow.tasks
            for defect in of_task(task, source.images.get(task.name), options)
        ],
    )
    names = unique_names((task.name for task in workflow.tasks), SUFFIXES, taken=[_ENTRYPOINT])
    templates = {
        task.name: Templates(names[task.name], task, source.images[task.name], options).all()
        for task in workflow.tasks
    }
    check(
        workflow.name,
        "Argo",
        [defect for task in workflow.tasks for defect in too_long(task, templates[task.name])],
    )
    steps = {"name": _ENTRYPOINT, "dag": {"tasks": graph(workflow, names)}}
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {
            "name": dns_name(workflow.name, _NAMED),
            "labels": {"app.kubernetes.io/managed-by": "up42-state"},
            "annotations": {"up42-state/version": __version__, "up42-state/workflow": workflow.name},
        },
        "spec": _spec(options, [steps, *(each for task in workflow.tasks for each in templates[task.name])]),
    }
    _check_itself(document)
    return document


def _spec(options: Options, templates: list[dict[str, Any]]) -> dict[str, Any]:
    account = options.service_account
    job = {"value": options.job} if options.job else {}
    return {
        "entrypoint": _ENTRYPOINT,
        "serviceAccountName": account,
        # No container but Argo's own gets a token of the cluster; Argo then wants to be told whose it takes.
        "automountServiceAccountToken": False,
        "executor": {"serviceAccountName": account},
        "arguments": {
            "parameters": [
                {"name": "job", "description": "Job key: where the state lies, and what is done.", **job},
                {"name": "job-mode", "value": "DEFAULT", "enum": ["DEFAULT", "DRY_RUN"]},
                {"name": "force", "value": "false", "enum": ["false", "true"]},
            ]
        },
        "templates": templates,
    }


def _check_names(options: Options) -> None:
    """Make sure that options are what Kubernetes takes.

    :raises SettingsError: one is not.
    """
    for name in ("secret", "block_secret", "service_account"):
        value = getattr(options, name)
        if value is not None and not _OBJECT.fullmatch(value):
            raise SettingsError(
                f"--{name.replace('_', '-')}: {value!r} is no name of a Kubernetes object",
                advice="names are lower-case letters, digits, - and .",
            )
    if not options.image or re.search(r"[\s{$]", options.image):
        raise SettingsError(f"--image: {options.image!r} is no image")
    if options.job is not None:
        check_job(options.job)


def _check_itself(document: dict[str, Any]) -> None:
    """Make sure that the document is whole, and that Kubernetes can keep it.

    :raises InvalidWorkflowError: it is not.
    """
    name = document["metadata"]["name"]
    if (length := len(json.dumps(document).encode())) > _LARGEST:
        raise InvalidWorkflowError(
            f"the document of {name} has {length // 1024} KiB, and Kubernetes keeps no more than 1 MiB",
            advice="export the workflow in two parts: the second names stages of the first as JOB/STAGE",
        )
    if found := problems(document):
        defects = [Defect(place, problem) for place, problem in found]
        raise InvalidWorkflowError(
            f"the document of {name} is not whole, which is a defect of up42-state: report it",
            defects=defects,
        )
