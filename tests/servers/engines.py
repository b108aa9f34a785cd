"""Docker's daemon and podman of a test session, apart from the machine's own images and containers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from servers.buildah import Buildah

RUNTIME = Path(__file__).resolve().parents[1] / "containers" / "runtime"
GATEWAY = "192.0.2.1"  # for documentation (RFC 5737): nothing answers there
NEEDED = {
    "docker": ("docker", "dockerd", "containerd", "runc", "docker-init"),
    "podman": ("podman", "conmon", "runc"),
}
SECONDS_TO_START = 60.0


def require(kind: str) -> None:
    """Fail where an engine cannot run, and do not skip: somebody asked for these tests."""
    missing = [name for name in NEEDED[kind] if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.fail(
            f"{kind} needs root and {', '.join(missing) or 'nothing more'}; on Debian: apt-get install"
            " --no-install-recommends podman conmon catatonit docker.io runc busybox-static"
        )


@contextmanager
def podman(folder: Path, images: Buildah | None = None) -> Iterator[Mapping[str, str]]:
    """Give the variables that lead podman to a storage of its own; containers that are left are removed.

    :param images: with the storage of a buildah instead, where podman finds what that has built. What runs
        lies in ``folder`` all the same: below a long path conmon does not tell that a container has ended.
    """
    require("podman")
    driver, graph = "vfs", folder / "graph"
    if images is not None:
        driver, graph = images.driver, images.storage / "root"
    (folder / "containers.conf").write_text(
        f'[engine]\nruntime = "tests"\n'
        f'cgroup_manager = "cgroupfs"\nevents_logger = "file"\nlock_type = "file"\n'
        f'tmp_dir = "{folder}/tmp"\nvolume_path = "{folder}/volumes"\n'
        f'[engine.runtimes]\ntests = ["{RUNTIME}"]\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "{driver}"\nrunroot = "{folder}/run"\ngraphroot = "{graph}"\n'
    )
    variables = {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    yield variables
    remove = ["podman", "rm", "--all", "--force", "--time", "0"]
    subprocess.run(remove, env={**os.environ, **variables}, check=True, capture_output=True, timeout=60)


@contextmanager
def docker(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run docker's daemon, with no network of its own; give the variable that leads the client to it."""
    require("docker")
    socket = folder / "docker.sock"
    config = {
        "hosts": [f"unix://{socket}"],
        **{name: str(folder / name) for name in ("data-root", "exec-root", "pidfile")},
        "storage-driver": "vfs",
        "iptables": False,
        "ip-forward": False,
        "bridge": "none",
        "host-gateway-ip": GATEWAY,
        "runtimes": {"tests": {"path": str(RUNTIME)}},
        "default-runtime": "tests",
    }
    (folder / "daemon.json").write_text(json.dumps(config))
    dockerd = ["dockerd", "--config-file", folder / "daemon.json"]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            # It ends with the tests, also where they are killed.
            ["setpriv", "--pdeathsig", "TERM", *dockerd],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    variables = {"DOCKER_HOST": f"unix://{socket}"}
    try:
        _wait_until_it_answers(daemon, variables, folder / "log")
        yield variables
    finally:
        daemon.terminate()
        daemon.wait(30)
        subprocess.run(["umount", folder / "exec-root" / "netns" / "default"], check=False)  # it leaves that


def _wait_until_it_answers(daemon: subprocess.Popen[bytes], variables: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    info = ["docker", "info", "--format", "{{.ServerVersion}}"]
    while True:
        asked = subprocess.run(
            info, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return
        if daemon.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"docker's daemon does not run:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def busybox(archive: Path) -> Path:
    """Write an archive of a root file system whose shell and commands are busybox."""
    program = shutil.which("busybox")
    if program is None:
        pytest.fail("the image of these tests is made of busybox; on Debian: apt-get install busybox-static")
    root = archive.with_suffix("")
    for name in ("bin", "etc", "proc", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nblock:x:1234:1234::/:/bin/sh\n")
    shutil.copy(program, root / "bin" / "busybox")
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    for name in set(listed.stdout.split()) - {"busybox"}:
        (root / "bin" / name).symlink_to("busybox")
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    return archive
