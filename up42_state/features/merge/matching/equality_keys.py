"""Keys under which equal features are found among very many that a quick number does not tell apart.

The quick numbers of :mod:`up42_state.features.merge.matching.current` leave out what is dear to read, and
can be made to collide. The keys here are digests of the whole value: they cost more, and whoever compares
by them does so once for each feature, however many there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.features.files.data_paths import is_data_property, normal_path
from up42_state.features.text.origin import ORIGIN
from up42_state.features.text.values import digest, exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Text = bytes | memoryview
    Same = Callable[[Text, Text], bool]

__all__ = ["alike", "former_id", "former_ids"]

_EMPTY: tuple[Any, ...] = (None, {}, [])


def alike(
    earlier: Sequence[tuple[int, Text]], current: Iterable[tuple[int, Text]], label: str, same: Same
) -> Iterator[tuple[list[int], list[int]]]:
    """Lists of equal earlier features, each with the current features that are the same, both in order.

    The time is that of reading each feature a few times, whatever their number.

    :param label: the earlier stage's label; forwarding may have put the label before ids and data paths.
    :param same: whether a current and an earlier feature are the same. Features whose keys differ never are.
    """
    offered: dict[bytes, list[tuple[int, Text]]] = {}
    for index, raw in current:
        for key in _offered(raw, label):
            offered.setdefault(key, []).append((index, raw))
    equal: dict[bytes, list[tuple[int, Text]]] = {}
    for index, raw in earlier:
        equal.setdefault(_literal(raw), []).append((index, raw))
    for group in equal.values():
        text = group[0][1]
        matches = [index for index, raw in offered.get(_wanted(text), ()) if same(raw, text)]
        yield [index for index, _ in group], matches


def _literal(raw: Text) -> bytes:
    """A digest of the feature without its provenance."""
    value, _ = _without_origin(raw)
    return digest(value)


def _wanted(raw: Text) -> bytes:
    """The key under which an earlier feature is looked for."""
    value, _ = _without_origin(raw)
    return _key(value, value.get("id"), lambda path: path)


def _offered(raw: Text, label: str) -> set[bytes]:
    """The keys under which a current feature is found: as it is, and as it was before it was forwarded."""
    value, is_forwarded = _without_origin(raw)
    ids = [value.get("id")]
    if not is_forwarded:
        return {_key(value, ids[0], lambda path: path)}
    if isinstance(ids[0], str):
        ids += former_ids(ids[0], label)
    moves: list[Callable[[str], str]] = [lambda path: path, lambda path: _former_path(path, label)]
    return {_key(value, feature_id, move) for feature_id in ids for move in moves}


def _without_origin(raw: Text) -> tuple[dict[str, Any], bool]:
    value = exact(raw)
    properties = value.get("properties")
    is_forwarded = isinstance(properties, dict) and properties.pop(ORIGIN, None) is not None
    return value, is_forwarded


def _key(value: dict[str, Any], feature_id: Any, move: Callable[[str], str]) -> bytes:
    properties = value.get("properties")
    if isinstance(properties, dict):
        properties = {
            name: move(normal_path(inner)) if is_data_property(name) and isinstance(inner, str) else inner
            for name, inner in properties.items()
        }
    kept = {name: inner for name, inner in value.items() if name not in ("id", "properties")}
    text = str(feature_id) if isinstance(feature_id, int | float) else feature_id
    return digest([kept, text, None if properties in _EMPTY else properties])


def _former_path(path: str, label: str) -> str:
    """The path that a moved file had before: the part below ``<label>/`` or ``<label>~<number>/``."""
    folder, _, rest = path.partition("/")
    mark, _, number = folder.removeprefix(label).partition("~")
    is_moved = folder.startswith(label) and not mark and (folder == label or number.isdecimal())
    return rest if is_moved and rest else path


def former_ids(feature_id: str, label: str) -> list[str]:
    """The ids that may have been made ``<label>~<id>`` or ``<label>~<number>~<id>`` by forwarding."""
    if not feature_id.startswith(label + "~"):
        return []
    rest = feature_id[len(label) + 1 :]
    number, _, further = rest.partition("~")
    return [rest, further] if number.isdecimal() and further else [rest]


def former_id(feature_id: Any, label: str, earlier: Any) -> bool:
    """True if forwarding may have made the id of the earlier one."""
    return isinstance(feature_id, str) and str(earlier) in former_ids(feature_id, label)
