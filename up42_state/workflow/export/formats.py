"""The formats that a workflow can be written in, each a package that is loaded when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from up42_state.workflow.export.source import Source

__all__ = ["FORMATS", "Options", "check_options", "warnings", "write"]

# Of each format, the options that it takes besides those that every format takes, and those that it needs.
FORMATS: dict[str, frozenset[str]] = {
    "argo": frozenset(("image", "secret", "service_account", "block_secret", "job")),
    "cwl": frozenset(("image", "job", "staged")),
}
_NEEDED: dict[str, tuple[str, ...]] = {"argo": ("image", "secret", "service_account")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a document needs to know besides the workflow; ``None`` for what is not given.

    :param image: an image that runs ``up42-state engine …``.
    :param secret: the Kubernetes Secret that holds UP42_STATE_URL and the store's credentials.
    :param block_secret: the Kubernetes Secret that holds the variables that tasks name as ``environment``.
    :param service_account: the Kubernetes ServiceAccount of the engine's own containers.
    :param job: the job key of a run that names none.
    :param staged: tasks have their input from the store, and their output is saved there.
    """

    image: str | None = None
    secret: str | None = None
    block_secret: str | None = None
    service_account: str | None = None
    job: str | None = None
    staged: bool | None = None


def check_options(to: str, options: Options) -> None:
    """Make sure that a format gets all that it needs, and nothing that it would leave out.

    :raises SettingsError: it does not; every such option is named.
    """
    given = {name for name in Options.__slots__ if getattr(options, name) is not None}
    strange = [_flag(name) for name in Options.__slots__ if name in given - FORMATS[to]]
    if strange:
        raise SettingsError(f"--to {to} does not take {', '.join(strange)}")
    lacking = [_flag(name) for name in _NEEDED.get(to, ()) if name not in given]
    if lacking:
        raise SettingsError(f"--to {to} needs {', '.join(lacking)}", advice=f"see docs/workflow-{to}.md")


def write(to: str, source: Source, options: Options) -> str:
    """Return a workflow as the text of a document.

    :raises InvalidWorkflowError: the format cannot express it; ``defects`` has everything that it cannot.
    """
    text = import_module(f"up42_state.workflow.export.{to}.document").write(source, options)
    assert isinstance(text, str)
    return text


def warnings(to: str, source: Source, options: Options) -> tuple[str, ...]:
    """Return what a format expresses in a way that should be known, besides the source's own warnings."""
    module = import_module(f"up42_state.workflow.export.{to}.document")
    found = module.warnings(source, options) if hasattr(module, "warnings") else ()
    return tuple(found)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
