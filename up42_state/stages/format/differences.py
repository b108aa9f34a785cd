"""Why the revision of a stage is not what its recipe would give now, component by component, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from up42_state.stages.format.recipe import VERSION, Component, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from up42_state.stages.format.commit import Commit

__all__ = ["differences"]

_SHOWN = 60  # characters of a value in a reason
_DIGITS = 12  # of a digest in a reason
_ABSENT = object()
_WORDS = {
    "job_mode": "the job mode",
    "block": "the block",
    "command": "the command",
    "split": "the number of features in a shard",
    "parent": "parent",
    "propagated": "propagated stage",
}


def differences(commit: Commit, components: Sequence[Component], parameters: Mapping[str, Any]) -> list[str]:
    """Why a revision is not what a recipe would give; empty where it is.

    :param commit: the revision that is there.
    :param components: those of the recipe.
    :param parameters: the recipe's parameters as a commit holds them: without secrets.
    :return: reasons for people, ``parameter tile_width was 512, is 768``, in the order of the components.
    """
    if fingerprint(components) == commit.fingerprint:
        return []
    before, now = _by_kind(commit.components), _by_kind(components)
    version = _only(before, "recipe")
    if not commit.components:
        return [f"{commit.name} does not say what it was made of: {_why_silent(commit)}"]
    if version != VERSION:  # its other digests may be made in another way
        return [
            f"{commit.name} was fingerprinted by version {version} of the rules, and they are at {VERSION}"
        ]
    return list(_differences(commit, before, now, parameters)) or ["its fingerprint is another"]


def _why_silent(commit: Commit) -> str:
    if commit.format == "1.0":
        return "an earlier release saved it"
    own = bool(commit.fingerprint)
    return "it was saved with a fingerprint of its own" if own else "nobody said what its block is"


def _differences(
    commit: Commit,
    before: Mapping[str, list[Component]],
    now: Mapping[str, list[Component]],
    parameters: Mapping[str, Any],
) -> Iterator[str]:
    for kind in ("job_mode", "block", "command", "split"):
        was, is_now = _only(before, kind), _only(now, kind)
        if kind == "split" and not (was and is_now) and was != is_now:
            yield "it was split into shards, and is not" if was else "it was not split into shards, and is"
        elif kind == "command" and was and is_now and was != is_now:
            yield "the command is another"  # only its digest is kept, which nobody can read
        elif was != is_now:
            yield f"{_WORDS[kind]} was {_short(was)}, is {_short(is_now)}"
    if _only(before, "parameters") != _only(now, "parameters"):
        yield from _parameters(commit.parameters, parameters)
    yield from _stages("parent", before, now)
    if _only(before, "merging") != _only(now, "merging"):
        yield "the parents are merged with other options"
    yield from _stages("propagated", before, now)


def _by_kind(components: Iterable[Component]) -> dict[str, list[Component]]:
    found: dict[str, list[Component]] = {}
    for each in components:
        found.setdefault(each.kind, []).append(each)
    return found


def _only(found: Mapping[str, list[Component]], kind: str) -> str:
    return found[kind][0].digest if kind in found else ""


def _parameters(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    names = [
        name for name in {**before, **now} if not _same(before.get(name, _ABSENT), now.get(name, _ABSENT))
    ]
    for name in names:
        was, is_now = before.get(name, _ABSENT), now.get(name, _ABSENT)
        if _is_secret(was) and _is_secret(is_now):
            yield f"parameter {name}, a secret, is another"
        else:
            yield f"parameter {name} was {_value(was)}, is {_value(is_now)}"
    if not names:
        yield "a parameter is another"


def _same(was: object, is_now: object) -> bool:
    """Whether two JSON values are written alike: ``1``, ``1.0`` and ``true`` are equal in Python."""
    if was is _ABSENT or is_now is _ABSENT:
        return was is is_now
    return json.dumps(was, sort_keys=True) == json.dumps(is_now, sort_keys=True)


def _value(value: object) -> str:
    if value is _ABSENT:
        return "not given"
    if _is_secret(value):
        return "a secret"  # without its digest: a short secret can be guessed from that
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"sha256"}


def _short(text: str) -> str:
    """A component as people read it: of a long digest the first digits."""
    return " ".join(map(_short_word, text.split())) or "unknown"


def _short_word(word: str) -> str:
    algorithm, colon, digits = word.rpartition(":")
    return f"{algorithm}{colon}{digits[:_DIGITS]}" if len(digits) >= 2 * _DIGITS else word


def _stages(
    kind: str, before: Mapping[str, list[Component]], now: Mapping[str, list[Component]]
) -> Iterator[str]:
    old, new = before.get(kind, []), now.get(kind, [])
    was, is_now = ({each.name: each.digest for each in found} for found in (old, new))
    for name in {**was, **is_now}:
        if name not in is_now:
            yield f"{_WORDS[kind]} {name} is no longer given"
        elif name not in was:
            yield f"{_WORDS[kind]} {name} is new"
        elif was[name] != is_now[name]:
            other = "content" if kind == "parent" else "content or options"
            yield f"{_WORDS[kind]} {name} has other {other}"
    if was == is_now and old != new:
        yield f"{_WORDS[kind]}s come in another order"
