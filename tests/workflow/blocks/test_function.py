"""Blocks that are Python functions: what they get, what they may return, and how they end."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from doubles.planted import PLANTED
from workflow.blocks.cases import PARAMETERS, processes_with, wait_until, work

from up42_state.workflow.blocks.function import FunctionBlock
from up42_state.workflow.model import BlockReference, Resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.workflow.blocks.work import Ending, Work

MIB = 1024 * 1024

BLOCKS = """
import os, subprocess, sys, time
from pathlib import Path

import helper

def keep(fc, low=0):
    fc["features"] = [f for f in fc.features if f.properties["n"] >= low]
    return fc

def one_by_one(fc):
    for feature in fc.features:
        feature.properties["n"] += helper.ONE
        yield feature

def as_list(fc, **parameters):
    return [{"type": "Feature", "id": "x", "geometry": None, "properties": parameters}]

def by_itself(fc, output_dir, input_dir, quicklooks_dir):
    Path("data.json").write_bytes((input_dir / "data.json").read_bytes())
    Path(output_dir, "own.txt").write_text("x")
    Path(quicklooks_dir, "own.png").write_text("x")

def nothing(fc):
    pass

def number(fc):
    return 7

def feature(fc):
    return fc.features[0]

def defects(fc):
    return [{"type": "Feature", "geometry": None, "properties": {"up42.data_path": name}} for name in "ab"]

def fails(fc):
    raise ValueError("no scenes")

def leaves(fc, code):
    sys.exit(code)

def dies(fc):
    os.kill(os.getpid(), 9)

def crashes(fc):
    os.kill(os.getpid(), 11)

def ends(fc):
    os._exit(0)

def sleeps(fc):
    subprocess.Popen(["sleep", "86395.7"])
    time.sleep(60)

def holds(fc, size):
    held = bytes(size) + b"x"
    time.sleep(0.3 if size < 50 << 20 else 60)
    return fc

def prints(fc, name):
    print("out", name)
    print("err", name, file=sys.stderr)
    os.write(1, b"raw " + name.encode() + b"\\n")
    subprocess.run(["echo", "child", name])
    import ctypes
    ctypes.CDLL(None).printf(b"libc %s\\n", name.encode())  # kept in the library's own buffer
    time.sleep(0.1)
    return fc

def forks(fc):
    os.fork()
    return fc

def closes(fc):
    print("said")
    sys.stdout.close()
    sys.stderr = None
    os.close(1), os.close(2)
    raise ValueError("closed")

class NoText(Exception):
    def __str__(self):
        raise RuntimeError("no text")

def speechless(fc):
    raise NoText

def text(fc):
    return "a,b"

def verbose(fc):
    raise ValueError("y" * 100_000)

def surrogate(fc):
    raise ValueError("\\udc80")

def tells(fc):
    raise ValueError("key " + os.environ["KEY"])

def half(number):
    return number / 2

def spawns(fc, way):
    import multiprocessing
    with multiprocessing.get_context(way).Pool(2) as pool:
        for feature, n in zip(fc.features, pool.map(half, [f.properties["n"] for f in fc.features])):
            feature.properties["n"] = n
    return fc

def forks_badly(fc):
    if not os.fork():
        raise ValueError("in the child")
    os.wait()
    return fc

def where(fc):
    import tempfile
    return [{"type": "Feature", "geometry": None, "properties": {
        "pid": os.getpid(), "cwd": os.getcwd(), "tmp": tempfile.gettempdir(), "own": os.environ.get("OWN"),
        "path": sys.path[0], "leaked": "SECRET" in os.environ}}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "blocks.py").write_text(BLOCKS)
    (tmp_path / "helper.py").write_text("ONE = 1\n")
    return tmp_path


