"""Parse YAML as JSON values, within limits, and tell the line and column of each defect.

Plain scalars mean what they mean in the core schema of YAML 1.2 (§10.3.2), and no more: ``no`` and
``2018-02-12`` are text, ``1e3`` is a number. The values are built from events and not by PyYAML, which keeps
the last of two equal keys, ends in a RecursionError, and makes dates, sets and binary values, of which JSON
has none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import yaml

from up42_state.errors import Defect
from up42_state.manifest.pointers import legible, pointer
from up42_state.manifest.syntax import MAX_DEPTH, MAX_DIGITS, MAX_DUPLICATES, Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    Path = tuple[str | int, ...]

__all__ = ["parse_yaml"]

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE, _FALSE = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")  # besides the plain ones


class _Node(NamedTuple):
    """A value, how many values it holds with itself, and how many levels."""

    value: object
    size: int = 1
    height: int = 1


class _UnreadableError(ValueError):
    """The text is not read any further."""


def parse_yaml(text: str, max_values: int) -> Document:
    """Parse a YAML document. Never raises: ``defects`` says what is wrong.

    :param max_values: the values that a document may have, each counted wherever an alias repeats it.
    """
    reader = _Reader(text, max_values)
    try:
        value = reader.document()
    except _UnreadableError as error:
        return Document(readable=False, defects=(*reader.defects, Defect("#", str(error))))
    except yaml.YAMLError as error:
        return Document(readable=False, defects=(*reader.defects, Defect("#", _problem(error))))
    return Document(value=value, defects=tuple(reader.defects))


def _problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"not YAML: {error.problem}{_at(error.problem_mark)}"
    return f"not YAML: {' '.join(str(error).split())}"


def _at(mark: Any) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}"


class _Reader:
    """Builds the value of a document from its events."""

    def __init__(self, text: str, max_values: int) -> None:
        # The loader that stands on libyaml is some ten times faster, and is missing where PyYAML was built
        # without it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.defects: list[Defect] = []
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
        self._anchors: dict[str, _Node] = {}
        self._max_values = max_values

    def document(self) -> object:
        """Return the value of the only document."""
        event = self._next()
        while isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
            event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise _UnreadableError("the document is empty")
        value = self._node(event, ()).value
        self._next()
        following = self._next()
        if not isinstance(following, yaml.StreamEndEvent):
            self._refuse("more than one document", following)
        return value

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _refuse(self, problem: str, event: yaml.Event) -> NoReturn:
        raise _UnreadableError(f"{problem}{_at(event.start_mark)}")

    def _node(self, event: Any, path: Path) -> _Node:
        if len(path) > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._check_tag(event)
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(self._scalar(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, path)
        else:
            node = self._mapping(event, path)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: yaml.AliasEvent) -> _Node:
        if event.anchor not in self._anchors:  # also an alias within what it stands for
            self._refuse(f"nothing complete has the anchor &{legible(event.anchor)}", event)
        return self._anchors[event.anchor]

    def _check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag not in (None, "!", *_TAGS):
            self._refuse(f"the tag {legible(tag)} is not permitted", event)

    def _sequence(self, start: yaml.Event, path: Path) -> _Node:
        values: list[object] = []
        size, height = 1, 1
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            node = self._node(event, (*path, len(values)))
            values.append(node.value)
            size, height = size + node.size, max(height, node.height + 1)
            self._check_limits(size, height, start)
        return _Node(values, size, height)

    def _mapping(self, start: yaml.Event, path: Path) -> _Node:
        values: dict[str, object] = {}
        size, height = 1, 1
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, path)
            if key in values:
                problem = f"duplicated key [{legible(key)}]{_at(event.start_mark)}"
                self._note(path, problem)
            node = self._node(self._next(), (*path, key))
            values[key] = node.value
            size, height = size + node.size, max(height, node.height + 1)
            self._check_limits(size, height, start)
        return _Node(values, size, height)

    def _key(self, event: Any, path: Path) -> str:
        key = self._node(event, (*path, 0)).value
        if isinstance(key, str):
            return key
        is_scalar = isinstance(event, yaml.ScalarEvent)
        problem = (
            f"the key {legible(event.value)} is no text" if is_scalar else "a list or an object is no key"
        )
        self._note(path, f"{problem}{_at(event.start_mark)}")
        return legible(key)

    def _note(self, path: Path, problem: str) -> None:
        if len(self.defects) < MAX_DUPLICATES:
            self.defects.append(Defect(pointer(path), problem))

    def _check_limits(self, size: int, height: int, start: yaml.Event) -> None:
        if size > self._max_values:
            self._refuse(f"more than {self._max_values} values", start)
        if height > MAX_DEPTH:
            self._refuse(f"nested deeper than {MAX_DEPTH} levels", start)

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        text: str = event.value
        if not event.implicit[0] or event.tag is not None:  # in quotes, a block of text, or marked as text
            return self._text(event)
        if _NULL.fullmatch(text):
            return None
        if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
            return bool(_TRUE.fullmatch(text))
        return self._number(event)

    def _number(self, event: yaml.ScalarEvent) -> object:
        text: str = event.value
        if _NO_NUMBER.fullmatch(text):
            self._refuse(f"{text} is no number that JSON has", event)
        if not (_INTEGER.fullmatch(text) or _OTHER_BASE.fullmatch(text) or _FLOAT.fullmatch(text)):
            return self._text(event)
        if len(text) > MAX_DIGITS:
            self._refuse(f"a number of more than {MAX_DIGITS} digits", event)
        if _INTEGER.fullmatch(text):
            return int(text)
        if _OTHER_BASE.fullmatch(text):
            return int(text, 0)
        number = float(text)
        if number in (float("inf"), float("-inf")):
            self._refuse("a number beyond the range of floating point", event)
        return number

    def _text(self, event: yaml.ScalarEvent) -> str:
        text: str = event.value
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                self._refuse("a text holds half of a surrogate pair, which is no character", event)
        return text
