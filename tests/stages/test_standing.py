"""Whether a task is done: each thing that an output depends on counts, and nothing else does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on

from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import IntegrityError, StageNotFoundError
from up42_state.propagation import Propagation
from up42_state.stages.format.differences import differences
from up42_state.stages.format.recipe import Recipe, fingerprint
from up42_state.stages.history import History
from up42_state.stages.write.standing import standing
from up42_state.state import Job, State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.write.standing import Standing

GIVEN: dict[str, Any] = {
    "code": "image sha256:" + "a" * 64,
    "command": ("python", "run.py"),
    "parameters": {"tile_width": 512, "token": "planted", "flag": True},
}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State((tmp_path / "store").as_uri()).job("j")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return written(tmp_path / "out", "a")


def written(folder: Path, *ids: str) -> Path:
    folder.mkdir(exist_ok=True)
    features = [{"type": "Feature", "id": each, "geometry": None, "properties": {"n": each}} for each in ids]
    (folder / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder


def save(job: Job, out: Path, stage: str = "tiling:1", **given: Any) -> Commit:
    return job.stage(stage).save(out, quicklooks=False, **GIVEN | given).commit


def look(
    job: Job,
    parents: Sequence[Commit] = (),
    propagations: Sequence[Propagation] = (),
    **given: Any,
) -> Standing:
    values = GIVEN | given
    values["block"] = values.pop("code")
    history = History(job.state.store, job.key, "tiling:1")
    return standing(history, Recipe(**values), parents, [item.resolve() for item in propagations])


def test_what_was_saved_is_done(job: Job, out: Path) -> None:
    """The recipe that a stage was saved with finds it, by its commit."""
    commit = save(job, out)
    found = look(job)
    assert (found.is_done, found.commit, found.lines()) == (True, commit, ["cached tiling:1@1"])


CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "code": (
        {"code": "image sha256:" + "b" * 64},
        [f"the block was image sha256:{'a' * 12}, is image sha256:{'b' * 12}"],
    ),
    "no code": ({"code": ""}, [f"the block was image sha256:{'a' * 12}, is unknown"]),
    "job mode": ({"job_mode": "DRY_RUN"}, ["the job mode was DEFAULT, is DRY_RUN"]),
    "a parameter": (
        {"parameters": GIVEN["parameters"] | {"tile_width": 768}},
        ["parameter tile_width was 512, is 768"],
    ),
    "a type": ({"parameters": GIVEN["parameters"] | {"flag": 1}}, ["parameter flag was true, is 1"]),
    "a parameter more": (
        {"parameters": GIVEN["parameters"] | {"new": None}},
        ["parameter new was not given, is null"],
    ),
    "a secret": (
        {"parameters": GIVEN["parameters"] | {"token": "other"}},
        ["parameter token, a secret, is another"],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_the_one_reason(job: Job, out: Path, name: str) -> None:
    """Whatever changes in a recipe is named, and nothing else is."""
    save(job, out)
    given, reasons = CHANGES[name]
    assert look(job, **given).reasons == reasons


def test_another_command_is_a_reason(job: Job, out: Path) -> None:
    """Commands may hold what is nobody's business: only digests are shown."""
    save(job, out)
    (reason,) = look(job, command=("python", "run.py", "--fast")).reasons
    assert reason == "the command is another"


def test_parents_count_by_their_content(job: Job, out: Path, tmp_path: Path) -> None:
    """A parent saved again with equal content changes nothing; other content, one more or less is named."""
    first = save(job, out, "scenes:1")
    save(job, written(tmp_path / "result", "r"), after=[first])
    again = save(job, out, "scenes:1", parameters={"other": 1})
    assert again.revision == 2
    assert look(job, [again]).is_done
    other = save(job, written(tmp_path / "other", "b"), "scenes:1")
    assert look(job, [other]).reasons == ["parent scenes:1 has other content"]
    more = save(job, out, "more:1")
    assert look(job, [first, more]).reasons == ["parent more:1 is new"]
    assert look(job, []).reasons == ["parent scenes:1 is no longer given"]


