"""Comparing the content of a current feature with that of an earlier stage's: JSON and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.features.files.data_paths import EVERYTHING, data_paths
from up42_state.features.files.digests import Folders
from up42_state.features.merge.matching.equality_keys import former_id
from up42_state.features.text.edits import slot
from up42_state.features.text.members import named, quoted
from up42_state.features.text.origin import ORIGIN
from up42_state.features.text.values import exact, head, properties_of, same_value

if TYPE_CHECKING:
    from up42_state.features.files.catalogue import File, Files
    from up42_state.features.merge.matching.earlier import EarlierOutput

    Text = bytes | memoryview

__all__ = ["Comparison", "same_json"]


class Comparison:
    """Compares content: JSON by value, without the provenance, and the bytes that data paths name.

    :param current: the files of the current output.
    """

    def __init__(self, current: Files, earlier: EarlierOutput) -> None:
        self._current = current
        self._earlier = earlier.files
        self._no_files = earlier.files.is_empty
        self._label = earlier.label
        self._folders = Folders(current), Folders(earlier.files)
        self._same_paths: dict[tuple[str, str], bool] = {}

    def same_content(self, current: Text, earlier: Text) -> bool:
        """True if nothing of the earlier feature is different in the current one.

        A forwarded feature may have its files elsewhere, and its id may say which stage it came from.
        """
        if _same_bytes_but_for_origin(bytes(current), bytes(earlier)):
            return self._no_files or self.same_files(current, earlier)
        one, other = exact(current), exact(earlier)
        if _take_origin(one, other):
            if former_id(one.get("id"), self._label, other.get("id")):
                one["id"] = other["id"]
            self._overlook_moves(one, other)
        return same_value(one, other) and self.same_files(current, earlier)

    def same_files(self, current: Text, earlier: Text) -> bool:
        """True if the data paths of both features name the same bytes."""
        theirs = data_paths(properties_of(head(earlier)), self._earlier)
        ours = data_paths(properties_of(head(current)), self._current) if theirs else {}
        return all(name in ours and self.same_path(ours[name], path) for name, path in theirs.items())

    def same_path(self, current: str, earlier: str) -> bool:
        """True if two paths name the same bytes: equal files, or directories with equal files."""
        same = self._same_paths.get((current, earlier))
        if same is None:
            same = self._same_paths[current, earlier] = self._compare(current, earlier)
        return same

    def _compare(self, current: str, earlier: str) -> bool:
        one, other = self._current.get(current), self._earlier.get(earlier)
        if one is not None and other is not None:
            return self.same_file(one, other) and self._same_journals(current, earlier)
        if not (self._current.is_directory(current) and self._earlier.is_directory(earlier)):
            return False
        if current == EVERYTHING:
            return self._is_in_whole(earlier)
        ours, theirs = self._folders
        return ours.outline(current) == theirs.outline(earlier) and (
            ours.content(current) == theirs.content(earlier)
        )

    def _is_in_whole(self, earlier: str) -> bool:
        """True if the whole current output has the files of a directory; more may have been added since."""
        ours, theirs = self._current.inside(EVERYTHING), self._earlier.inside(earlier)
        return ours.keys() >= theirs.keys() and all(
            self.same_file(ours[name], file) for name, file in theirs.items()
        )

    def _same_journals(self, current: str, earlier: str) -> bool:
        """True if the journals of two databases are equal: what is in them is part of the data."""
        for end in ("-wal", "-journal"):  # -shm is made anew when a database is opened
            one, other = self._current.get(current + end), self._earlier.get(earlier + end)
            if (one is None) != (other is None):
                return False
            if one is not None and other is not None and not self.same_file(one, other):
                return False
        return True

    def same_file(self, current: File, earlier: File) -> bool:
        """True if two files have equal bytes; they are only hashed if their sizes are equal."""
        if current.size != earlier.size:
            return False
        return self._current.digest(current) == self._earlier.digest(earlier)

    def _overlook_moves(self, one: dict[str, Any], other: dict[str, Any]) -> None:
        """Set data paths that name equal bytes to the same value."""
        ours, theirs = one.get("properties"), other.get("properties")
        if not isinstance(ours, dict) or not isinstance(theirs, dict):
            return
        current = data_paths(ours, self._current)
        for name, path in data_paths(theirs, self._earlier).items():
            if name in current and self.same_path(current[name], path):
                ours[name] = theirs[name]


def same_json(current: Text, earlier: Text) -> bool:
    """True if two features are equal as JSON, the provenance left aside."""
    if _same_bytes_but_for_origin(bytes(current), bytes(earlier)):
        return True
    one, other = exact(current), exact(earlier)
    _take_origin(one, other)
    return same_value(one, other)


def _take_origin(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Take the provenance off both features, and tell whether the current feature had one.

    Properties that held nothing else may have been absent, ``null`` or ``[]`` before.
    """
    forwarded = False
    for feature in (one, other):
        properties = feature.get("properties")
        if isinstance(properties, dict) and properties.pop(ORIGIN, None) is not None:
            forwarded = forwarded or feature is one
    if forwarded and one["properties"] == {} and other.get("properties") in (None, {}, []):
        one["properties"] = other["properties"] = {}
    return forwarded


def _same_bytes_but_for_origin(current: bytes, earlier: bytes) -> bool:
    """True if the texts are equal, or would be if the earlier one were given the current one's provenance."""
    if len(current) <= len(earlier):
        return current == earlier
    origin = properties_of(head(current)).get(ORIGIN)
    if not isinstance(origin, str):
        return False
    insertion = slot(earlier, bytes(head(earlier).properties))
    return insertion is not None and current == insertion.fill(earlier, named(ORIGIN, quoted(origin)))
