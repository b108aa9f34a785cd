"""The recipe of an output: all that determines it, component by component.

A fingerprint alone says that something has changed. Its components say what, so that a person who waits for a
task is told why it runs. Paths of a machine, times, hosts, users and attempts are no components: an output
does not depend on them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from up42_state.stages.format.parameters import encoded, mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["VERSION", "Component", "Propagated", "Recipe", "digest_of", "fingerprint"]

VERSION = "2"  # of the recipe; 1 had no components


class Component(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that an output depends on.

    :param kind: ``recipe`` (the version of these rules), ``block``, ``command``, ``parameters``,
        ``job_mode``, ``split`` (into shards), ``parent``, ``merging`` (of several parents) or ``propagated``.
    :param name: of a stage, ``<stage>`` or ``<job>/<stage>``; empty for the other kinds.
    :param digest: a text that differs where the thing does, and that holds no secret.
    """

    kind: str
    name: str = ""
    digest: str


class Propagated(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that was merged into an output.

    :param content: the digest of the stage's files and ``data.json``.
    :param options: how it was merged, as JSON values.
    """

    stage: str
    content: str
    options: Mapping[str, Any]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """What an output is made of, as far as that is known before the block runs.

    :param block: a text that differs where the block's code does; empty if unknown.
    :param command: the program and its arguments, without paths of this machine; empty if unknown.
    :param merged_by: the options by which several parents are merged into one input, as JSON values.
    :param parameters: the block's parameters after defaults. A recipe keeps them as a commit holds them:
        secrets are replaced by digests.
    :param split: features in a shard at most, if the block runs once a shard; 0 if it runs once.
    :raises SettingsError: the parameters cannot be written as JSON.
    """

    block: str = ""
    command: Sequence[str] = ()
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)
    job_mode: Literal["DEFAULT", "DRY_RUN"] = "DEFAULT"
    split: int = 0
    merged_by: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        # At once, so that neither a commit nor a reason can hold a secret, whoever makes the recipe.
        msgspec.structs.force_setattr(self, "parameters", mask_secrets(self.parameters))

    def components(
        self, parents: Iterable[tuple[str, str]], propagated: Iterable[Propagated] = ()
    ) -> tuple[Component, ...]:
        """The components, those of stages in the order in which the stages were given.

        :param parents: of each revision that the input is made of, the stage and the digest of its content.
        :param propagated: the stages that are merged into the output.
        """
        found = [Component(kind="recipe", digest=VERSION), Component(kind="job_mode", digest=self.job_mode)]
        if self.block:
            found.append(Component(kind="block", digest=self.block))
        if self.command:
            found.append(Component(kind="command", digest=digest_of(list(self.command))))
        found.append(Component(kind="parameters", digest=digest_of(dict(self.parameters))))
        if self.split:
            found.append(Component(kind="split", digest=str(self.split)))
        # The job does not count: equal content in another job gives an equal output.
        found_parents = [Component(kind="parent", name=stage, digest=content) for stage, content in parents]
        found += found_parents
        if self.merged_by and len(found_parents) > 1:
            found.append(Component(kind="merging", digest=digest_of(dict(self.merged_by))))
        for each in propagated:
            digest = digest_of([each.content, dict(each.options)])
            found.append(Component(kind="propagated", name=each.stage, digest=digest))
        return tuple(found)


def fingerprint(components: Iterable[Component]) -> str:
    """The digest of all components: a SHA-256 in hex."""
    return digest_of([[each.kind, each.name, each.digest] for each in components])


def digest_of(value: object) -> str:
    """The SHA-256 of a JSON value, in hex; members of objects count in whatever order.

    :raises SettingsError: the value cannot be written as JSON.
    """
    return hashlib.sha256(encoded(value)).hexdigest()