class Functions:
    """Runs functions of the module above."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blocks: dict[str, FunctionBlock] = {}
        self.count = 0

    def block(self, name: str) -> FunctionBlock:
        reference = BlockReference(kind="python", folder=self.folder, function=f"blocks:{name}")
        return self.blocks.setdefault(name, FunctionBlock(reference))

    def attempt(self, **given: Any) -> Work:
        self.count += 1
        return work(self.folder / "attempts", f"a:{self.count}", **given)

    def run(self, name: str, **given: Any) -> tuple[Ending, Work]:
        attempt = self.attempt(**given)
        return self.block(name).run(attempt), attempt


@pytest.fixture
def functions(folder: Path) -> Iterator[Functions]:
    functions = Functions(folder)
    yield functions
    for block in functions.blocks.values():
        block.close()


def properties(attempt: Work) -> list[dict[str, Any]]:
    features = json.loads((attempt.output / "data.json").read_text())["features"]
    return [feature["properties"] for feature in features]


def features(*numbers: int, **more: str) -> dict[str, Any]:
    found = [
        {"type": "Feature", "id": str(n), "geometry": None, "properties": {"n": n, **more}} for n in numbers
    ]
    return {"type": "FeatureCollection", "features": found}


def test_a_collection_and_parameters(functions: Functions) -> None:
    """A function gets the input's collection and its parameters, and returns a collection."""
    ending, attempt = functions.run("keep", content=features(1, 5, 9), parameters={"low": 5})
    assert (ending.reason, ending.text, ending.exit_code) == ("done", "done", 0)
    assert [each["n"] for each in properties(attempt)] == [5, 9]
    assert ending.peak_memory
    assert MIB < ending.peak_memory < 500 * MIB


def test_parameters_from_a_file(functions: Functions, tmp_path: Path) -> None:
    """Parameters that are too long for a variable come in a file."""
    path = tmp_path / "parameters.json"
    path.write_text('{"low": 5}')
    given = {PARAMETERS: "", "UP42_TASK_PARAMETERS_FILE": str(path)}
    _, attempt = functions.run("keep", content=features(1, 5), environment=given)
    assert [each["n"] for each in properties(attempt)] == [5]


def test_a_generator(functions: Functions) -> None:
    """A function may yield features one after another, and import modules beside its own."""
    _, attempt = functions.run("one_by_one", content=features(1, 2))
    assert [each["n"] for each in properties(attempt)] == [2, 3]


def test_a_list(functions: Functions) -> None:
    """A function may return a list of plain features."""
    _, attempt = functions.run("as_list", parameters={"width": 3})
    assert properties(attempt) == [{"width": 3}]


def test_a_function_that_writes_by_itself(functions: Functions) -> None:
    """A function that asks for directories gets them, works in the output, and may write data.json itself."""
    ending, attempt = functions.run("by_itself")
    assert ending.is_done
    assert sorted(os.listdir(attempt.output)) == ["data.json", "own.txt"]
    assert os.listdir(attempt.quicklooks) == ["own.png"]


def test_files_of_features_come_along(functions: Functions) -> None:
    """Files, sidecars and directories of features that stay come from the input, and no others."""
    content = features(1, 5, 9)
    for feature, path in zip(content["features"], ("a.tif", "b.tif", "scene/"), strict=True):
        feature["properties"]["up42.data_path"] = path
    attempt = functions.attempt(content=content, parameters={"low": 5})
    (attempt.input / "scene").mkdir()
    for name in ("a.tif", "b.tif", "b.tif.aux.xml", "scene/c.tif"):
        (attempt.input / name).write_text(name)
    assert functions.block("keep").run(attempt).is_done
    found = {str(path.relative_to(attempt.output)) for path in attempt.output.rglob("*") if path.is_file()}
    assert found == {"data.json", "b.tif", "b.tif.aux.xml", "scene/c.tif"}
    assert (attempt.output / "b.tif").read_text() == "b.tif"


def test_a_file_that_is_written_anew(functions: Functions, folder: Path) -> None:
    """A file that the function has written stays as the function wrote it."""
    (folder / "blocks.py").write_text(
        "from pathlib import Path\ndef keep(fc):\n    Path('a.tif').write_text('new')\n    return fc\n"
    )
    attempt = functions.attempt(content=features(1, **{"up42.data_path": "a.tif"}))
    (attempt.input / "a.tif").write_text("old")
    assert functions.block("keep").run(attempt).is_done
    assert (attempt.output / "a.tif").read_text() == "new"
    assert (attempt.input / "a.tif").read_text() == "old"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fails", "ValueError: no scenes"),
        ("nothing", "ValueError: the function returned None, and has written no data.json"),
        ("number", "TypeError: the function returned a int; return a FeatureCollection, features, or None"),
        ("feature", "TypeError: the function returned a Feature, and no FeatureCollection"),
        ("text", "TypeError: the function returned a str; return a FeatureCollection, features, or None"),
        ("speechless", "NoText"),
        ("surrogate", "ValueError: \\udc80"),
        ("gone", "AttributeError: module 'blocks' has no attribute 'gone'"),
        ("helper", "TypeError: blocks:helper is no function, but of type module"),
    ],
)
def test_failures(functions: Functions, name: str, said: str) -> None:
    """An exception is exit code 1, with its class and message in the text and its traceback in the log."""
    ending, attempt = functions.run(name)
    assert (ending.reason, ending.exit_code, ending.text) == ("exit code", 1, said)
    assert said in attempt.log.text()


