"""Kubernetes pods on this machine, by podman: what a cluster would start, in the same order.

A field that is not known here is an error, so that no test passes on what was not done. Of resources,
``sizeLimit``, ``serviceAccountName`` and ``terminationGracePeriodSeconds`` only the form is checked: one
machine gives what it has. A container may have ``dependencies``, as in a container set of Argo Workflows.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers import engines
from servers.specs import PodError, check_pod, environment_of, expand, object_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from servers.buildah import Buildah

Spec = dict[str, Any]
SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A container that has ended, and what could be found in it.

    :param environment: of its process, the image's variables among them.
    :param mounts: where in the container each directory of the machine appears, with its ``Mode``.
    :param inspected: all that ``podman inspect`` says.
    """

    name: str
    exit_code: int
    stdout: str
    stderr: str
    environment: dict[str, str]
    mounts: dict[str, Path]
    inspected: dict[str, Any]
    variables: dict[str, str] = field(repr=False)

    def search(self, *words: str) -> list[str]:
        """Where any of these words is: in podman's record, in the output, in which file that it saw."""
        wanted = [word.encode() for word in words]
        assert all(wanted), "an empty word is everywhere"
        texts = {
            "inspect": json.dumps(self.inspected, ensure_ascii=False),
            "stdout": self.stdout,
            "stderr": self.stderr,
        }
        found = [place for place, text in texts.items() if any(word in text for word in words)]
        for target, source in self.mounts.items():
            files = [path for path in source.rglob("*") if path.is_file()]
            found += [
                f"{target}/{path.relative_to(source)}" for path in files if _holds(path.read_bytes(), wanted)
            ]
        exported = _podman(self.variables, "export", self.inspected["Id"], text=False)
        return found + (["the root file system"] if _holds(exported.stdout, wanted) else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """Runs pods with one podman; the containers stay, to be looked at, until that podman goes.

    :param variables: lead podman to its storage.
    :param folder: for the volumes.
    """

    variables: Mapping[str, str]
    folder: Path

    def run(
        self,
        spec: Spec,
        *,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        config_maps: Mapping[str, Mapping[str, str]] | None = None,
    ) -> list[Ended]:
        """Run a pod to its end: init containers one after the other, then containers, by their dependencies.

        A container that does not exit 0 keeps those from starting that come after it or depend on it.

        :param secrets: the cluster's, by name; the values as text, not in base64.
        :returns: the containers that ran, init containers first, in the pod's order.
        :raises PodError: the pod is malformed, or asks for what is not done here.
        """
        check_pod(spec)
        return _Run(self, spec, secrets or {}, config_maps or {}).to_its_end()


@contextmanager
def pods(folder: Path, images: Buildah | None = None) -> Iterator[Pods]:
    """Give what runs pods, with the images of a buildah, or with those of its own storage."""
    with engines.podman(folder, images) as variables:
        yield Pods(variables={**os.environ, **variables}, folder=folder)


class _Run:
    def __init__(
        self,
        pods: Pods,
        spec: Spec,
        secrets: Mapping[str, Mapping[str, str]],
        config_maps: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.variables = dict(pods.variables)
        self.spec = spec
        self.objects = {"secret": secrets, "configMap": config_maps}
        self.security: Spec = spec.get("securityContext", {})
        self.name = f"pod-{uuid.uuid4().hex[:12]}"
        folder = pods.folder / self.name
        self.volumes = {
            volume["name"]: self._volume(folder / volume["name"], volume)
            for volume in spec.get("volumes", [])
        }

    def to_its_end(self) -> list[Ended]:
        ended: list[Ended] = []
        for container in self.spec.get("initContainers", []):
            ended.append(self._container(container))
            if ended[-1].exit_code != 0:
                return ended
        return ended + self._containers(self.spec["containers"])

    def _containers(self, containers: Sequence[Spec]) -> list[Ended]:
        """All at once, but each after those that it depends on."""
        by_name = {container["name"]: container for container in containers}
        after = {name: container.get("dependencies", []) for name, container in by_name.items()}
        futures: dict[str, Future[Ended | None]] = {}
        with ThreadPoolExecutor(len(containers)) as pool:
            for name in TopologicalSorter(after).static_order():
                waits_for = [futures[other] for other in after[name]]
                futures[name] = pool.submit(self._container_after, waits_for, by_name[name])
        ended = [futures[name].result() for name in by_name]
        return [one for one in ended if one is not None]

    def _container_after(self, waits_for: Sequence[Future[Ended | None]], container: Spec) -> Ended | None:
        before = [future.result() for future in waits_for]
        goes = all(one is not None and one.exit_code == 0 for one in before)
        return self._container(container) if goes else None

    def _volume(self, folder: Path, volume: Spec) -> Path:
        folder.mkdir(parents=True)
        group = self.security.get("fsGroup")
        for kind in self.objects:
            if kind in volume:
                source = volume[kind]
                name = source["secretName" if kind == "secret" else "name"]
                mode = source.get("defaultMode", 0o644)
                for key, value in object_of(self.objects, kind, name).items():
                    (folder / key).write_text(value)
                    (folder / key).chmod(mode if group is None else mode | 0o440)
        if group is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, -1, group)
        folder.chmod(0o777 if group is None else 0o2777)
        return folder

    def _container(self, container: Spec) -> Ended:
        environment = environment_of(container, self.objects)
        words = {
            part: [expand(word, environment) for word in container.get(part, [])]
            for part in ("command", "args")
        }
        name = f"{self.name}-{container['name']}"
        options = ["--name", name, "--network", "host", "--pull", "never", "--http-proxy=false"]
        options += [f"--env={key}={value}" for key, value in environment.items()]
        for mount in container.get("volumeMounts", []):
            volume = next(one for one in self.spec["volumes"] if one["name"] == mount["name"])
            mode = "ro" if mount.get("readOnly") or "emptyDir" not in volume else "rw"
            options.append(f"--volume={self.volumes[mount['name']]}:{mount['mountPath']}:{mode}")
        if "workingDir" in container:
            options += ["--workdir", container["workingDir"]]
        if words["command"]:
            options.append(f"--entrypoint={json.dumps(words['command'])}")
        options += self._rights(container)
        made = _podman(self.variables, "create", *options, container["image"], *words["args"])
        if made.returncode != 0:
            raise PodError(f"{container['name']} cannot be made: {made.stderr}")
        ran = _podman(self.variables, "start", "--attach", name)
        (inspected,) = json.loads(_podman(self.variables, "inspect", name).stdout)
        if inspected["State"]["Status"] != "exited":  # such as a command that is not there
            raise PodError(f"{container['name']} cannot be started: {ran.stderr or inspected['State']}")
        return Ended(
            name=container["name"],
            exit_code=inspected["State"]["ExitCode"],
            stdout=ran.stdout,
            stderr=ran.stderr,
            environment=dict(line.split("=", 1) for line in inspected["Config"]["Env"]),
            mounts={mount["Destination"]: Path(mount["Source"]) for mount in inspected["Mounts"]},
            inspected=inspected,
            variables=self.variables,
        )

    def _rights(self, container: Spec) -> list[str]:
        """The options of the user, the groups and what the process may do."""
        security = self.security | container.get("securityContext", {})
        options: list[str] = []
        user = security.get("runAsUser")
        if user is not None:
            group = security.get("runAsGroup")
            options += ["--user", str(user) if group is None else f"{user}:{group}"]
        if security.get("runAsNonRoot"):
            self._must_not_be_root(container, user)
        if "fsGroup" in security:
            options += ["--group-add", str(security["fsGroup"])]
        if security.get("allowPrivilegeEscalation") is False:
            options.append("--security-opt=no-new-privileges")
        if security.get("readOnlyRootFilesystem"):
            options += ["--read-only", "--read-only-tmpfs=false"]
        return options + [f"--cap-drop={name}" for name in security.get("capabilities", {}).get("drop", [])]

    def _must_not_be_root(self, container: Spec, user: int | None) -> None:
        """As the kubelet does: it does not look up a user's name in the image."""
        name: str | int | None = user
        if user is None:
            form = ["--format", "{{.User}}"]
            name = _podman(self.variables, "image", "inspect", *form, container["image"]).stdout.strip()
        if not re.fullmatch(r"[1-9]\d*(:.*)?", str(name)):
            raise PodError(
                f"{container['name']}: runAsNonRoot, and {name!r} is root or no number; set runAsUser"
            )


def _podman(
    variables: Mapping[str, str], *arguments: str, text: bool = True
) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(
        ["podman", *arguments], env=variables, capture_output=True, text=text, timeout=SECONDS, check=False
    )


def _holds(content: bytes, words: Sequence[bytes]) -> bool:
    return any(word in content for word in words)
