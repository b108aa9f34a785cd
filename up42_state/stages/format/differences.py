"""Why the revision of a stage is not what its recipe would give now, component by component, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from up42_state.stages.format.recipe import Component, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from up42_state.stages.format.commit import Commit

__all__ = ["differences"]

_SHOWN = 60  # characters of a value in a reason
_DIGITS = 12  # of a digest in a reason
_ABSENT = object()


def differences(commit: Commit, components: Sequence[Component], parameters: Mapping[str, Any]) -> list[str]:
    """Why a revision is not what a recipe would give; empty where it is.

    :param commit: the revision that is there.
    :param components: those of the recipe.
    :param parameters: the recipe's parameters as a commit holds them: without secrets.
    :return: reasons for people, ``parameter tile_width was 512, is 768``, in the order of the components.
    """
    if fingerprint(components) == commit.fingerprint:
        return []
    if not commit.components:
        return [f"{commit.name} does not say what it was made of"]
    return list(_differences(commit, components, parameters)) or ["its fingerprint is another"]


def _differences(
    commit: Commit, components: Sequence[Component], parameters: Mapping[str, Any]
) -> Iterator[str]:
    before, now = _by_kind(commit.components), _by_kind(components)
    for kind in ("recipe", "job_mode", "block", "command", "split"):
        was, is_now = _only(before, kind), _only(now, kind)
        if was != is_now:
            yield f"{_WORDS[kind]} was {_short(was)}, is {_short(is_now)}"
    if _only(before, "parameters") != _only(now, "parameters"):
        yield from _parameters(commit.parameters, parameters)
    for kind in ("parent", "propagated"):
        yield from _stages(kind, before.get(kind, []), now.get(kind, []))


_WORDS = {
    "recipe": "the version of the recipe",
    "job_mode": "the job mode",
    "block": "the block",
    "command": "the command",
    "split": "the number of features in a shard",
    "parent": "parent",
    "propagated": "propagated stage",
}


def _by_kind(components: Iterable[Component]) -> dict[str, list[Component]]:
    found: dict[str, list[Component]] = {}
    for each in components:
        found.setdefault(each.kind, []).append(each)
    return found


def _only(found: Mapping[str, list[Component]], kind: str) -> str:
    return found[kind][0].digest if kind in found else ""


def _parameters(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    names = [name for name in {**before, **now} if before.get(name, _ABSENT) != now.get(name, _ABSENT)]
    for name in names:
        was, is_now = before.get(name, _ABSENT), now.get(name, _ABSENT)
        yield f"parameter {name} was {_value(was)}, is {_value(is_now)}"
    if not names:
        yield "a parameter is another"


def _value(value: object) -> str:
    if value is _ABSENT:
        return "not given"
    if isinstance(value, dict) and value.keys() == {"sha256"}:
        return f"a secret ({str(value['sha256'])[:_DIGITS]})"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _short(text: str) -> str:
    """A digest as people read it: the words before it, and its first digits."""
    words, _, last = text.rpartition(" ")
    algorithm, colon, digits = last.rpartition(":")
    shown = f"{algorithm}{colon}{digits[:_DIGITS]}" if len(digits) >= 2 * _DIGITS else last
    return f"{words} {shown}".strip() or "unknown"


def _stages(kind: str, before: Sequence[Component], now: Sequence[Component]) -> Iterator[str]:
    was, is_now = ({each.name: each.digest for each in found} for found in (before, now))
    for name in {**was, **is_now}:
        if name not in is_now:
            yield f"{_WORDS[kind]} {name} is gone"
        elif name not in was:
            yield f"{_WORDS[kind]} {name} is new"
        elif was[name] != is_now[name]:
            other = "content" if kind == "parent" else "content or options"
            yield f"{_WORDS[kind]} {name} has other {other}"
    if was == is_now and [each.name for each in before] != [each.name for each in now]:
        yield f"{_WORDS[kind]}s come in another order"
