"""What is fuzzed: each target takes any bytes and reads them as something that others may have written.

A target returns, or raises an error of :mod:`up42_state.errors`; anything else is a finding. ``test_fuzz.py``
feeds them from Hypothesis in every test run, ``run.py`` from coverage-guided fuzzing (``make fuzz``).
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.buckets import open_bucket
from up42_state.errors import Defect, InvalidDataError, InvalidWorkflowError, StateError
from up42_state.features import Collection, EarlierOutput, File, Files, Selection, check
from up42_state.features.files.tree import Tree
from up42_state.features.merge.operator import merge
from up42_state.features.objects import feature_collection
from up42_state.secrets.redaction import without_credentials
from up42_state.settings.model import Settings
from up42_state.stages.format.commit import Commit, _digest_member
from up42_state.stages.format.index import Index
from up42_state.stages.format.packs import frame_digest
from up42_state.stages.read.selection import read_features
from up42_state.workflow.document import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.workflow.model import Task

__all__ = ["SEEDS", "TARGETS", "run"]

KEY = "3f0c/s/commits/00000001.json"
ATTEMPT = "0192f0c1-0000-7000-8000-000000000000"
SPLIT = b"\0\0"
FILES = ("a.tif", "a.tfw", "dir/b.tif", "dir/c.tif", "data.json.tif")


def run(target: Callable[[bytes], None], data: bytes) -> None:
    """Feed a target; errors of ours are what it may end with."""
    try:
        target(data)
    except StateError as error:
        str(error)


def commit(data: bytes) -> None:
    """A commit as it is; and signed, as somebody who can write to the store would sign it."""
    Commit.parse(data.removesuffix(b"}") + _digest_member(data.removesuffix(b"}")), KEY).render()
    Commit.parse(data, KEY)


def index(data: bytes) -> None:
    """An index; what it accepts stays below the target and inside its objects."""
    found = Index.parse(data, "key")
    for name in [*(entry.name for entry in found.entries), *found.directories]:
        assert ".." not in name.split("/"), name
        assert not name.startswith(("/", ".up42_state/")), name
    for entry in found.entries:
        assert 0 <= entry.offset <= entry.offset + entry.size <= found.objects[entry.object].size


def pack(data: bytes) -> None:
    """An archive; a damaged one is a ValueError, which verify reports."""
    try:
        frame_digest(memoryview(data))
    except ValueError:
        return


def _files(digest: str) -> Files:
    found = (File(path=path, size=3, sha256=f"{digest}{path}") for path in FILES)
    return Files(found, ["dir", "empty"])


def document(data: bytes) -> None:
    """A data.json: what is checked without a defect can be read, looked into, and given to a block."""
    tree = Tree(root="/nowhere", files=_files("x"), defects=(), outside={})
    defects = check(data, tree)
    assert all(defect.place and defect.problem for defect in defects)
    if not defects:
        collection = Collection.read(data)
        wanted = Selection(where=["a=1"], bbox="0,0,1,1", path="*.tif")
        assert sum(feature in wanted for feature in collection) <= len(collection)
        out = io.BytesIO()
        collection.write(out)
        assert out.getvalue() == data


def objects(data: bytes) -> None:
    """A data.json as geojson objects."""
    feature_collection(data)


def merged(data: bytes) -> None:
    """Two documents merged: JSON again, and added files under paths of their own."""
    current, _, earlier = data.partition(SPLIT)
    for conflict in ("current", "both"):
        stage = EarlierOutput(
            job="j", stage="s:1", revision=1, collection=read_features(earlier), files=_files("y")
        )
        before = read_features(current)
        result = merge(before, _files("x"), [stage], on_conflict=conflict)
        out = io.BytesIO()
        result.write(out)
        assert len(Collection.read(out.getvalue())) >= len(before)
        for addition in result.additions:
            assert ".." not in addition.target.split("/")
            assert addition.target not in FILES


VARIABLES = (
    *("url", "parameters", "google_key", "aws_endpoint_url", "storage_emulator_host"),
    *("memory", "pack_below", "after", "sse", "job_mode", "concurrency", "single_writer"),
)


def settings(data: bytes) -> None:
    """Any text as any setting; no message quotes it."""
    if not data:
        return
    text = data[1:].decode("utf-8", "surrogateescape")
    name = VARIABLES[data[0] % len(VARIABLES)]
    found = Settings(**{name: text})
    repr(found)
    if name == "url" and "::" not in text and text.partition("://")[0] in {"s3", "gs", "file", "memory"}:
        bucket = open_bucket(text, found)
        assert without_credentials(bucket.url) == bucket.url or "?" in bucket.url


def conditions(data: bytes) -> None:
    """Any text as a choice of features."""
    text = data.decode("utf-8", "surrogateescape")
    collection = Collection(
        b'{"type":"FeatureCollection","features":[{"id":1,"properties":{"a":{"b":[1]}}}]}'
    )
    for choice in ({"where": [text]}, {"bbox": text}, {"ids": [text]}, {"path": text}):
        try:
            assert collection[0] in Selection(**choice) or True
        except InvalidDataError as error:
            raise AssertionError(choice) from error


def workflow(data: bytes) -> None:
    """A workflow document as YAML and as JSON: what loads has tasks in an order in which they can run."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("w.yaml", "w.json"):
            path = Path(folder, name)
            path.write_bytes(data)
            refused: tuple[Defect, ...] = (Defect("#", "none"),)
            tasks: tuple[Task, ...] = ()
            try:
                tasks = load(path, labels=lambda _: {}).tasks
            except InvalidWorkflowError as error:
                refused = error.defects
            assert refused
            assert all(defect.place and defect.problem for defect in refused)
            seen: set[str] = set()
            for task in tasks:
                assert {parent for parent in task.after if "/" not in parent} <= seen
                seen.add(task.name)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "commit": commit,
    "index": index,
    "pack": pack,
    "document": document,
    "objects": objects,
    "merged": merged,
    "settings": settings,
    "conditions": conditions,
    "workflow": workflow,
}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_SHA = "a" * 64
_STORED = {"key": f"3f0c/s/attempts/{ATTEMPT}/index.json", "size": 5, "sha256": _SHA}
_FEATURE = {
    "type": "Feature",
    "id": "x",
    "geometry": {"type": "Point", "coordinates": [1, 2]},
    "bbox": [0, 0, 1, 1],
}
_DOCUMENT = _json(
    {
        "type": "FeatureCollection",
        "bbox": [0, 0, 1, 1],
        "features": [
            {**_FEATURE, "properties": {"a": 1, "up42.data_path": "a.tif", "custom.x": "dir"}},
            {**_FEATURE, "id": 2, "properties": None},
        ],
    }
)

