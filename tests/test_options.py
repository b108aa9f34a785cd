"""A misspelt option is an error: for mypy, when the function is called; and help and completion know all."""

from __future__ import annotations

import inspect
import os
import pydoc
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from doubles.outputs import tiles, write_output

from up42_state import Block, Propagation, Restored, Saved, Settings, State, propagate
from up42_state.errors import InvalidNameError, SettingsError, UnknownOptionError
from up42_state.options import BlockOptions, MergeOptions, PropagationOptions, SettingsOptions
from up42_state.updating import Updated

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]

PROGRAM = """\
from up42_state import Block, Propagation, Settings, State, propagate

job = State("s3://b", aws_endpoint_url="http://x", memory="64MiB").job("3f0c")
stage = job.stage("a:1")
block = Block.from_env(clear=True, where=["a<1"])
stage.save("out", after=stage)
stage.save("out", after=[stage, "b:1", "other/c:1", stage.latest()], propagate=stage)

State("s3://b", endpont_url="x")  # error: "endpont_url" for "State"; did you mean "aws_endpoint_url"?
State("s3://b", aws_endpoint_url=5)  # error: incompatible type "int"; expected "str | None"
Settings(concurency=3)  # error: "concurency" for "Settings"; did you mean "concurrency"?
Block(stage=stage, clera=True)  # error: "clera" for "Block"; did you mean "clear"?
Block(stage=stage, on_conflict="newest")  # error: incompatible type "Literal['newest']"
Block.from_env(clera=True)  # error: "clera" for "from_env" of "Block"; did you mean "clear"?
block.propagate("a:1", wher=["a<1"])  # error: "wher" for "propagate" of "Block"; did you mean "where"?
propagate("out", [stage], on_conflic="earlier")  # error: "on_conflic" for "propagate"
Propagation(stages=(stage,), frm="inherit")  # error: "frm" for "Propagation"; did you mean "form"?
stage.save("out", if_exist="skip")  # error: "if_exist" for "save" of "Stage"; did you mean "if_exists"?
stage.save("out", if_exists="always")  # error: incompatible type "Literal['always']"
stage.restore("out", boox=[1, 2, 3, 4])  # error: "boox" for "restore" of "Stage"
stage.update(lambda features, folder: None, marks=stage)  # error: "marks" for "update" of "Stage"
stage.update(lambda features, folder: features.features.append("x"))  # error: incompatible type "str"
block.commit = None  # error: Property "commit" defined in "BlockView" is read-only

reveal_type(block.input)  # note: "up42_state.features.objects.FeatureCollection"
reveal_type(block.input.features[0].properties)  # note: "dict[str, Any]"
reveal_type(stage.features().features)  # note: "list[up42_state.features.objects.Feature]"
updated = block.update("b/a:1", lambda features, folder: None)
reveal_type(updated.before)  # note: "up42_state.stages.format.commit.Commit | None"
reveal_type(job.state.newest("a:1"))  # note: "up42_state.stage.Stage"
reveal_type(job.commits())  # note: "list[up42_state.stages.format.commit.Commit]"
"""


