"""The label: how it is attached, and where it is read from."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.errors import (
    ConflictError,
    IntegrityError,
    InvalidDataError,
    NotFoundError,
    PathNotFoundError,
    SettingsError,
)
from up42_state.manifest import build_arguments, read_label

if TYPE_CHECKING:
    from pathlib import Path

LABELS = {"up42_manifest": '{"name": "é"}', "other": "x"}
TEXT = LABELS["up42_manifest"]
ATTESTATION = {"architecture": "unknown", "config": {}}


def in_a_shell(arguments: str, folder: Path) -> list[str]:
    """The words that a shell makes of them."""
    script = "import sys; print(*sys.argv[1:], sep='\\0', end='')"
    command = f'"{sys.executable}" -c "{script}" {arguments}'
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.split("\0")


@pytest.mark.parametrize(
    "name", ["UP42Manifest.json", "my block/UP42Manifest.json", "it's $HOME `x`.json", "-n.json"]
)
def test_the_arguments_can_be_pasted_into_a_shell(tmp_path: Path, name: str) -> None:
    """Whatever the path, docker gets two arguments with the text of the manifest."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{\n  "name": "a  b", "d": "$x \\"y\\" * é"\n}\n', encoding="utf-8")
    assert in_a_shell(build_arguments(name), tmp_path) == [
        "--build-arg",
        f"manifest={path.read_text().rstrip()}",
    ]


def test_the_arguments_are_the_documented_ones() -> None:
    """To the letter, for the name that the documentation uses."""
    assert build_arguments("UP42Manifest.json") == '--build-arg manifest="$(cat UP42Manifest.json)"'


INSPECTIONS = {
    "docker image inspect": [{"Id": "sha256:0", "Config": {"Labels": LABELS}}],
    "docker inspect of a container": [{"Id": "0", "Image": "x", "Config": {"Labels": LABELS}}],
    "podman image inspect": [{"Id": "0", "Labels": LABELS, "Config": {"Labels": LABELS}}],
    "buildah inspect": {"OCIv1": {"config": {"Labels": LABELS}}, "Docker": {"config": {"Labels": LABELS}}},
    "skopeo inspect": {"Name": "x", "Labels": LABELS},
    "skopeo inspect --config": {"architecture": "amd64", "config": {"Labels": LABELS}},
}


@pytest.mark.parametrize("kind", INSPECTIONS)
def test_the_label_is_read_from_what_tools_print(tmp_path: Path, kind: str) -> None:
    """The label is found wherever a tool prints the labels."""
    path = tmp_path / "inspect.json"
    path.write_text(json.dumps(INSPECTIONS[kind]), encoding="utf-8")
    assert read_label(path) == TEXT


@pytest.mark.parametrize(
    "document",
    [[], {}, [3], {"Config": None}, {"Config": {"Labels": None}}, {"Config": {"Labels": {"a": "b"}}}, 1],
)
def test_an_image_without_the_label(tmp_path: Path, document: object) -> None:
    """The error says what to do."""
    path = tmp_path / "inspect.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(NotFoundError, match="has no label up42_manifest – build it with"):
        read_label(path)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_is_refused_with_the_command_that_reads_it(tmp_path: Path, mode: str) -> None:
    """The path in the command is quoted for a shell."""
    path = tmp_path / "my image.tar"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # the mode is a variable
        archive.add(__file__, "index.json")
    command = re.escape(f"`skopeo inspect --config docker-archive:'{path}'`")
    with pytest.raises(InvalidDataError, match=f"is no JSON: .*{command}"):
        read_label(path)


@pytest.mark.parametrize("content", [b"hello", b"", b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_json(tmp_path: Path, content: bytes) -> None:
    """Any file that is not JSON is invalid data."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InvalidDataError, match="is no JSON"):
        read_label(tmp_path / "x")


def test_a_file_that_is_very_large(tmp_path: Path) -> None:
    """A huge file is refused, and not taken into memory."""
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InvalidDataError, match="is larger than 16777216 bytes"):
        read_label(tmp_path / "x")


class Layout:
    """An OCI layout in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, document: object) -> dict[str, Any]:
        data = json.dumps(document).encode()
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs" / "sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def image(self, labels: dict[str, str] | None, tag: str | None = None) -> dict[str, Any]:
        config = self.blob({"config": {"Labels": labels}})
        annotations = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        return {**self.blob({"schemaVersion": 2, "config": config, "layers": []}), **annotations}

    def index(self, *descriptors: dict[str, Any]) -> Path:
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": descriptors}))
        return self.path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "image")


def test_the_label_of_an_oci_layout(layout: Layout) -> None:
    """Index, manifest, configuration."""
    assert read_label(layout.index(layout.image(LABELS))) == TEXT


def test_an_index_of_platforms_with_an_attestation(layout: Layout) -> None:
    """Buildkit nests an index, and adds attestations whose configuration has no labels."""
    attestation = layout.blob({"schemaVersion": 2, "config": layout.blob(ATTESTATION), "layers": []})
    inner = layout.blob({"manifests": [layout.image(LABELS), layout.image(LABELS), attestation]})
    assert read_label(layout.index(inner)) == TEXT


def test_several_images_need_a_tag(layout: Layout) -> None:
    """With different labels the tag says which one is meant."""
    path = layout.index(layout.image(LABELS, "a"), layout.image({"up42_manifest": "other"}, "b"))
    with pytest.raises(ConflictError, match="different labels"):
        read_label(path)
    assert read_label(f"{path}:b") == "other"
    with pytest.raises(PathNotFoundError, match="no image tagged c"):
        read_label(f"{path}:c")


