"""System calls that Python 3.11 does not have: namespaces, mounts, and what comes with a process's end.

Sources: unshare(2), mount(2), prctl(2), user_namespaces(7), pid_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "adopt_orphans",
    "die_with_parent",
    "make_private_tmp",
    "new_mounts",
    "new_processes",
    "new_user",
    "own_proc",
]

TMP = "/tmp"  # noqa: S108 - the contract's
_NEWNS, _NEWUSER, _NEWPID = 0x00020000, 0x10000000, 0x20000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _SLAVE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 19
_PDEATHSIG, _SUBREAPER = 1, 36
_SYS_ADMIN = 1 << 21  # the bit of CAP_SYS_ADMIN, capabilities(7)

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    _call("prctl", _PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parents have ended."""
    _call("prctl", _SUBREAPER, 1, 0, 0, 0)


def new_user() -> None:
    """Get the right to mount, in a user namespace in which the user stays the same, unless it is there.

    :raises OSError: the kernel does not allow it.
    """
    if _may_mount():
        return
    user, group = os.geteuid(), os.getegid()
    _unshare(_NEWUSER)
    _write("/proc/self/setgroups", "deny")  # user_namespaces(7): without, no group can be mapped
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def new_processes() -> None:
    """Begin a process namespace: the next child is its first process, and none in it outlives that child."""
    _unshare(_NEWPID)


def new_mounts() -> None:
    """Begin a mount namespace, in which mounts of the machine appear, and from which none gets out."""
    _unshare(_NEWNS)
    _mount(None, "/", None, _REC | _SLAVE)


def own_proc() -> None:
    """Show the processes of this process namespace in ``/proc``."""
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)


def make_private_tmp(
    tmp: str, shown: Iterable[str], writable: Mapping[str, str], read_only: Mapping[str, str]
) -> None:
    """Put a directory in the place of ``/tmp``, and others in it.

    :param tmp: the directory that becomes ``/tmp``.
    :param shown: names in the machine's ``/tmp`` that stay visible.
    :param writable: directories by the name that they get in ``/tmp``.
    :param read_only: likewise, and nothing can be written to them.
    """
    # What is covered can be reached through a descriptor only.
    sources = {name: os.open(os.path.join(TMP, name), os.O_PATH) for name in shown}
    sources |= {name: os.open(path, os.O_PATH) for name, path in {**writable, **read_only}.items()}
    _mount(tmp, TMP, None, _BIND | _REC)
    for name, source in sources.items():
        target = os.path.join(TMP, name)
        _make_mount_point(target, is_directory=os.path.isdir(f"/proc/self/fd/{source}"))
        _mount(f"/proc/self/fd/{source}", target, None, _BIND | _REC)
        os.close(source)
    for name in read_only:
        target = os.path.join(TMP, name)
        # A user namespace may not take these away (mount_namespaces(7)), so they have to be named.
        kept = os.statvfs(target).f_flag & (_NOSUID | _NODEV | _NOEXEC)
        _mount(None, target, None, _BIND | _REMOUNT | _RDONLY | kept)


def _make_mount_point(path: str, *, is_directory: bool) -> None:
    if is_directory:
        os.makedirs(path, exist_ok=True)
    else:
        with open(path, "a"):
            pass


def _may_mount() -> bool:
    with open("/proc/self/status") as file:
        found = [line.split()[1] for line in file if line.startswith("CapEff:")]
    return any(int(value, 16) & _SYS_ADMIN for value in found)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _unshare(flags: int) -> None:
    _call("unshare", flags)


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), None, place=target)


def _call(name: str, *arguments: object, place: str = "") -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}", place or None)
