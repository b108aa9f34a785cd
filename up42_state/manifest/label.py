"""Attach a manifest to an image with the label ``up42_manifest``, and read the label back.

The platform's documentation ("Attaching a manifest to a block") puts ``ARG manifest`` and
``LABEL "up42_manifest"=$manifest`` into the Dockerfile, and gives the manifest as a build argument.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.errors import ConflictError, InvalidDataError, NotFoundError, SettingsError
from up42_state.machine.paths import local_path
from up42_state.manifest.images import image_configurations

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LABEL", "build_arguments", "read_image_label", "read_label"]

LABEL = "up42_manifest"
INSPECT = (
    ("docker", "image", "inspect"),
    ("podman", "image", "inspect"),
    ("buildah", "inspect", "--type", "image"),
)
INSPECT_SECONDS = 60  # a tool whose daemon does not answer is passed over


def build_arguments(path: str | os.PathLike[str]) -> str:
    """Return the arguments of ``docker build`` that attach a manifest file, to be pasted into a shell.

    They are ``--build-arg manifest="$(cat UP42Manifest.json)"``, with the path quoted where a shell would
    split or interpret it.
    """
    name = os.fspath(path)
    if name.startswith("-"):
        name = f"./{name}"  # else cat takes the path for an option
    return f'--build-arg manifest="$(cat {shlex.quote(name)})"'


def read_label(source: str | os.PathLike[str]) -> str:
    """Return the text of the label ``up42_manifest`` of an image; the text is not validated.

    :param source: a file with what ``docker inspect``, ``podman inspect``, ``buildah inspect`` or
        ``skopeo inspect`` printed; the directory of an OCI image layout, with ``:TAG`` for one image of
        several; otherwise the name of an image that docker, podman or buildah on this machine know.
    :raises NotFoundError: there is no such file or image, or the image has no such label.
    :raises ConflictError: the source holds several images with different labels.
    :raises IntegrityError: the OCI layout lacks a blob, or a blob is not what its digest says.
    :raises InvalidDataError: the file is not JSON, or the directory is not an OCI layout.
    :raises SettingsError: the source is empty, or cannot be a path.
    """
    name = os.fspath(source)
    if not name:
        raise SettingsError(
            "an empty text names no image",
            advice="give an image's name, an OCI layout, or a file with the output of docker inspect",
        )
    path, tag = _split(name)
    return _only_label(name, image_configurations(path, tag) if path else _inspect(name))


def read_image_label(name: str) -> str:
    """Return the text of the label of an image that docker, podman or buildah on this machine know.

    A file or directory of the same name is not looked at.

    :raises NotFoundError: there is no such image, or the image has no such label.
    :raises ConflictError: the name stands for several images with different labels.
    """
    return _only_label(name, _inspect(name))


def _only_label(source: str, configurations: Iterable[object]) -> str:
    labels = dict.fromkeys(label for found in configurations if (label := _label(found)) is not None)
    if not labels:
        raise NotFoundError(
            f"{source} has no label {LABEL}",
            advice="build it with the arguments that `up42-state manifest label` prints",
        )
    if len(labels) > 1:
        raise ConflictError(
            f"{source} holds images with different labels {LABEL}", advice="name one as PATH:TAG"
        )
    return next(iter(labels))


def _split(source: str) -> tuple[Path | None, str | None]:
    """Split PATH or PATH:TAG; return no path if nothing is there, so that the source names an image."""
    if local_path(source).exists():
        return Path(source), None
    path, colon, tag = source.rpartition(":")
    if colon and path and tag and "/" not in tag and Path(path).is_dir():
        return Path(path), tag
    return None, None


def _label(configuration: object) -> str | None:
    for labels in _labels(configuration):
        if isinstance(labels, dict) and isinstance(labels.get(LABEL), str):
            return str(labels[LABEL])
    return None


def _labels(configuration: object) -> Iterator[object]:
    """Yield what stands where docker, podman, OCI, buildah and skopeo keep labels."""
    if not isinstance(configuration, dict):
        return
    for member in ("Config", "config"):  # docker and podman; OCI and skopeo inspect --config
        yield from _labels_of(configuration.get(member))
    for member in ("OCIv1", "Docker"):  # buildah
        if isinstance(configuration.get(member), dict):
            yield from _labels_of(configuration[member].get("config"))
    yield from _labels_of(configuration)  # skopeo inspect


def _labels_of(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield value.get("Labels")


def _inspect(name: str) -> Iterable[object]:
    """Return what the first tool that knows the image prints of it."""
    if name.startswith("-"):  # a tool would take the name for an option
        raise NotFoundError(f"there is no image {name!r}")
    tools = [command for command in INSPECT if shutil.which(command[0])]
    for command in tools:
        found = _run([*command, name])
        if found is not None:
            return found if isinstance(found, list) else [found]
    asked = ", ".join(command[0] for command in tools) or "docker, podman and buildah are not installed"
    raise NotFoundError(f"there is no file and no image {name} (asked: {asked})")


def _run(command: list[str]) -> Any:
    try:
        done = subprocess.run(command, capture_output=True, timeout=INSPECT_SECONDS, check=False)  # noqa: S603 - no shell
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, OSError):
        return None
    except ValueError as error:
        raise InvalidDataError(f"{command[0]} did not answer with JSON: {error}") from error