@pytest.mark.parametrize("level", ["config", "manifest"])
def test_a_changed_blob_is_an_integrity_error(layout: Layout, level: str) -> None:
    """Every blob is checked against its digest."""
    image = layout.image(LABELS)
    path = layout.index(image)
    manifest = layout.path / "blobs" / image["digest"].replace(":", "/")
    config = layout.path / "blobs" / json.loads(manifest.read_text())["config"]["digest"].replace(":", "/")
    target = manifest if level == "manifest" else config
    target.write_bytes(target.read_bytes().replace(b"2", b"3", 1) + b" ")
    with pytest.raises(IntegrityError, match="has other content"):
        read_label(path)


def test_a_missing_blob_is_an_integrity_error(layout: Layout) -> None:
    """The error names the digest."""
    with pytest.raises(IntegrityError, match=f"lacks its blob sha256:{'0' * 64}"):
        read_label(layout.index({"digest": f"sha256:{'0' * 64}"}))


@pytest.mark.parametrize(
    "digest", ["sha256:../../../etc/passwd", "sha256:" + "0" * 63, "md5:" + "0" * 32, None, 5]
)
def test_a_malformed_digest_is_refused(layout: Layout, digest: object) -> None:
    """No path is made of it."""
    with pytest.raises(InvalidDataError, match="malformed digest"):
        read_label(layout.index({"digest": digest}))


def test_an_index_that_never_ends(layout: Layout) -> None:
    """Indexes nested too deep are refused."""
    descriptor = layout.image(LABELS)
    for _ in range(10):
        descriptor = layout.blob({"manifests": [descriptor]})
    with pytest.raises(InvalidDataError, match="more than 8 deep"):
        read_label(layout.index(descriptor))


@pytest.mark.timeout(60)
def test_an_index_that_names_its_images_again_and_again(layout: Layout) -> None:
    """Every image is read once: nested indexes would multiply."""
    descriptor = layout.image(LABELS)
    for number in range(8):
        descriptor = layout.blob({"manifests": [descriptor] * 50, "number": number})
    assert read_label(layout.index(descriptor)) == TEXT


@pytest.mark.parametrize("index", ["[]", "{}", "x", '{"manifests": [3]}', "[" * 100000])
def test_a_malformed_index(layout: Layout, index: str) -> None:
    """An error of ours, whatever stands there."""
    (layout.path / "index.json").write_text(index)
    with pytest.raises((InvalidDataError, NotFoundError)):
        read_label(layout.path)


def test_a_directory_that_is_no_image(tmp_path: Path) -> None:
    """The error says what was looked for."""
    with pytest.raises(InvalidDataError, match=r"is no OCI layout: it has no file index\.json"):
        read_label(tmp_path)


@pytest.mark.timeout(60)
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe is no file of an image, and nobody may ever write to it."""
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(InvalidDataError, match="is no OCI layout"):
        read_label(tmp_path)


def tool(folder: Path, name: str, body: str) -> None:
    """A stand-in for a container tool that is not installed."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_a_name_is_looked_up_with_the_tools_of_this_machine(tools: Path) -> None:
    """The first tool that knows the image answers; one that does not is passed over."""
    tool(tools, "docker", "echo 'no daemon' >&2; exit 1")
    answer = json.dumps([{"Config": {"Labels": LABELS}}])
    tool(tools, "podman", f'[ "$*" = "image inspect tiling:1" ] && echo \'{answer}\'')
    assert read_label("tiling:1") == TEXT


def test_a_tag_after_the_name_of_a_file(tmp_path: Path, tools: Path) -> None:
    """A file holds one answer, so a tag after its name is not dropped: the whole text names an image."""
    path = tmp_path / "inspect.json"
    path.write_text(json.dumps(INSPECTIONS["podman image inspect"]))
    with pytest.raises(NotFoundError, match=r"no file and no image .*inspect\.json:other"):
        read_label(f"{path}:other")


@pytest.mark.parametrize("name", ["tiling:1", "--help"])
def test_an_image_that_no_tool_knows(tools: Path, name: str) -> None:
    """Names that a tool would take for an option are not passed on."""
    tool(tools, "docker", "exit 1")
    with pytest.raises(NotFoundError, match="no image"):
        read_label(name)


def test_an_empty_source() -> None:
    """An empty source comes from a variable that is not set; no image is looked for."""
    with pytest.raises(SettingsError, match="an empty text names no image"):
        read_label("")


def test_a_tool_that_answers_nonsense(tools: Path) -> None:
    """A tool's answer that is not JSON is invalid data."""
    tool(tools, "docker", "echo hello")
    with pytest.raises(InvalidDataError, match="did not answer with JSON"):
        read_label("tiling:1")


@pytest.mark.docker
def test_an_image_that_buildah_built(tmp_path: Path) -> None:
    """The documented Dockerfile lines and our arguments, with a real builder: the label comes back whole."""
    (tmp_path / "Dockerfile").write_text('FROM scratch\nARG manifest\nLABEL "up42_manifest"=$manifest\n')
    manifest = tmp_path / "UP42Manifest.json"
    manifest.write_text('{\n  "name": "a \\"b\\" $c é",\n  "tags": []\n}\n', encoding="utf-8")
    buildah = shutil.which("buildah")
    assert buildah, "buildah is needed"
    storage = f"--root {tmp_path}/root --runroot {tmp_path}/run --storage-driver vfs"
    image = f"oci:{tmp_path}/layout"
    command = f"{buildah} {storage} build --isolation chroot -t {image} {build_arguments(manifest)} ."
    environment = {**os.environ, "BUILDAH_FORMAT": "oci"}
    subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert read_label(tmp_path / "layout") == manifest.read_text(encoding="utf-8").rstrip()
