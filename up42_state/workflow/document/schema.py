"""The JSON Schema of workflow documents and of blocks files (draft 2020-12), and what breaks it.

No other place says what form a document has. One keyword is this package's own: ``x-problem`` is the message
for a value that breaks the keywords beside it; ``{}`` in it stands for the value.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest.pointers import legible, pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

    Failures = Iterator[ValidationError]
    Keyword = Callable[[Any, Any, Any, Any], Failures]

__all__ = ["defects", "is_valid", "published"]

MOST = 1000
_WORDED = ("type", "pattern", "const", "minItems", "maxItems", "maxProperties", "not", "anyOf", "oneOf")


@cache
def _file() -> Mapping[str, Any]:
    text = (resources.files("up42_state.workflow.document") / "schemas" / "workflow.json").read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


def published(part: str = "") -> dict[str, Any]:
    """Return the schema of workflow documents, or of a part, as one document that any validator can use.

    :param part: ``blocks`` for the schema of blocks files, or another name below ``$defs``.
    """
    if not part:
        return dict(_file())
    file = _file()
    name = f"{file['$id']}:{part}"
    return {"$schema": file["$schema"], "$id": name, "$ref": f"#/$defs/{part}", "$defs": file["$defs"]}


def defects(value: Any, part: str = "", *, file: str = "") -> list[Defect]:
    """Return the defects of a value, each with its place. Says nothing of what a schema cannot express.

    More than ``MOST`` are not looked for: nobody reads them, and each takes its time.

    :param part: the part of the schema that the value must meet, as in :func:`published`.
    :param file: the file's name, which the places begin with, if it is not the workflow document.
    """
    found = [
        Defect(f"{file}{pointer(error.absolute_path)}", error.message)
        for error in islice(_validator(part).iter_errors(value), MOST)
    ]
    if len(found) == MOST:
        found.append(Defect(f"{file}#", f"more than {MOST} defects, of which no more are looked for"))
    return list(dict.fromkeys(found))


def is_valid(value: Any, part: str) -> bool:
    """Return True if a value meets a part of the schema."""
    return _validator(part).is_valid(value)


@cache
def _validator(part: str) -> Validator:
    from jsonschema.validators import extend

    from up42_state.manifest.wording import PlatformValidator

    keywords = {**PlatformValidator.VALIDATORS, "maxItems": _max_items}
    worded = {name: _worded(keywords[name]) for name in _WORDED}
    own = {**worded, "items": _items, "additionalProperties": _additional_properties}
    # Without $schema: jsonschema would pick its own class where it meets it, and its own messages with it.
    bare = {name: value for name, value in published(part).items() if name != "$schema"}
    validator: Validator = extend(PlatformValidator, own)(bare)  # type: ignore[no-untyped-call]  # see wording.py
    return validator


def _worded(keyword: Keyword) -> Keyword:
    """Return a keyword whose failures have the message of the ``x-problem`` beside it, if there is one."""
    from jsonschema.exceptions import ValidationError

    def worded(validator: Any, value: Any, instance: Any, schema: Any) -> Failures:
        failures = keyword(validator, value, instance, schema)
        if "x-problem" not in schema:
            yield from failures
        elif any(True for _ in failures):
            yield ValidationError(schema["x-problem"].replace("{}", legible(instance)))

    return worded


def _max_items(validator: Any, greatest: int, instance: Any, _: Any) -> Failures:
    from jsonschema.exceptions import ValidationError

    if validator.is_type(instance, "array") and len(instance) > greatest:
        yield ValidationError(f"expected maximum item count: {greatest}, found: {len(instance)}")


def _items(validator: Any, items: object, instance: Any, schema: Any) -> Failures:
    """Check each item, but not of more items than there may be: that they are too many is said once."""
    if validator.is_type(instance, "array") and len(instance) <= schema.get("maxItems", len(instance)):
        for number, item in enumerate(instance):
            yield from validator.descend(item, items, path=number)


_ELSEWHERE = {
    "parameters": "; parameters stand at the top of the document, or in --parameters, by the tasks' names: "
    "{tiling:1: {tile_width: 512}}"
}


def _additional_properties(validator: Any, allowed: object, instance: Any, schema: Any) -> Failures:
    """Refuse unknown members, each with the known name that it is near to.

    Of more members than there may be none is checked: that they are too many is said once.
    """
    from difflib import get_close_matches

    from jsonschema.exceptions import ValidationError

    known = schema.get("properties", {})
    if not validator.is_type(instance, "object") or len(instance) > schema.get(
        "maxProperties", len(instance)
    ):
        return
    for name in instance:
        if name in known:
            continue
        if allowed is False:
            near = get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            meant = _ELSEWHERE.get(name, meant)
            yield ValidationError(f"extraneous key [{legible(name)}] is not permitted{meant}")
        else:
            yield from validator.descend(instance[name], allowed, path=name)
