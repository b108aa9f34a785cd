"""A block's own view of itself: what it reads, what it writes, and when it is saved."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geojson
import pytest
from block.cases import Folders, collection, feature, fill, ids

from up42_state.block.block import Block
from up42_state.errors import (
    InvalidOutputError,
    SettingsError,
    StageNotFoundError,
    StateError,
    TargetConflictError,
)
from up42_state.settings.model import Settings
from up42_state.stages.format.commit import BlockInfo

if TYPE_CHECKING:
    from up42_state.state import Job

Saved = Callable[..., None]
MakeSettings = Callable[..., Settings]


@pytest.fixture
def block(settings: MakeSettings, folders: Folders) -> Block:
    return Block.from_env(settings(), **folders.arguments)


def run(block: Block, error: BaseException | None = None) -> None:
    """A block that writes an output without features, and then ends."""
    with block:
        block.write(collection())
        if error is not None:
            raise error


class TestEnvironment:
    """What a block knows from its environment."""

    def test_the_documented_variables_are_read(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        """Parameters, job mode and the block's place come from the environment."""
        monkeypatch.setenv("UP42_TASK_PARAMETERS", '{"limit": 3}')
        monkeypatch.setenv("UP42_JOB_MODE", "DRY_RUN")
        monkeypatch.setenv("UP42_STATE_URL", url)
        monkeypatch.setenv("UP42_STATE_JOB", "3f0c")
        monkeypatch.setenv("UP42_STATE_STAGE", "report:1")
        block = Block.from_env()
        assert (block.parameters, block.job_mode) == ({"limit": 3}, "DRY_RUN")
        assert str(block.stage) == "3f0c/report:1"

    def test_the_directories_are_the_contracts(self) -> None:
        """Where nothing else is said, a block works below /tmp."""
        block = Block.from_env()
        folders = (block.input_dir, block.output_dir, block.quicklooks_dir)
        assert folders == (Path("/tmp/input"), Path("/tmp/output"), Path("/tmp/quicklooks"))

    @pytest.mark.parametrize(
        ("given", "missing"),
        [
            ({"url": "memory://x"}, "UP42_STATE_URL is set, but UP42_STATE_JOB and UP42_STATE_STAGE are not"),
            ({"job": "3f0c", "stage": "a:1"}, "but UP42_STATE_URL is not"),
            ({"after": "scenes:1"}, "UP42_STATE_AFTER is set, but UP42_STATE_URL"),
            ({"url": "memory://x", "job": "j", "propagate": "s"}, "but UP42_STATE_STAGE is not"),
        ],
    )
    def test_a_place_given_in_part_is_refused(self, given: dict[str, Any], missing: str) -> None:
        """The error names the variables that are missing."""
        with pytest.raises(SettingsError, match=missing):
            Block.from_env(Settings(**given))

    def test_a_malformed_stage_name_is_refused_at_once(self, settings: MakeSettings) -> None:
        """A block does not run for hours to find that it cannot be saved."""
        with pytest.raises(SettingsError, match="not a stage name"):
            Block.from_env(settings(propagate="a b"))