def test_the_order_and_the_merging_of_parents_count(job: Job, out: Path, tmp_path: Path) -> None:
    """An input that is merged of the same stages in another way is another input."""
    parents = [save(job, out, "scenes:1"), save(job, written(tmp_path / "more", "b"), "more:1")]
    save(job, out, after=parents, merged_by={"on_conflict": "both"})
    both = {"merged_by": {"on_conflict": "both"}}
    assert look(job, parents, **both).is_done
    assert look(job, parents[::-1], **both).reasons == ["parents come in another order"]
    assert look(job, parents).reasons == ["the parents are merged with other options"]


def test_propagated_stages_count_with_their_options(job: Job, out: Path, tmp_path: Path) -> None:
    """Other content of a propagated stage, other options, or none of it: each is named."""
    save(job, written(tmp_path / "scenes", "s"), "scenes:1")
    propagation = Propagation(stages=(job.stage("scenes:1"),), on_conflict="both")
    save(job, out, propagate=[propagation])
    assert look(job, propagations=[propagation]).is_done
    changed = ["propagated stage j/scenes:1 has other content or options"]
    plain = Propagation(stages=(job.stage("scenes:1"),))
    assert look(job, propagations=[plain]).reasons == changed
    assert look(job).reasons == ["propagated stage j/scenes:1 is no longer given"]
    save(job, written(tmp_path / "others", "t"), "scenes:1")
    assert look(job, propagations=[propagation]).reasons == changed


def test_a_stage_that_is_nowhere_is_an_error(job: Job, out: Path) -> None:
    """What is to be merged into the output has to be there before anything runs."""
    save(job, out)
    with pytest.raises(StageNotFoundError, match="scenes:1"):
        look(job, propagations=[Propagation(stages=(job.stage("scenes:1"),))])


def test_what_was_never_saved_runs(job: Job, out: Path) -> None:
    """A job without the stage is no error: the task has to run."""
    assert look(job).lines() == ["tiling:1 runs: it was not saved yet"]


def test_a_removed_stage_runs(job: Job, out: Path) -> None:
    """A tombstone is no output."""
    save(job, out)
    job.stage("tiling:1").delete()
    assert look(job).reasons == ["its stage was removed"]


def test_a_dry_run_is_no_output(job: Job, out: Path) -> None:
    """What a dry run saved is there for dry runs alone."""
    save(job, out, job_mode="DRY_RUN")
    assert look(job).reasons == ["j/tiling:1@1 holds only the output of a dry run"]
    assert look(job, job_mode="DRY_RUN").is_done


def test_a_fingerprint_of_ones_own_says_nothing(job: Job, out: Path) -> None:
    """A caller's own fingerprint wins, and cannot be compared."""
    commit = save(job, out, fingerprint="mine")
    assert (commit.fingerprint, commit.components) == ("mine", ())
    assert look(job).reasons == [
        "j/tiling:1@1 does not say what it was made of: it was saved with a fingerprint of its own"
    ]


def test_a_save_that_names_no_block_says_nothing(job: Job, out: Path) -> None:
    """What people save by hand has no fingerprint: whatever made it is unknown, parameters or not."""
    commit = job.stage("tiling:1").save(out, quicklooks=False, parameters={"a": 1}).commit
    assert (commit.fingerprint, commit.components) == ("", ())
    assert look(job).reasons == [
        "j/tiling:1@1 does not say what it was made of: nobody said what its block is"
    ]
    again = job.stage("tiling:1").save(out, quicklooks=False, parameters={"a": 2})
    assert again.outcome == "unchanged"


def test_rules_of_another_release_are_named_alone(job: Job, out: Path) -> None:
    """Where the rules have changed, no difference of digests means anything."""
    commit = save(job, out)
    rules = commit.components[0]
    older = (msgspec.structs.replace(rules, digest="0"), *commit.components[1:])
    commit = msgspec.structs.replace(commit, components=older, fingerprint=fingerprint(older))
    recipe = Recipe(block="other", parameters={"tile_width": 1})
    assert differences(commit, recipe.components([]), recipe.parameters) == [
        "j/tiling:1@1 was fingerprinted by version 0 of the rules, and they are at 2"
    ]


