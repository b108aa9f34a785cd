"""The XML of S3's answers: elements with text or elements in them, and nothing else of XML.

``xml.etree`` takes longer to load than such an answer takes to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError, ParserCreate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.buckets.base import Buffer

__all__ = ["Element", "parse"]


class Element:
    """An element; namespaces and attributes are left out."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name, self.text = name, ""
        self.children: list[Element] = []

    def all(self, name: str) -> Iterator[Element]:
        """The elements of this name in it."""
        return (child for child in self.children if child.name == name)

    def value(self, name: str) -> str:
        """The text of the element of this name in it; empty where there is none."""
        return next((child.text for child in self.all(name)), "")


def parse(body: Buffer) -> Element:
    """The root element of a document.

    :raises ValueError: it is not well-formed, or declares entities of its own.
    """
    top = Element("")
    open_elements = [top]

    def begin(name: str, _attributes: object) -> None:
        element = Element(name.rpartition(":")[2])
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def add(text: str) -> None:
        open_elements[-1].text += text

    def refuse(*_: object) -> None:
        raise ValueError("the answer declares a document type")

    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _name: open_elements.pop()
    parser.CharacterDataHandler = add
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(bytes(body), True)
    except ExpatError as error:
        raise ValueError(f"the answer is no XML: {error}") from error
    return top.children[0]