class TestWrite:
    """What a block writes."""

    def test_an_output_is_written(self, folders: Folders) -> None:
        """data.json holds the collection; nothing of ours is left beside it."""
        block = Block(output=folders.output)
        block.write(collection(feature("a", x=0.1234567890123)))
        assert json.loads((folders.output / "data.json").read_bytes()) == collection(
            feature("a", x=0.1234567890123)
        )
        assert [path.name for path in folders.output.iterdir()] == ["data.json"]

    def test_all_defects_are_reported_at_once(self, folders: Folders) -> None:
        """Values that JSON cannot hold and data paths that lead nowhere come in one error."""
        features = [feature("a", "gone.tif"), feature("b", x=float("nan")), feature("c", "/etc/passwd")]
        with pytest.raises(InvalidOutputError) as caught:
            Block(output=folders.output).write(collection(*features))
        places = {defect.place.partition(".")[0] for defect in caught.value.defects}
        assert places == {"features[0]", "features[1]", "features[2]"}

    @pytest.mark.parametrize("what", [None, [feature("a")], feature("a"), {}])
    def test_what_is_no_collection_is_refused(self, folders: Folders, what: Any) -> None:
        """A function that forgot its return, or gave a list, is told so."""
        with pytest.raises(InvalidOutputError, match="FeatureCollection"):
            Block(output=folders.output).write(what)
        assert not (folders.output / "data.json").exists()

    def test_a_collection_that_holds_itself_is_refused(self, folders: Folders) -> None:
        """A circle is an error, not an endless loop."""
        made = collection()
        made["self"] = made
        with pytest.raises(InvalidOutputError, match="Circular reference"):
            Block(output=folders.output).write(made)

    def test_an_output_that_cannot_be_written_is_said_clearly(self, folders: Folders) -> None:
        """The error names the directory, and nothing of ours is left there for a save to find."""
        (folders.output / "data.json").mkdir(parents=True)
        with pytest.raises(StateError, match=f"cannot write to {folders.output}"):
            Block(output=folders.output).write(collection())

    def test_a_file_where_our_folder_goes_is_named(self, folders: Folders) -> None:
        """What is in the way is said, not that the directory cannot be written to for no reason."""
        folders.output.mkdir(parents=True)
        (folders.output / ".up42_state").touch()
        with pytest.raises(TargetConflictError, match=r"\.up42_state is not a directory"):
            Block(output=folders.output).write(collection())

    def test_a_refused_output_leaves_the_one_before(self, folders: Folders) -> None:
        """What was written is replaced whole, or not at all."""
        block = Block(output=folders.output)
        block.write(collection(feature("a")))
        with pytest.raises(InvalidOutputError):
            block.write(collection(feature("b", "gone.tif")))
        assert ids(folders.output) == ["a"]

    def test_in_a_dry_run_data_paths_need_not_exist(self, folders: Folders) -> None:
        """A dry run tells what there would be."""
        Block(output=folders.output, job_mode="DRY_RUN").write(collection(feature("a", "a.tif")))
        assert ids(folders.output) == ["a"]

    def test_a_function_of_the_platforms_toolkit_plugs_in(self, folders: Folders) -> None:
        """``process(input_fc, **parameters)`` is used as it is."""

        def process(input_fc: geojson.FeatureCollection, factor: int = 1) -> geojson.FeatureCollection:
            features = [
                geojson.Feature(geometry=found.geometry, properties={"n": found.properties["n"] * factor})
                for found in input_fc.features
            ]
            return geojson.FeatureCollection(features)

        fill(folders.input, [feature("a", n=2)])
        block = Block(parameters={"factor": 3}, **folders.arguments)
        block.write(process(block.input, **block.parameters))
        assert json.loads((folders.output / "data.json").read_bytes())["features"][0]["properties"] == {
            "n": 6
        }


def test_a_block_at_work_can_be_handed_to_other_processes(block: Block) -> None:
    """A pool copies what it is given; the copy knows the same, and holds no directories."""
    with block:
        copy = pickle.loads(pickle.dumps(block))
        block.write(collection())
    assert (str(copy.stage), copy.output_dir) == (str(block.stage), block.output_dir)


