"""The ``up42_manifest`` label: how a manifest gets into an image, and how it is read back.

The documented way ("Attaching a manifest to a block") is ``ARG manifest`` and
``LABEL "up42_manifest"=$manifest`` in the Dockerfile, and the manifest as a build argument.
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

__all__ = ["LABEL", "build_arguments", "read_label"]

LABEL = "up42_manifest"
INSPECT = (
    ("docker", "image", "inspect"),
    ("podman", "image", "inspect"),
    ("buildah", "inspect", "--type", "image"),
)
INSPECT_SECONDS = 60


def build_arguments(path: str | os.PathLike[str]) -> str:
    """The arguments of ``docker build`` that attach a manifest file, to be pasted into a shell.

    ``--build-arg manifest="$(cat UP42Manifest.json)"``, with the path quoted where a shell would split or
    interpret it.
    """
    name = os.fspath(path)
    return f'--build-arg manifest="$(cat {shlex.quote(f"./{name}" if name.startswith("-") else name)})"'


def read_label(source: str | os.PathLike[str]) -> str:
    """The text of the ``up42_manifest`` label of an image; it is not validated.

    :param source: a file with what ``docker inspect``, ``podman inspect``, ``buildah inspect`` or
        ``skopeo inspect`` printed, or with an image configuration; an archive of ``docker save``; an OCI
        layout as a directory or an archive; either with ``:TAG`` for one image of several. Otherwise the
        name of an image that docker, podman or buildah on this machine know.
    :raises NotFoundError: there is no such file or image, or no label in it.
    :raises ConflictError: there are several images with different labels.
    :raises IntegrityError: a part of the image is not what its digest says.
    :raises InvalidDataError: the source is none of these.
    :raises SettingsError: the source is empty, or cannot be a path.
    """
    if not os.fspath(source):
        raise SettingsError("an empty text names no image", advice="give a name, an archive or an OCI layout")
    path, tag = _split(os.fspath(source))
    configurations = image_configurations(path, tag) if path else _inspect(os.fspath(source))
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
    """A path that exists, and the tag after it; no path where the source is the name of an image."""
    if local_path(source).exists():
        return Path(source), None
    path, colon, tag = source.rpartition(":")
    if colon and path and tag and "/" not in tag and Path(path).exists():
        return Path(path), tag
    return None, None


def _label(configuration: object) -> str | None:
    for labels in _labels(configuration):
        if isinstance(labels, dict) and isinstance(labels.get(LABEL), str):
            return str(labels[LABEL])
    return None


def _labels(configuration: object) -> Iterator[object]:
    """Where they are: docker and podman have ``Config``, OCI has ``config``, buildah has both deeper."""
    if not isinstance(configuration, dict):
        return
    for member in ("Config", "config", "container_config"):
        yield from _labels_of(configuration.get(member))
    for member in ("OCIv1", "Docker"):
        if isinstance(configuration.get(member), dict):
            yield from _labels_of(configuration[member].get("config"))
    yield from _labels_of(configuration)


def _labels_of(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield value.get("Labels")


def _inspect(name: str) -> Iterable[object]:
    """What the first tool that knows the image says of it."""
    if name.startswith("-"):
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