@pytest.mark.parametrize("what", ["lost", "cut off"])
def test_objects_have_to_be_there_in_full(job: Job, out: Path, tmp_path: Path, what: str) -> None:
    """A file that somebody deleted or cut off in the store is not there to be restored."""
    (out / "a.bin").write_bytes(b"bytes")
    save(job, out)
    (stored,) = (tmp_path / "store").rglob("files/a.bin")
    if what == "lost":
        stored.unlink()
    else:
        stored.chmod(0o600)
        stored.write_bytes(b"byt")
    (reason,) = look(job).reasons
    assert reason.startswith("objects of j/tiling:1@1 are gone or cut off: ")
    assert reason.endswith("/files/a.bin")


@pytest.mark.parametrize(("name", "why"), [("index.json", "the index of"), ("data.json", "/data.json")])
def test_index_and_data_have_to_be_there(job: Job, out: Path, tmp_path: Path, name: str, why: str) -> None:
    """Nothing can be restored without them."""
    save(job, out)
    (stored,) = (tmp_path / "store").rglob(f"attempts/*/{name}")
    stored.unlink()
    (reason,) = look(job).reasons
    assert why in reason


@pytest.mark.parametrize("name", ["index.json", "data.json", "files/a.bin"])
def test_what_is_gone_is_saved_anew(job: Job, out: Path, tmp_path: Path, name: str) -> None:
    """Equal output is no reason to refer to bytes that are not there: the next save makes the task done."""
    (out / "a.bin").write_bytes(b"bytes")
    save(job, out)
    (stored,) = (tmp_path / "store").rglob(f"attempts/*/{name}")
    stored.unlink()
    again = job.stage("tiling:1").save(out, quicklooks=False, **GIVEN)
    assert (again.outcome, again.commit.revision) == ("saved", 2)
    assert look(job).is_done
    job.stage("tiling:1").restore(tmp_path / "restored")
    assert (tmp_path / "restored/a.bin").read_bytes() == b"bytes"


def test_a_look_takes_few_requests(out: Path, tmp_path: Path) -> None:
    """A task that is done is found by three requests for its stage, and one for each of its attempts."""
    bucket = FaultyBucket(MemoryBucket())
    job = state_on(bucket).job("j")
    for number in range(40):
        (out / f"{number}.bin").write_bytes(b"bytes")
    parent = save(job, written(tmp_path / "scenes", "s"), "scenes:1")
    save(job, out, after=[parent])
    before = len(bucket.operations)
    assert look(job, [parent]).is_done
    assert len(bucket.operations) - before == 4


def test_a_damaged_commit_is_an_error(job: Job, out: Path, tmp_path: Path) -> None:
    """Nothing runs on a stage that could not be saved afterwards."""
    save(job, out)
    (stored,) = (tmp_path / "store").rglob("commits/00000001.json")
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes().replace(b"DEFAULT", b"default"))
    with pytest.raises(IntegrityError, match="digest"):
        look(job)


def test_no_component_and_no_reason_holds_a_secret(job: Job, out: Path) -> None:
    """A planted secret is nowhere in the commit, and nowhere in what people are told."""
    commit = save(job, out, parameters={"password": "planted", "url": "https://me:planted@host/x"})
    assert "planted" not in commit.render().decode()
    found = look(job, parameters={"password": "planted2", "url": "plain"})
    assert "planted" not in " ".join(found.reasons)


def test_a_recipe_keeps_no_secret() -> None:
    """Whoever makes a recipe, and whatever prints it: secrets are digests from the beginning."""
    assert "planted" not in repr(Recipe(parameters={"token": "planted"}))


def test_equal_output_of_another_recipe_is_saved_once(job: Job, out: Path) -> None:
    """A task whose recipe changed and whose output did not is done afterwards, and no byte was moved."""
    (out / "a.bin").write_bytes(b"bytes")
    save(job, out)
    again = save(job, out, parameters={"tile_width": 768})
    assert (again.revision, again.totals.referenced) == (2, 5)
    assert look(job, parameters={"tile_width": 768}).is_done