class TestEnd:
    """When an output is saved."""

    def test_a_clean_end_saves(self, block: Block, job: Job) -> None:
        """The stage holds what the block wrote, under its name and with its parameters."""
        block.parameters["limit"] = 3
        with block:
            block.write(collection(feature("a")))
        assert block.commit == job.stage("report:1").latest()
        assert block.commit is not None
        assert block.commit.parameters == {"limit": 3}

    @pytest.mark.parametrize("code", [0, None, False])
    def test_an_exit_with_success_saves(self, block: Block, job: Job, code: Any) -> None:
        """``sys.exit()`` is how many blocks end."""
        with pytest.raises(SystemExit):
            run(block, error=SystemExit(code))
        assert job.stage("report:1").exists()

    @pytest.mark.parametrize("error", [ValueError(), SystemExit(1), SystemExit("no"), KeyboardInterrupt()])
    def test_any_other_end_saves_nothing(self, block: Block, job: Job, error: BaseException) -> None:
        """The error goes on its way, and the stage is not there."""
        with pytest.raises(type(error)):
            run(block, error=error)
        assert not job.stage("report:1").exists()
        assert block.commit is None

    def test_an_output_that_the_code_wrote_itself_is_saved(self, block: Block, job: Job) -> None:
        """``block.write`` is a convenience, not a condition."""
        with block:
            fill(block.output_dir, [feature("own", "own.tif")], {"own.tif": "x"})
        assert [found.id for found in job.stage("report:1").features().features] == ["own"]

    def test_an_output_that_the_code_wrote_itself_is_checked(self, block: Block, job: Job) -> None:
        """Nothing is saved that breaks the contract."""
        with pytest.raises(InvalidOutputError, match=r"gone\.tif"), block:
            fill(block.output_dir, [feature("own", "gone.tif")])
        assert not job.stage("report:1").exists()

    def test_no_output_is_an_error(self, block: Block) -> None:
        """A block that ends well has written data.json."""
        with pytest.raises(InvalidOutputError, match=r"data\.json: there is none"), block:
            pass

    def test_quicklooks_are_saved(self, block: Block, job: Job) -> None:
        """They lie in a directory of their own."""
        with block:
            (block.quicklooks_dir / "a.png").write_text("q")
            block.write(collection(feature("a")))
        assert [(entry.kind, entry.path) for entry in job.stage("report:1").files()] == [
            ("quicklook", "a.png")
        ]

    def test_a_dry_run_is_saved_as_one(self, settings: MakeSettings, folders: Folders, job: Job) -> None:
        """It is never taken for the real output."""
        with Block.from_env(settings(job_mode="DRY_RUN"), **folders.arguments) as block:
            block.write(collection(feature("a", "a.tif")))
        assert block.commit is not None
        assert block.commit.job_mode == "DRY_RUN"
        assert not job.stage("report:1").exists()

    def test_the_job_mode_given_to_a_block_goes_for_its_input(
        self, folders: Folders, job: Job, saved: Saved
    ) -> None:
        """A dry run takes the output of dry runs, whatever its stage's settings say."""
        saved("scenes:1", "a", dry=True)
        saved("more:1", "b", dry=True)
        for after in (["scenes:1"], ["scenes:1", "more:1"]):
            block = Block(stage=job.stage("report:1"), after=after, job_mode="DRY_RUN", **folders.arguments)
            assert [parent.stage for parent in block.restore_input()] == after
            (folders.input / "data.json").unlink()

    def test_a_dry_run_takes_dry_stages_as_its_input(
        self, settings: MakeSettings, folders: Folders, saved: Saved
    ) -> None:
        """A whole chain can be run dry: merged and propagated without files."""
        saved("scenes:1", "a", dry=True)
        saved("more:1", "b", dry=True)
        given = settings(job_mode="DRY_RUN", after="scenes:1,more:1", propagate="scenes:1")
        with Block.from_env(given, **folders.arguments) as block:
            assert [found.id for found in block.input.features] == ["a", "b"]
            block.write(collection(feature("c", "c.tif")))
        assert block.commit is not None
        assert block.commit.totals.features == 2

    def test_a_plain_block_checks_and_saves_nothing(self, folders: Folders) -> None:
        """Without a place in a job, Block is a helper for the contract."""
        with Block(**folders.arguments) as block:
            block.write(collection(feature("a")))
        assert block.commit is None
        with pytest.raises(InvalidOutputError, match=r"gone\.tif"), Block(**folders.arguments) as block:
            fill(block.output_dir, [feature("own", "gone.tif")])


