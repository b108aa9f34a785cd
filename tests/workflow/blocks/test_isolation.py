"""What a machine lets blocks have of their own is found out by trying."""

from __future__ import annotations

import subprocess
import sys

from up42_state.workflow.blocks.sandbox.isolation import isolation

TRY = (
    "from up42_state.workflow.blocks.sandbox.isolation import isolation; found = isolation()\n"
    "print(found.namespaces, found.problem)"
)


def test_all_of_it_here() -> None:
    """Here a block has mounts and processes of its own."""
    assert isolation().namespaces == ("mount", "process")
    assert isolation().has_mounts


def test_a_machine_that_allows_none() -> None:
    """Where no namespaces can be made, there are none, and the system's reason is kept."""
    inside = "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set -sys_admin "
    inside += '--inh-caps -sys_admin "$0" -c "$1"'
    out = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", inside, sys.executable, TRY],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert out.stdout == "() unshare: No space left on device\n", out.stderr


def test_a_container_that_hides_proc() -> None:
    """Where ``/proc`` cannot be mounted, a block has mounts of its own, and no processes."""
    # A file system that is mounted over a part of /proc keeps user namespaces from mounting another one.
    inside = "mount -t tmpfs tmpfs /proc/sys && exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "
    inside += '"$0" -c "$1"'
    out = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, sys.executable, TRY],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert out.stdout == "('mount',) \n", out.stderr
