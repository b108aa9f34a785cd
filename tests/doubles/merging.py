"""Random small outputs: collections and files that are likely to share ids, paths and values."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from up42_state.features import ORIGIN, Collection, EarlierOutput, File, Files
from up42_state.features.merge.operator import Merge, merge

DATA_KEYS = ("up42.data_path", "up42.data.aoiclipped", "custom.extra", "data.imagery")
PATHS = (
    "x.tif",
    "x.tif.aux.xml",
    "x.tfw",
    "d/y.tif",
    "d/z.tif",
    "d",
    "e",
    "s-1/x.tif",
    "q/r/t.nc",
    "q",
    "nothing",
)
NAMED = (*PATHS, ".")  # what a property may hold; ``.`` is the whole output
ORIGINS = ("j/s:1@1#0a", "j/s:1@2#0a", "j/s:1@1#0a.2", "j/s:2@1#0a", "k/t:1@7#0b", "no origin at all")


@dataclass(frozen=True)
class Output:
    """A collection with its files, as the bytes of each, by path; directories are paths with ``None``."""

    data: bytes
    content: dict[str, bytes | None]
    quicklooks: dict[str, bytes]

    @property
    def collection(self) -> Collection:
        return Collection.read(self.data)

    @property
    def features(self) -> list[Any]:
        features: list[Any] = json.loads(self.data)["features"]
        return features

    @property
    def files(self) -> Files:
        return Files(
            [
                *(_file(path, data) for path, data in self.content.items() if data is not None),
                *(_file(path, data, kind="quicklook") for path, data in self.quicklooks.items()),
            ],
            [path for path, data in self.content.items() if data is None],
        )

    def below(self, path: str) -> dict[str, bytes]:
        """The bytes that a path stands for, by the rest of their paths."""
        if path == ".":
            return {f"/{name}": data for name, data in self.content.items() if data is not None}
        return {
            name[len(path) :]: data
            for name, data in self.content.items()
            if data is not None and (name == path or name.startswith(path + "/"))
        }

    def rewritten(self, **options: Any) -> Output:
        """The same collection, written anew by Python's json."""
        return replace(self, data=json.dumps(json.loads(self.data), **options).encode())


def _file(path: str, data: bytes, **members: Any) -> File:
    return File(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), **members)


def stage(output: Output, name: str = "s:1", revision: int = 1) -> EarlierOutput:
    return EarlierOutput(
        job="j", stage=name, revision=revision, collection=output.collection, files=output.files
    )


def applied(current: Output, earlier: list[Output], found: Merge) -> Output:
    """What a merge makes of an output, with the rules of a file system."""
    content, quicklooks = dict(current.content), dict(current.quicklooks)
    for path in found.directories:
        assert content.get(path) is None, f"{path} is a file"
        content[path] = None
    for addition in found.additions:
        source = earlier[addition.earlier]
        if addition.kind == "quicklook":
            assert addition.target not in quicklooks, f"{addition.target} is used"
            quicklooks[addition.target] = source.quicklooks[addition.source]
        else:
            _add(content, addition.target, source.content[addition.source])
    stream = io.BytesIO()
    found.write(stream)
    return Output(data=stream.getvalue(), content=content, quicklooks=quicklooks)


def _add(content: dict[str, bytes | None], path: str, data: bytes | None) -> None:
    assert path not in content, f"{path} is used"
    assert not any(name.startswith(path + "/") for name in content), f"{path} is a directory"
    parents = [path[:n] for n, character in enumerate(path) if character == "/"]
    assert not any(content.get(parent) is not None for parent in parents), f"{path} goes through a file"
    content[path] = data


def merged(current: Output, *earlier: Output, **options: Any) -> Output:
    stages = [stage(output, f"s:{number}") for number, output in enumerate(earlier, 1)]
    return applied(current, list(earlier), merge(current.collection, current.files, stages, **options))


def plain(feature: Any) -> Any:
    """A feature's value without what forwarding adds."""
    properties = {k: v for k, v in (feature.get("properties") or {}).items() if k != ORIGIN}
    return {**{k: v for k, v in feature.items() if k != "properties"}, "properties": properties}


_numbers = st.sampled_from([0, 1, 1.0, -1, -2, 2.5, 1e22, 10**22, 2**61 - 1, True])
_values = st.one_of(
    _numbers, st.sampled_from(["", "é", 'a"b', "]}", None, [], {}, {"k": [1, {"properties": {}}]}])
)
_ids = st.sampled_from(["a", "b", "0", 1, 1.0, 2, None, "s-1~a", "s-1~2~a", 2**70])
_geometries = st.one_of(
    st.none(),
    st.just({}),
    st.builds(lambda x, y: {"type": "Point", "coordinates": [x, y]}, _numbers, _numbers),
    st.just({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}),
)
_plain_properties = st.one_of(
    st.none(),
    st.just([]),
    st.dictionaries(st.sampled_from(["n", "m", "type", "properties"]), _values, max_size=2),
    st.dictionaries(st.sampled_from(DATA_KEYS), st.sampled_from(NAMED), min_size=1, max_size=2),
)
_properties = st.one_of(
    _plain_properties,
    st.builds(
        lambda one, two: {**one, **two},
        st.dictionaries(st.sampled_from(DATA_KEYS), st.sampled_from(NAMED), max_size=2),
        st.dictionaries(st.sampled_from(["n", ORIGIN]), st.sampled_from([1, 2, *ORIGINS]), max_size=2),
    ),
)
_numbering = st.sampled_from(
    [None, None, str, int, lambda number: number + 1, lambda number: str(number + 1)]
)


def _features(properties: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.just("Feature")},
        optional={
            "id": _ids,
            "geometry": _geometries,
            "properties": properties,
            "bbox": st.sampled_from([[0, 0, 1, 1], [170, -5, -170, 5], None]),
            "extra": _values,
        },
    )


_bytes = st.sampled_from([b"A", b"B", b"longer"])


@st.composite
def contents(draw: st.DrawFn) -> dict[str, bytes | None]:
    """Files and directories: no path is both."""
    content: dict[str, bytes | None] = {}
    for path in draw(st.lists(st.sampled_from(PATHS[:-1]), unique=True)):
        clash = any(name.startswith(path + "/") or path.startswith(name + "/") for name in content)
        if path not in content and not clash:
            content[path] = draw(st.one_of(_bytes, st.none()) if path in ("d", "e", "q") else _bytes)
    return content


@st.composite
def outputs(draw: st.DrawFn, *, forwarded: bool = True) -> Output:
    """An output as a block might have left it.

    :param forwarded: whether features may carry a provenance already.
    """
    properties = _properties if forwarded else _plain_properties
    features = draw(st.lists(_features(properties), max_size=5))
    if features:
        features += draw(st.lists(st.sampled_from(features), max_size=2))
    number_of = draw(_numbering)
    if number_of is not None:  # as geopandas and ogr2ogr do, and perhaps some rows were left out later
        features = [{**feature, "id": number_of(number)} for number, feature in enumerate(features)]
        features = features[draw(st.integers(0, 2)) :]
    members = {"type": "FeatureCollection", "features": features}
    members |= draw(
        st.sampled_from([{}, {"bbox": [0, 0, 2, 2]}, {"name": "n"}, {"bbox": [0, 0, 0, 1, 1, 1]}])
    )
    style = draw(st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]))
    document = json.dumps(members, sort_keys=draw(st.booleans()), **style).encode()
    return Output(
        data=draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + document,
        content=draw(contents()),
        quicklooks=draw(st.dictionaries(st.sampled_from(["a.png", "x.jpg", "d.png"]), _bytes, max_size=2)),
    )
