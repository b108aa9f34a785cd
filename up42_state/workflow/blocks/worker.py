"""The process in which a Python block's function runs: it takes one call after another.

Calls come by a socket, each with a descriptor for what the function prints. The function's module is
imported once, so that a thousand shards cost a thousand calls and no more. Nothing that the function does to
its standard output reaches the socket.
"""

from __future__ import annotations

import ctypes
import faulthandler
import inspect
import io
import os
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.block.outputs import write_output
from up42_state.contract import DATA_JSON
from up42_state.errors import StateError
from up42_state.features.objects import feature_collection
from up42_state.workflow.blocks.brought import bring_files
from up42_state.workflow.blocks.sandbox.messages import receive, send

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DIRECTORIES", "main"]

DIRECTORIES = ("input_dir", "output_dir", "quicklooks_dir")  # parameters that a function may ask for
_OURS = Path(__file__).parent
_libc = ctypes.CDLL(None)


def main() -> None:
    """Answer calls until there are no more."""
    descriptor, folder, function = sys.argv[1:]
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)
    sys.argv[1:] = []
    faulthandler.enable()  # where a library in C crashes, the log shows in which line of the block
    sys.path.insert(0, folder)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that lines of both streams stay in order
    found: Callable[..., Any] | None = None
    me = os.getpid()
    with suppress(EOFError):
        while True:
            call, output = receive(channel, with_descriptor=True)
            _measure_anew()
            with _Printing(output):
                answer, found = _answer(call, function, found)
            if os.getpid() != me:  # the function has forked, and its child has returned as well
                os._exit(answer["code"])
            send(channel, answer | {"peak": _most_memory()})


def _measure_anew() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): reset the peak resident set size


def _most_memory() -> int:
    with suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


_EMPTY = b'{"type": "FeatureCollection", "features": []}'


class _Printing:
    """Sends what is printed to a descriptor, whoever prints: Python, a library in C, or a child."""

    def __init__(self, output: int) -> None:
        self._output = output

    def __enter__(self) -> None:
        self._to(self._output)
        os.close(self._output)

    def __exit__(self, *_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the function may have closed or replaced them
                stream.flush()
        _libc.fflush(None)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        self._to(nowhere)
        os.close(nowhere)

    def _to(self, descriptor: int) -> None:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)


def _answer(
    call: Mapping[str, Any], name: str, function: Callable[..., Any] | None
) -> tuple[dict[str, Any], Callable[..., Any] | None]:
    """Carry out a call; return how it ended, and the function for the next one."""
    try:
        _prepare(call)
        function = function or _found(name)
        _work(call, function)
    except SystemExit as error:
        return _exit(error), function
    except StateError as error:
        print(error, file=sys.stderr)  # noqa: T201 - into the attempt's log
        return {"code": 1, "text": str(error)}, function
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is how the block ended
        print(_traceback(error), file=sys.stderr, end="")  # noqa: T201
        return {"code": 1, "text": f"{type(error).__name__}: {error}".rstrip(": ")}, function
    return {"code": 0, "text": ""}, function


def _prepare(call: Mapping[str, Any]) -> None:
    """Set the variables, the directory for temporary files, and the working directory."""
    os.environ.clear()
    os.environ.update(call["environment"])
    tempfile.tempdir = None  # read anew from TMPDIR
    os.chdir(call["output_dir"])


def _found(name: str) -> Callable[..., Any]:
    """Import the function that ``module:function`` names."""
    module, _, path = name.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name} is no function, but of type {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _work(call: Mapping[str, Any], function: Callable[..., Any]) -> None:
    folders = {name: Path(call[name]) for name in DIRECTORIES}
    collection = _input(folders["input_dir"] / DATA_JSON)
    wanted = {name: path for name, path in folders.items() if name in _named_parameters(function)}
    result = function(collection, **{**call["parameters"], **wanted})
    if result is None:
        if not (folders["output_dir"] / DATA_JSON).exists():
            raise ValueError(f"the function returned None, and has written no {DATA_JSON}")
        return
    output = _as_collection(result)
    bring_files(output["features"], folders["input_dir"], folders["output_dir"])
    write_output(folders["output_dir"], output, dry_run=call["dry_run"])


def _input(path: Path) -> Any:
    """Read the input; a task that stands on no other has none, and gets an empty collection."""
    return feature_collection(path.read_bytes() if path.exists() else _EMPTY)


def _named_parameters(function: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a function in C may have no signature
        return frozenset()


def _as_collection(result: Any) -> dict[str, Any]:
    """Return a FeatureCollection for what a function may return: one, or features one after another."""
    if isinstance(result, dict):
        if not isinstance(result.get("features"), list | tuple):
            kind = result.get("type")
            raise TypeError(f"the function returned a {kind or 'dict'}, and no FeatureCollection")
        return result
    try:
        features = list(result)
    except TypeError as error:
        if not inspect.isgenerator(result) and not hasattr(type(result), "__iter__"):
            kind = type(result).__name__
            raise TypeError(
                f"the function returned a {kind}; return a FeatureCollection, features, or None"
            ) from error
        raise
    return {"type": "FeatureCollection", "features": features}


def _exit(error: SystemExit) -> dict[str, Any]:
    """Tell ``sys.exit`` as Python does for a process of its own."""
    if error.code is None or isinstance(error.code, int):
        code = (error.code or 0) & 0xFF
        return {"code": code, "text": f"exit code {code}" if code else ""}
    print(error.code, file=sys.stderr)  # noqa: T201
    return {"code": 1, "text": str(error.code)}


def _traceback(error: BaseException) -> str:
    """Return a traceback that begins where the block's own code does."""
    frames = error.__traceback__
    while frames and frames.tb_next and Path(frames.tb_frame.f_code.co_filename).is_relative_to(_OURS):
        frames = frames.tb_next
    return "".join(traceback.format_exception(error.with_traceback(frames)))


if __name__ == "__main__":
    main()