class TestPropagation:
    """Earlier features in this block's output."""

    def test_noted_stages_are_carried_out_at_the_end(self, block: Block, job: Job, saved: Saved) -> None:
        """Their features and files are in the saved stage, by reference; the directory stays as it was."""
        saved("scenes:1", "a", "b")
        with block:
            block.propagate("scenes:1", ids=["b"])
            block.write(collection(feature("c")))
        assert [found.id for found in job.stage("report:1").features().features] == ["c", "b"]
        assert block.commit is not None
        assert block.commit.totals.referenced == block.commit.totals.bytes > 0
        assert ids(block.output_dir) == ["c"]
        assert not (block.output_dir / "b.tif").exists()

    def test_finishing_twice_tells_everything_once(self, block: Block, job: Job, saved: Saved) -> None:
        """Commit and reports are the same after leaving, where ids came from a generator, too."""
        saved("scenes:1", "a", "b")
        with block:
            block.propagate("scenes:1", ids=(name for name in ["b"]))
            block.write(collection(feature("c")))
            first = block.finish()
        assert block.commit == first
        assert [report.appended for report in block.reports] == [1]

    def test_stages_are_named_by_the_environment_too(
        self, settings: MakeSettings, folders: Folders, job: Job, saved: Saved
    ) -> None:
        """``UP42_STATE_PROPAGATE`` needs no line of code."""
        saved("scenes:1", "a")
        saved("more:1", "b")
        with Block.from_env(settings(propagate="scenes:1, more:1"), **folders.arguments) as block:
            block.write(collection())
        assert [found.id for found in job.stage("report:1").features().features] == ["a", "b"]

    def test_without_a_stage_to_save_the_files_come_into_the_output(
        self, folders: Folders, job: Job, saved: Saved
    ) -> None:
        """A plain block still merges, from stages that it is handed."""
        saved("scenes:1", "a")
        with Block(**folders.arguments) as block:
            block.propagate(job.stage("scenes:1"))
            block.write(collection(feature("c")))
        assert ids(folders.output) == ["c", "a"]
        assert (folders.output / "a.tif").read_text() == "a "

    def test_a_name_needs_a_job(self, folders: Folders) -> None:
        """A plain block has none to look in."""
        with pytest.raises(SettingsError, match="stage scenes:1 is named, but no job to find it in"):
            Block(**folders.arguments).propagate("scenes:1")

    def test_an_unknown_choice_is_refused_when_it_is_noted(self, block: Block) -> None:
        """Not hours later."""
        with pytest.raises(SettingsError, match="on_conflict is 'newest'"):
            block.propagate("scenes:1", on_conflict="newest")

    def test_a_stage_that_is_not_there_saves_nothing(self, block: Block, job: Job, saved: Saved) -> None:
        """What was asked for and cannot be had is an error."""
        saved("scenes:1", "a")
        block.propagate("nosuch:1")
        with pytest.raises(StageNotFoundError, match="nosuch:1"):
            run(block)
        assert not job.stage("report:1").exists()


class TestIdentity:
    """What a commit remembers of the block."""

    def run(self, folders: Folders, settings: Settings, **options: Any) -> Any:
        with Block.from_env(settings, **folders.arguments, clear=True, **options) as block:
            block.write(collection())
        return block.commit

    def test_the_name_comes_from_the_manifest(
        self, folders: Folders, settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A manifest in the working directory names the block."""
        (tmp_path / "UP42Manifest.json").write_text('{"name": "sharpening"}')
        monkeypatch.chdir(tmp_path)
        assert self.run(folders, settings()).block == BlockInfo(name="sharpening")

    def test_a_broken_manifest_does_not_fail_the_job(
        self, folders: Folders, settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The block is unnamed then."""
        (tmp_path / "UP42Manifest.json").write_text("{")
        monkeypatch.chdir(tmp_path)
        assert self.run(folders, settings()).block is None

    def test_the_fingerprint_changes_with_what_determines_the_output(
        self, folders: Folders, settings: MakeSettings, saved: Saved
    ) -> None:
        """Block version, parameters and the parents' content each make another one; a repetition does not."""
        saved("scenes:1", "a")
        first, second = BlockInfo(name="x", version="1"), BlockInfo(name="x", version="2")
        same = [self.run(folders, settings(after="scenes:1"), info=first).fingerprint for _ in range(2)]
        others = [
            self.run(folders, settings(after="scenes:1"), info=second).fingerprint,
            self.run(folders, settings(after="scenes:1", parameters={"a": 1}), info=first).fingerprint,
        ]
        saved("scenes:1", "a", content="changed")
        others.append(self.run(folders, settings(after="scenes:1"), info=first).fingerprint)
        assert same[0] == same[1]
        assert len({*same, *others}) == 4

    def test_the_fingerprint_changes_with_the_manifest(
        self, folders: Folders, settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A block whose manifest was changed may make something else, though its name is the same."""
        monkeypatch.chdir(tmp_path)
        found = []
        for manifest in ('{"name": "sharpening"}', '{"name": "sharpening", "parameters": {}}'):
            (tmp_path / "UP42Manifest.json").write_text(manifest)
            found.append(self.run(folders, settings()).fingerprint)
        assert found[0] != found[1]

    def test_the_parents_are_those_that_were_restored(
        self, folders: Folders, settings: MakeSettings, saved: Saved
    ) -> None:
        """A stage that is saved again while the block runs is not what its output was made from."""
        saved("scenes:1", "a")
        with Block.from_env(settings(after="scenes:1"), **folders.arguments) as block:
            saved("scenes:1", "a", "b", content="newer")
            block.write(collection())
        assert block.commit is not None
        assert [parent.revision for parent in block.commit.parents] == [1]
