"""Options that several functions take as keyword arguments, each with its type, in one place.

A function says ``**options: Unpack[MergeOptions]``: type checkers then know every option. ``help()``,
``inspect.signature`` and the completion of a REPL do not look into ``Unpack``, so :func:`spelled_out` gives
the function a signature that names each option.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from up42_state.errors import UnknownOptionError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from up42_state.manifest import Manifest
    from up42_state.stages.format.commit import BlockInfo

    PathLike = str | os.PathLike[str]

__all__ = [
    "BlockOptions",
    "MergeOptions",
    "PropagationOptions",
    "SettingsOptions",
    "check_options",
    "refuse_unknown",
    "spelled_out",
]

_Function = TypeVar("_Function", bound="Callable[..., Any]")


class SettingsOptions(TypedDict, total=False):
    """Settings of :class:`~up42_state.Settings` and :class:`~up42_state.State`, but for the store's URL.

    An option that is ``None`` counts as not given. ``docs/settings.md`` says what each one means.
    """

    job: str | None
    stage: str | None
    after: str | Sequence[str] | None
    propagate: str | Sequence[str] | None
    parameters: Mapping[str, Any] | str | None
    on_conflict: Literal["current", "earlier", "both", "error"] | None
    match: str | Sequence[tuple[str, str]] | None
    job_mode: Literal["DEFAULT", "DRY_RUN"] | None
    resume: bool | None
    code: str | None
    aws_access_key_id: str | None
    aws_secret_access_key: str | None
    aws_session_token: str | None
    aws_profile: str | None
    aws_region: str | None
    aws_endpoint_url: str | None
    google_key: str | Mapping[str, Any] | None
    google_application_credentials: str | None
    google_cloud_project: str | None
    storage_emulator_host: str | None
    sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None
    kms_key: str | None
    concurrency: int | None
    memory: int | str | None
    pack_below: int | str | None
    single_writer: bool | None
    engine: str | None
    engine_network: str | None


class MergeOptions(TypedDict, total=False):
    """How the stages of a task are merged; :class:`~up42_state.Propagation` says what each option means.

    An option that is ``None`` counts as not given.
    """

    form: Literal["forward", "inherit"] | None
    match: Sequence[tuple[str, str]] | None
    on_conflict: Literal["current", "earlier", "both", "error"] | None
    where: Mapping[str, Any] | Sequence[str] | None
    bbox: Sequence[float] | None
    ids: Iterable[str | int] | None
    path: str | None
    missing: Literal["error", "skip"] | None


class PropagationOptions(MergeOptions, total=False):
    """The options of one propagation; :class:`~up42_state.Propagation` says what each option means."""

    properties: Sequence[str] | None
    manifest: Manifest | None


class BlockOptions(MergeOptions, total=False):
    """Arguments of :class:`~up42_state.Block` that its environment does not give.

    They name the directories, say what the block is, and how stages are merged.
    """

    info: BlockInfo | None
    manifest: PathLike | None
    command: Sequence[str]
    resume: bool | None
    input: PathLike
    output: PathLike
    quicklooks: PathLike
    clear: bool
    force: bool
    note: Callable[[str], None] | None


def spelled_out(options: type) -> Callable[[_Function], _Function]:
    """Return a decorator that names each option in a function's signature, in the place of ``**options``.

    :param options: the ``TypedDict`` that the function's ``**options`` are unpacked from. In the signature
        each option has the default ``None``, which stands for: not given.
    """

    def spell_out(function: _Function) -> _Function:
        signature = inspect.signature(function)
        kept = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        named = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=getattr(annotation, "__forward_arg__", annotation),
            )
            for name, annotation in options.__annotations__.items()
        ]
        function.__signature__ = signature.replace(parameters=[*kept, *named])  # type: ignore[attr-defined]
        return function

    return spell_out


def check_options(function: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Refuse options that a function does not have, and name the option that is like each of them.

    :param function: a function that :func:`spelled_out` has given its signature.
    :param given: the function's ``**options``.
    :raises UnknownOptionError: there is no option of one of these names.
    """
    parameters = inspect.signature(function).parameters.values()
    refuse_unknown(given, [each.name for each in parameters if each.kind is each.KEYWORD_ONLY])


def refuse_unknown(given: Iterable[str], known: Sequence[str]) -> None:
    """Refuse names of options that are not among the known ones, and say which may be meant.

    :raises UnknownOptionError: one of the names is not known.
    """
    unknown = [name for name in given if name not in known]
    if unknown:
        raise UnknownOptionError(f"there is no option {', '.join(unknown)}", advice=_advice(unknown, known))


def _advice(unknown: Sequence[str], known: Sequence[str]) -> str:
    """Say which options may be meant; where none is alike, which ones there are."""
    import difflib

    alike = [name for word in unknown for name in difflib.get_close_matches(word, known, n=1)]
    return f"did you mean {', '.join(alike)}?" if alike else f"there are {', '.join(known)}"