def test_mypy_knows_every_option(tmp_path: Path) -> None:
    """In strict mode it finds these errors and types, line by line, and no others."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    found: dict[int, str] = {}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", program],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    for line in done.stdout.splitlines():
        match = re.fullmatch(r".*program\.py:(\d+): (error|note): (.*?)(  \[[\w-]+\])?", line)
        if match and not re.fullmatch(r'"\w+"( of "\w+")? defined in "[\w.]+"', match[3]):
            found[int(match[1])] = f"{match[2]}: {match[3]}"
    wanted = {
        number: line.partition("  # ")[2]
        for number, line in enumerate(PROGRAM.splitlines(), 1)
        if "  # " in line
    }
    assert found.keys() == wanted.keys(), done.stdout
    for number, text in wanted.items():
        kind, _, rest = text.partition(": ")
        assert found[number].startswith(kind)
        assert rest in found[number]


FUNCTIONS: list[tuple[Callable[..., Any], type]] = [
    (State, SettingsOptions),
    (Settings, SettingsOptions),
    (Block, MergeOptions),
    (Block.from_env, BlockOptions),
    (Block.propagate, PropagationOptions),
    (propagate, PropagationOptions),
]


@pytest.mark.parametrize(("function", "options"), FUNCTIONS, ids=[each.__qualname__ for each, _ in FUNCTIONS])
def test_signatures_name_every_option(function: Callable[..., Any], options: type) -> None:
    """What ``help`` shows, and IPython and jedi complete of a live object: each by name, with its type."""
    parameters = inspect.signature(function).parameters
    assert not [each for each in parameters.values() if each.kind is each.VAR_KEYWORD]
    for name, annotation in options.__annotations__.items():
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].annotation == annotation.__forward_arg__


def test_options_are_those_of_the_classes() -> None:
    """One truth: what may be given is what a Settings, a Propagation and a Block have."""
    assert {"url", *SettingsOptions.__annotations__} == Settings.model_fields.keys() - {"origins"}
    propagation = inspect.signature(Propagation).parameters
    assert list(PropagationOptions.__annotations__) == [name for name in propagation if name != "stages"]
    for name, annotation in PropagationOptions.__annotations__.items():
        kind = annotation.__forward_arg__  # None stands for: not given
        assert propagation[name].annotation in (kind, kind.removesuffix(" | None"))
    shared = {name: kind.__forward_arg__ for name, kind in MergeOptions.__annotations__.items()}
    assert list(shared) == [name for name in propagation if name in shared]
    assert all(kind.removesuffix(" | None") in propagation[name].annotation for name, kind in shared.items())
    of_env = {"stage", "after", "propagate", "parameters", "job_mode"}
    assert BlockOptions.__annotations__.keys() == inspect.signature(Block).parameters.keys() - of_env


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda wrong: State("s3://b", **wrong("endpont_url")), "did you mean aws_endpoint_url"),
        (lambda wrong: Settings(**wrong("concurency")), "did you mean concurrency"),
        (lambda wrong: Block(**wrong("clera")), "did you mean clear"),
        (lambda wrong: Block.from_env(**wrong("clera")), "did you mean clear"),
        (lambda wrong: Block().propagate(**wrong("wher")), "did you mean where"),
        (lambda wrong: propagate("out", **wrong("on_conflic")), "did you mean on_conflict"),
        (lambda wrong: State("s3://b", **wrong("zzz")), "there are settings, job, stage"),
    ],
    ids=["State", "Settings", "Block", "from_env", "Block.propagate", "propagate", "unlike any"],
)
def test_a_misspelt_option_is_an_error_at_once(call: Callable[[Any], object], message: str) -> None:
    """An error of ours, and a TypeError as for any argument that a function does not have."""
    given: list[str] = []

    def wrong(name: str) -> dict[str, Any]:
        given.append(name)
        return {name: "s3cr3t"}

    with pytest.raises(UnknownOptionError, match=message) as caught:
        call(wrong)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, SettingsError)
    assert f"there is no option {given[0]}" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_an_option_that_is_none_counts_as_not_given(tmp_path: Path) -> None:
    """So every signature says, with its defaults; and None in the place of stages names none."""
    output = write_output(tmp_path / "out", tiles(1))
    stage = State((tmp_path / "store").as_uri()).job("3f0c").stage("a:1")
    stage.save(output, after=None, propagate=None)  # type: ignore[arg-type]
    none = dict.fromkeys(PropagationOptions.__annotations__)
    assert len(propagate(output, stage, **none).stages) == 1  # type: ignore[arg-type]
    block = Block(stage=stage, on_conflict="earlier", after=None)  # type: ignore[arg-type]
    block.propagate("b:1", **none)  # type: ignore[arg-type]
    assert block._propagations[0].on_conflict == "earlier"
    assert block.restore_input() == []


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda job: job.state.job(None), InvalidNameError, "None is not a job key"),
        (lambda job: job.stage(5), InvalidNameError, "5 is not a stage name"),
        (lambda job: job.state.newest(job.stage("a:1")), InvalidNameError, "is not a stage name"),
        (lambda job: job.state.newest("a:1", before="2026"), SettingsError, "before is 2026, no time with a"),
        (
            lambda job: job.state.newest("a:1", before=date(2026, 1, 1)),
            SettingsError,
            "before is 2026-01-01,",
        ),
        (
            lambda job: job.stage("a:1").save("out", after=job),
            SettingsError,
            "after holds a value of type Job",
        ),
        (
            lambda job: job.stage("a:1").save("out", after=[5]),
            SettingsError,
            "of type int – give names, stages",
        ),
        (lambda job: job.stage("a:1").save("out", propagate=5), SettingsError, "of type int is given for an"),
        (lambda job: Block(after=5), SettingsError, "of type int is given for an earlier stage"),
        (lambda job: Block(command=None), SettingsError, "command is None – give a list of words"),
        (lambda job: Block(command="run.py --fast"), SettingsError, "command is 'run.py --fast' – give a"),
        (lambda job: job.stage("a:1").restore("in", ids=5), SettingsError, "ids is 5 – give a list of ids"),
        (lambda job: Propagation(stages=(), ids=5).selection, SettingsError, "ids is 5 – give a list of"),
        (lambda job: Block(ids=5), SettingsError, "ids is 5 – give a list of ids"),
        (lambda job: job.stage("a:1").restore("in", where=5), SettingsError, "where is 5 – give clauses"),
        (lambda job: job.stage("a:1").restore("in", path=5), SettingsError, "path is 5 – give a glob"),
        (lambda job: job.prune(keep="1"), SettingsError, "keep is '1' – give a whole number"),
        (lambda job: job.stage("a:1").save("out", parameters=["x"]), SettingsError, "of type list, no dict"),
        (lambda job: Propagation(stages=(), match="a=b"), SettingsError, "match is 'a=b' – give pairs"),
        (lambda job: Block(match=[("a", "b", "c")]), SettingsError, r"match is \[\('a', 'b', 'c'\)\] – give"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_an_error_of_ours(
    call: Callable[[Any], object], kind: type[Exception], message: str
) -> None:
    """Who runs without a type checker hears what to give."""
    with pytest.raises(kind, match=message):
        call(State("memory://").job("3f0c"))


@pytest.mark.parametrize("kind", [Propagation, Saved, Restored, Updated, Block, State])
def test_help_can_be_had(kind: type) -> None:
    """Also of records whose types are known to type checkers alone."""
    text = pydoc.plain(pydoc.render_doc(kind))
    assert text.startswith(f"Python Library Documentation: class {kind.__name__}")
    assert inspect.signature(kind).parameters


def test_help_says_what_each_attribute_of_a_block_is() -> None:
    """Every public name of a block has a text of its own."""
    for name in dir(Block):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(Block, name)), name
    assert {"commit", "input", "reports", "steps", "warnings"} <= set(dir(Block))


def test_records_of_msgspec_have_signatures() -> None:
    """A public record whose types cannot be resolved has no signature, and help() fails with a NameError."""
    from up42_state.features import Report
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.upkeep.prune import Pruned
    from up42_state.stages.upkeep.remove import Removed
    from up42_state.stages.upkeep.verify import Verified

    for kind in (Commit, Report, Pruned, Removed, Verified):
        assert issubclass(kind, msgspec.Struct)
        assert pydoc.render_doc(kind)