def test_a_traceback_begins_in_the_block(functions: Functions) -> None:
    """The traceback in the log shows the block's code, and none of ours."""
    _, attempt = functions.run("fails")
    assert 'blocks.py", line' in attempt.log.text()
    assert "worker.py" not in attempt.log.text()


def test_a_call_that_the_function_does_not_take(functions: Functions) -> None:
    """A parameter that it does not have: none of its code ran, and none of ours is shown."""
    ending, attempt = functions.run("keep", parameters={"nosuch": 1})
    assert "unexpected keyword argument 'nosuch'" in ending.text
    assert attempt.log.text() == f"{ending.text}\n"


def test_all_defects_of_an_output(functions: Functions) -> None:
    """Defects of what a function returned are its failure, all of them told."""
    ending, attempt = functions.run("defects")
    assert ending.exit_code == 1
    assert "'a' names nothing in the output" in ending.text
    assert "'b' names nothing in the output" in ending.text
    assert not (attempt.output / "data.json").exists()


@pytest.mark.parametrize(
    ("code", "expected", "said"),
    [(4, 4, "exit code 4"), ("bad input", 1, "bad input"), (256 + 3, 3, "exit code 3")],
)
def test_sys_exit(functions: Functions, code: Any, expected: int, said: str) -> None:
    """``sys.exit`` ends the attempt as it would end a program."""
    ending, _ = functions.run("leaves", parameters={"code": code})
    assert (ending.reason, ending.exit_code, ending.text) == ("exit code", expected, said)


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("dies", "signal", "killed by SIGKILL; "),
        ("crashes", "signal", "killed by SIGSEGV"),
        ("ends", "exit code", "the function ended its process, and returned nothing"),
    ],
)
def test_a_worker_that_dies(functions: Functions, name: str, reason: str, said: str) -> None:
    """A function that takes its process down fails alone: the next attempt gets another process."""
    for _ in range(2):
        ending, _ = functions.run(name)
        assert ending.reason == reason
        assert ending.text.startswith(said)
        assert not ending.is_done


def test_a_crash_in_c_shows_the_line(functions: Functions) -> None:
    """Where a library crashes, the log shows the line of the block."""
    _, attempt = functions.run("crashes")
    assert "in crashes" in attempt.log.text()


@pytest.mark.parametrize("asked", ["timeout", "stopped"])
def test_ended_before_its_time(functions: Functions, asked: str) -> None:
    """A function that is stopped or out of time ends with what it started; the next call is not hurt."""
    attempt = functions.attempt(timeout=0.5 if asked == "timeout" else None)
    timer = threading.Timer(0.5, attempt.stop.set)
    if asked == "stopped":
        timer.start()
    ending = functions.block("sleeps").run(attempt)
    assert ending.reason == asked
    assert wait_until(lambda: not processes_with("sleep 86395.7"), 2)
    functions.blocks["sleeps"].close()


def test_a_memory_limit(functions: Functions) -> None:
    """A function that takes more memory than it may is ended; each attempt is measured for itself."""
    ending, _ = functions.run(
        "holds", parameters={"size": 300 * MIB}, resources=Resources(memory=200 * MIB), timeout=20
    )
    assert (ending.reason, ending.text) == ("out of memory", "out of memory (limit 200.0 MiB)")
    peaks = [functions.run("holds", parameters={"size": size})[0].peak_memory for size in (40 * MIB, 0)]
    assert peaks[0]
    assert peaks[1]
    assert peaks[0] > peaks[1] + 30 * MIB


def test_what_is_printed_goes_to_its_own_log(functions: Functions) -> None:
    """What functions print side by side, by whatever way, is in the log of the right attempt."""
    names = ["left", "right"] * 3
    attempts = [functions.attempt(parameters={"name": name}) for name in names]
    with ThreadPoolExecutor(2) as pool:
        assert all(ending.is_done for ending in pool.map(functions.block("prints").run, attempts))
    for name, attempt in zip(names, attempts, strict=True):
        lines = attempt.log.text().splitlines()
        assert sorted(lines) == sorted(f"{how} {name}" for how in ("out", "err", "raw", "child", "libc"))