# A valid document for each, from which both kinds of fuzzing set out.
SEEDS: dict[str, list[bytes]] = {
    "workflow": [
        _json(
            {
                "name": "w",
                "tasks": [
                    {"name": "a:1", "image": "a:1", "environment": ["HOME"], "timeout": "1h", "retries": 1},
                    {
                        "name": "b:1",
                        "after": ["a:1", "j/s"],
                        "python": "json:loads",
                        "foreach": "feature",
                        "chunk": 3,
                        "resources": {"cpus": 1.5, "memory": "1GiB", "gpus": 0},
                        "propagate": [{"stages": ["a:1"], "match": ["a=b"], "where": ["c<1"]}],
                    },
                ],
                "parameters": {"b:1": {"x": [1.5, None]}},
            }
        ),
        b"- &x {name: a:1, image: a}\n- name: b:1\n  parentName: a:1\n  image: 'b'\n  command: a 'b c'\n",
    ],
    "commit": [
        _json(
            {
                "format": "1.0",
                "job": "3f0c",
                "stage": "s",
                "revision": 1,
                "attempt": ATTEMPT,
                "time": "2026-01-01T00:00:00Z",
                "index": _STORED,
                "data": _STORED,
                "parameters": {"a": [1.5]},
            }
        )
    ],
    "index": [
        _json(
            {
                "format": "1.0",
                "objects": [{"key": f"s/attempts/{ATTEMPT}/files/x", "size": 9}],
                "entries": [{"path": "a/b", "size": 5, "sha256": _SHA, "object": 0, "offset": 2}],
                "directories": ["d"],
            }
        )
    ],
    "pack": [b"PK\5\6" + bytes(18)],
    "document": [_DOCUMENT],
    "objects": [_DOCUMENT],
    "merged": [
        _DOCUMENT + SPLIT + _DOCUMENT.replace(b'"x"', b'"y"'),
    ],
    "settings": [
        bytes([n]) + text for n, text in enumerate([b"s3://b/p", b'{"a":1}', b"e30=", b"http://h:1"])
    ],
    "conditions": [b"a.b<=20", b"1,2,3,4", b'a="b"'],
}
