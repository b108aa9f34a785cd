"""The process in which a Python block's function runs: it takes one call after another.

Calls come by a socket, each with a descriptor for what the function prints. The function's module is
imported once, so that a thousand shards cost a thousand calls and no more. Nothing that the function does to
its standard output reaches the socket.
"""

from __future__ import annotations

import faulthandler
import inspect
import json
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
from up42_state.workflow.blocks.printing import Printing
from up42_state.workflow.blocks.sandbox.messages import receive, send

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["DIRECTORIES", "main"]

DIRECTORIES = ("input_dir", "output_dir", "quicklooks_dir")  # parameters that a function may ask for
_UMASK = os.umask(0o022)
os.umask(_UMASK)
_OURS = Path(__file__).parent
_LONGEST = 16_000  # characters of what is told; the log has more


def main() -> None:
    """Answer calls until there are no more."""
    descriptor, folder, function = sys.argv[1:]
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)
    sys.argv[1:] = []
    faulthandler.enable()  # where a library in C crashes, the log shows in which line of the block
    sys.path.insert(0, folder)
    sys.stdout.close()  # each call begins with streams that are written line by line
    found: Callable[..., Any] | None = None
    me = os.getpid()
    with suppress(EOFError):
        while True:
            data, output = receive(channel, with_descriptor=True)
            call = json.loads(data)
            _measure_anew()
            with Printing(output) as printing:
                answer, found = _answer(call, function, found)
                if logged := answer.pop("logged", ""):
                    printing.write_line(logged)
            if os.getpid() != me:  # an exception in a child of the function's
                os._exit(answer["code"])
            send(channel, json.dumps(answer | {"peak": _most_memory()}).encode())


def _measure_anew() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): reset the peak resident set size


def _most_memory() -> int:
    with suppress(OSError), open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


_RETURN = "return a FeatureCollection, features, or None"
_EMPTY = b'{"type": "FeatureCollection", "features": []}'


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
        return _failure(str(error), str(error)), function
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is how the block ended
        return _failure(_said(error), _traceback(error)), function
    return {"code": 0, "text": ""}, function


def _failure(text: str, logged: str) -> dict[str, Any]:
    """Return a failure as an answer, with what is to be logged of it."""
    cut = text[:_LONGEST] + " … (the log has more)" if len(text) > _LONGEST else text
    return {"code": 1, "text": cut, "logged": logged.rstrip("\n")}


def _said(error: BaseException) -> str:
    """Return the class and the message of an exception."""
    name = type(error).__name__
    try:
        return f"{name}: {error}".rstrip(": ")
    except Exception:  # noqa: BLE001 - an exception of a block may do anything
        return name


def _prepare(call: Mapping[str, Any]) -> None:
    """Set the variables, the directory for temporary files, and the working directory."""
    os.umask(_UMASK)
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
    me = os.getpid()
    folders = {name: Path(call[name]) for name in DIRECTORIES}
    collection = _input(folders["input_dir"] / DATA_JSON)
    wanted = {name: path for name, path in folders.items() if name in _named_parameters(function)}
    result = function(collection, **{**call["parameters"], **wanted})
    output = None if result is None else _as_collection(result)
    if os.getpid() != me:  # the function has forked, and this is its child, which has returned as well
        os._exit(0)
    if output is None:
        if not (folders["output_dir"] / DATA_JSON).exists():
            raise ValueError(f"the function returned None, and has written no {DATA_JSON}")
        return
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
    if isinstance(result, str | bytes):
        raise TypeError(f"the function returned a {type(result).__name__}; {_RETURN}")
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
            raise TypeError(f"the function returned a {kind}; {_RETURN}") from error
        raise
    return {"type": "FeatureCollection", "features": features}


def _exit(error: SystemExit) -> dict[str, Any]:
    """Tell ``sys.exit`` as Python does for a process of its own."""
    if error.code is None or isinstance(error.code, int):
        code = (error.code or 0) & 0xFF
        return {"code": code, "text": f"exit code {code}" if code else ""}
    return _failure(str(error.code), str(error.code))


def _traceback(error: BaseException) -> str:
    """Return a traceback that begins where the block's own code does, if any of it ran."""
    frames = error.__traceback__
    while frames and Path(frames.tb_frame.f_code.co_filename).is_relative_to(_OURS):
        frames = frames.tb_next
    return "".join(traceback.format_exception(error.with_traceback(frames)))


if __name__ == "__main__":
    main()