def test_attempts_follow_in_one_process(functions: Functions) -> None:
    """A worker stays for the next attempt, which gets its own variables and directories, and no others."""
    _, first = functions.run("where", environment={"OWN": "1"}, secrets={"SECRET": PLANTED})
    _, second = functions.run("where")
    (one,), (two,) = properties(first), properties(second)
    assert one["pid"] == two["pid"]
    assert (one["own"], two["own"]) == ("1", None)
    assert (one["leaked"], two["leaked"]) == (True, False)
    assert two["cwd"] == str(second.output)
    assert two["tmp"] == str(second.scratch / "tmp")
    assert two["path"] == str(functions.folder)


def test_a_call_costs_little(functions: Functions) -> None:
    """Forty attempts cost no forty starts of Python, and little of our own time."""
    attempts = [functions.attempt() for _ in range(41)]
    assert functions.block("keep").run(attempts[0]).is_done
    begun = time.process_time()
    assert all(functions.block("keep").run(attempt).is_done for attempt in attempts[1:])
    assert time.process_time() - begun < 0.2


def test_a_function_that_closes_its_streams(functions: Functions) -> None:
    """What a function does to standard output and error hurts neither its own log nor the next call's."""
    for _ in range(3):
        ending, attempt = functions.run("closes")
        assert ending.text == "ValueError: closed"
        assert attempt.log.text().startswith("said\nTraceback")
        assert attempt.log.text().endswith("ValueError: closed\n")


def test_an_endless_message(functions: Functions) -> None:
    """A very long message does not go into records and tables whole."""
    ending, attempt = functions.run("verbose")
    assert ending.text.startswith("ValueError: yyy")
    assert ending.text.endswith("y … (the log has more)")
    assert len(ending.text) < 17_000
    assert len(attempt.log.text()) > 100_000


def test_an_exception_that_tells_a_secret(functions: Functions) -> None:
    """A secret in an exception's message is taken out of what is told."""
    ending, attempt = functions.run("tells", secrets={"KEY": PLANTED})
    assert ending.text == "ValueError: key …"
    assert PLANTED not in attempt.log.text()


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_a_function_with_processes_of_its_own(functions: Functions, way: str) -> None:
    """A function may use ``multiprocessing``."""
    ending, attempt = functions.run("spawns", content=features(2, 4), parameters={"way": way}, timeout=60)
    assert ending.text == "done"
    assert [each["n"] for each in properties(attempt)] == [1, 2]


@pytest.mark.parametrize("name", ["forks", "forks_badly"])
def test_a_function_that_forks(functions: Functions, name: str) -> None:
    """A child that returns from the function gives no second answer, which the next call would take."""
    for number in (1, 2, 3):
        ending, attempt = functions.run(name, content=features(number))
        assert ending.is_done
        assert [each["n"] for each in properties(attempt)] == [number]


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """A folder that is not there is said."""
    reference = BlockReference(kind="python", folder=tmp_path / "gone", function="blocks:keep")
    ending = FunctionBlock(reference).run(work(tmp_path))
    assert ending.text == f"not started: {tmp_path}/gone cannot be entered: No such file or directory"


def test_python_that_does_not_start(functions: Functions, folder: Path) -> None:
    """What keeps our own part of the worker from being loaded is in the log."""
    (folder / "msgspec.py").write_text("raise ImportError('another msgspec')")
    ending, attempt = functions.run("keep", environment={"PYTHONPATH": str(folder)})
    assert ending.exit_code == 1
    assert "another msgspec" in attempt.log.text()


def test_closing_ends_the_workers(functions: Functions) -> None:
    """No worker is left when the block is closed."""
    functions.run("keep")
    marker = f"{functions.folder} blocks:keep"
    assert processes_with(marker)
    functions.block("keep").close()
    assert not processes_with(marker)


def test_no_secret_is_on_a_command_line(functions: Functions) -> None:
    """A function's variables stand on no command line."""
    attempt = functions.attempt(secrets={"KEY": PLANTED}, parameters={"size": 0})
    with ThreadPoolExecutor() as pool:
        running = pool.submit(functions.block("holds").run, attempt)
        assert wait_until(lambda: processes_with("blocks:holds"))
        assert not processes_with(PLANTED)
        assert running.result().is_done
