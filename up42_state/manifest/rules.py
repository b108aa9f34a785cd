"""Check what JSON Schema cannot express: contradictions between parts of a manifest, and what looks odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest import schema
from up42_state.manifest.capabilities import SECTIONS, injected, raw_alternatives
from up42_state.manifest.pointers import legible, pointer
from up42_state.manifest.values import check_value, is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Defects = Iterator[Defect]
    Path = list[str | int]

__all__ = ["errors", "warnings"]

NUMERIC = ("number", "integer")


def errors(manifest: Mapping[str, Any]) -> Defects:
    """Yield the contradictions in the parameters. Malformed parts are skipped: the schema reports them."""
    for name, parameter in _objects(manifest.get("parameters")):
        path: Path = ["parameters", name]
        yield from _range(parameter, path)
        items = parameter.get("items")
        if isinstance(items, dict):
            yield from _range(items, [*path, "items"])
        if parameter.get("default") is not None:
            yield from check_value(parameter, parameter["default"], [*path, "default"])


def _range(definition: Mapping[str, Any], path: Path) -> Defects:
    least: Any
    greatest: Any
    least, greatest = definition.get("minimum"), definition.get("maximum")
    if is_number(least) and is_number(greatest) and least > greatest:
        problem = f"{legible(least)} is not less or equal to the maximum {legible(greatest)}"
        yield Defect(pointer([*path, "minimum"]), problem)


def warnings(manifest: Mapping[str, Any]) -> Defects:
    """Yield what is permitted, but probably not meant."""
    if _version(manifest) == 1:
        yield _superseded()
    yield from _unknown_keys(manifest)
    for name, parameter in _objects(manifest.get("parameters")):
        yield from _idle_keywords(parameter, ["parameters", name])
    yield from _block_type(manifest)
    for side in ("input_capabilities", "output_capabilities"):
        check = _names_of_version_1 if _version(manifest) == 1 else _values_of_version_2
        yield from check(manifest, side)


def _superseded() -> Defect:
    advice = "use raster, vector and misc capabilities"
    return Defect("#/_up42_specification_version", "version 1 is superseded by version 2", advice)


def _version(manifest: Mapping[str, Any]) -> object:
    version = manifest.get("_up42_specification_version")
    return None if isinstance(version, bool) else version  # True equals 1 in Python


def _unknown_keys(manifest: Mapping[str, Any]) -> Defects:
    known = _properties("manifest")
    yield from _ignored(manifest, [], known)
    for part in ("machine", "optional_features"):
        if isinstance(manifest.get(part), dict):
            yield from _ignored(manifest[part], [part], known[part]["properties"])
    parameter_keys = _properties("parameter", 1 if _version(manifest) == 1 else 2)
    for name, parameter in _objects(manifest.get("parameters")):
        yield from _ignored(parameter, ["parameters", name], parameter_keys)


def _properties(kind: str, version: int = 2) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema.files()[f"urn:up42-state:{kind}:{version}"]["properties"]
    return found


def _ignored(value: Mapping[str, Any], path: Path, known: Mapping[str, Any]) -> Defects:
    for key in value:
        if key not in known:
            yield Defect(pointer([*path, key]), "not documented, so it has no effect")


def _idle_keywords(parameter: Mapping[str, Any], path: Path) -> Defects:
    kind = parameter.get("type")
    if kind in NUMERIC or not isinstance(kind, str):
        return
    for key in ("minimum", "maximum"):
        if key in parameter:
            yield Defect(pointer([*path, key]), f"has no effect on a parameter of type {legible(kind)}")
    if "items" in parameter and kind != "array":
        yield Defect(pointer([*path, "items"]), f"has no effect on a parameter of type {legible(kind)}")


def _block_type(manifest: Mapping[str, Any]) -> Defects:
    if manifest.get("type") == "data" and manifest.get("input_capabilities"):
        problem = "a data block takes no input data"
        yield Defect("#/input_capabilities", problem, "leave it empty, or make it a processing block")
    if manifest.get("type") == "processing" and manifest.get("optional_features"):
        yield Defect("#/optional_features", "has no effect on a processing block")


def _names_of_version_1(manifest: Mapping[str, Any], side: str) -> Defects:
    for name, _ in _objects(manifest.get(side)):
        if name.startswith("up42.") and name not in schema.documented("v1"):
            yield Defect(pointer([side, name]), "not a documented capability")


def _values_of_version_2(manifest: Mapping[str, Any], side: str) -> Defects:
    for meta, definition in _objects(manifest.get(side)):
        for section in SECTIONS:
            values = definition.get(section)
            for key, value in values.items() if isinstance(values, dict) else ():
                path: Path = [side, meta, section, key]
                yield from _misplaced(value, path)
                yield from _uninjectable(value, path, manifest)
                if section == "up42_standard" and meta == "raster":
                    yield from _vocabulary(key, value, path)


def _misplaced(value: object, path: Path) -> Defects:
    """Yield a warning for a ``>`` that the documentation says is taken as a string."""
    if value == ">" and path[0] == "input_capabilities":
        problem = "the propagation operator > has no meaning in input capabilities, it is taken as a string"
        yield Defect(pointer(path), problem)
    if value != ">" and any(_inside(value, lambda text: text == ">")):
        problem = "the propagation operator > has no meaning inside a list, it is taken as a string"
        yield Defect(pointer(path), problem)


def _uninjectable(value: object, path: Path, manifest: Mapping[str, Any]) -> Defects:
    known = manifest.get("parameters")
    for text in dict.fromkeys(_inside(value, lambda text: injected(text) is not None)):
        if not isinstance(known, dict) or injected(text) not in known:
            yield Defect(pointer(path), f"{legible(text)} names no parameter of this block")


def _inside(value: object, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Yield the wanted strings of a capability: the value, its alternatives, and the members of lists."""
    for alternative in raw_alternatives(value):
        for member in alternative if isinstance(alternative, list) else [alternative]:
            if isinstance(member, str) and wanted(member):
                yield member


def _vocabulary(key: str, value: object, path: Path) -> Defects:
    vocabulary = {"sensor": "sensor", "bands": "band"}.get(key)
    if vocabulary is None:
        return
    known = schema.documented(vocabulary)
    unknown = _inside(value, lambda text: text != ">" and injected(text) is None and text not in known)
    for text in dict.fromkeys(unknown):
        yield Defect(pointer(path), f"{legible(text)} is not a documented {vocabulary}")


def _objects(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the members of an object that are objects themselves."""
    if isinstance(value, dict):
        yield from ((name, part) for name, part in value.items() if isinstance(part, dict))
