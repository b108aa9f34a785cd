"""A directory that cannot be filled: mounts, and what may not be written, are found before the switch."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import contents, data_paths, feature, write_output
from doubles.users import nobody

from up42_state import propagate
from up42_state.errors import StateError, TargetConflictError
from up42_state.machine import mounts
from up42_state.stages.local import changes
from up42_state.stages.local.installation import Installation
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from doubles.faulty import FaultyBucket

    from up42_state.stages.format.index import Entry
    from up42_state.state import Job, Stage

FILES = {"a.tif": b"a", "sub/b.tif": b"b", "other/c.tif": b"c"}


@pytest.fixture
def stage(job: Job, tmp_path: Path) -> Stage:
    """Two revisions, which differ in ``a.tif`` and ``sub/b.tif``."""
    job.stage("s:1").save(write_output(tmp_path / "one", FILES))
    job.stage("s:1").save(write_output(tmp_path / "two", FILES | {"a.tif": b"A", "sub/b.tif": b"B"}))
    return job.stage("s:1")


@pytest.fixture
def target(stage: Stage, tmp_path: Path) -> Path:
    """Holds the first revision, and a folder that is nobody's."""
    stage.restore(tmp_path / "in", revision=1)
    (tmp_path / "in" / "mine").mkdir()
    (tmp_path / "in" / "mine" / "notes.txt").write_bytes(b"mine")
    return tmp_path / "in"


@pytest.fixture
def mount(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the system say that something is mounted at paths in the target: parts of the same file system."""

    def mount(*paths: str) -> None:
        lines = ["20 1 8:1 / / rw - ext4 /dev/sda1 rw"]
        lines += [f"{30 + n} 20 8:1 /x {target}/{path} rw - ext4 x rw" for n, path in enumerate(paths)]
        (tmp_path / "mountinfo").write_text("\n".join(lines) + "\n")
        monkeypatch.setattr(mounts, "_TABLE", tmp_path / "mountinfo")

    return mount


def refused(
    call: Callable[[], object], target: Path, match: str, bucket: FaultyBucket | None = None
) -> StateError:
    """The call is refused before anything is changed, or any file fetched; its error."""
    before = contents(target)
    begun = len(bucket.operations) if bucket else 0
    with pytest.raises(StateError, match=match) as raised:
        call()
    assert contents(target) == before
    assert not (target / ".up42_state").exists()
    assert "nothing there was changed" in raised.value.advice
    if bucket:
        assert not [
            key for name, key in bucket.operations.names[begun:] if "/files/" in key or "/packs/" in key
        ]
    return raised.value


class TestAMount:
    @pytest.mark.parametrize("point", ["sub", "sub/b.tif", "a.tif", "data.json"])
    def test_where_a_file_is_replaced(
        self, stage: Stage, target: Path, mount: Callable[..., None], bucket: FaultyBucket, point: str
    ) -> None:
        """It is named, be it a folder's or a single file's."""
        mount("mine", point)
        error = refused(
            lambda: stage.restore(target, overwrite=True),
            target,
            f"in/{point} is a mount or a volume",
            bucket,
        )
        assert isinstance(error, TargetConflictError)
        assert "unmount it" in error.advice

    def test_of_another_device_where_the_table_cannot_be_read(
        self, stage: Stage, target: Path, bucket: FaultyBucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A volume within a file system, as btrfs has it, is in no table at all."""
        lstat = os.lstat

        def other_device(path: str, **options: int) -> os.stat_result:
            status = list(lstat(path, **options))
            status[2] += path == "sub"
            return os.stat_result(status)

        monkeypatch.setattr(changes.os, "lstat", other_device)
        refused(lambda: stage.restore(target, overwrite=True), target, "in/sub is a mount", bucket)

    def test_that_stays_as_it_is(self, stage: Stage, target: Path, mount: Callable[..., None]) -> None:
        """A folder whose files are kept, and one that is nobody's, are no concern of the restore."""
        mount("mine", "other", "other/c.tif")
        stage.restore(target, overwrite=True)
        assert (target / "sub/b.tif").read_bytes() == b"B"
        assert (target / "mine/notes.txt").read_bytes() == b"mine"

    def test_in_an_empty_folder_where_files_go(
        self, stage: Stage, target: Path, tmp_path: Path, mount: Callable[..., None]
    ) -> None:
        """A first restore is refused as well; a mount beside its files is not."""
        target.rename(tmp_path / "away")
        (target / "sub").mkdir(parents=True)
        mount("sub")
        refused(lambda: stage.restore(target), target, "in/sub is a mount")
        mount("elsewhere")
        stage.restore(target)
        assert data_paths(target) == ["a.tif", "sub/b.tif", "other/c.tif"]

    def test_in_a_folder_that_a_file_replaces(
        self, job: Job, target: Path, tmp_path: Path, mount: Callable[..., None]
    ) -> None:
        """All that is in it would be removed, and the mount's files with it."""
        new = job.stage("s:1")
        new.save(write_output(tmp_path / "three", {"mine": b"file"}, [feature("mine")]))
        (target / "mine/deep/volume").mkdir(parents=True)
        mount("mine/deep/volume")
        refused(lambda: new.restore(target, overwrite=True), target, "in/mine/deep/volume is a mount")
        mount()
        new.restore(target, overwrite=True)
        assert (target / "mine").read_bytes() == b"file"

    def test_that_appears_after_a_kill(
        self, stage: Stage, target: Path, mount: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The call is refused, and goes on where the killed one stopped once the mount is gone."""

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Installation, "_switch_file", die)
            with pytest.raises(KeyboardInterrupt):
                stage.restore(target, overwrite=True)
        before = contents(target)
        mount("sub")
        with pytest.raises(TargetConflictError, match="in/sub is a mount"):
            stage.restore(target, overwrite=True)
        assert contents(target) == before
        mount()
        stage.restore(target, overwrite=True)
        assert (target / "sub/b.tif").read_bytes() == b"B"
        assert not (target / ".up42_state").exists()

    def test_where_a_propagation_adds_files(
        self, stage: Stage, target: Path, tmp_path: Path, mount: Callable[..., None], bucket: FaultyBucket
    ) -> None:
        """It is named; one that holds files of the output alone is not."""
        target.rename(tmp_path / "away")
        write_output(target, {"sub/own.tif": b"own", "own/own.tif": b"own"})
        mount("own", "sub")
        refused(lambda: propagate(target, [stage]), target, "in/sub is a mount", bucket)
        mount("own")
        propagate(target, [stage])
        assert (target / "sub/b.tif").read_bytes() == b"B"


@pytest.fixture
def nobodys(stage: Stage, target: Path) -> Iterator[Path]:
    """The same as ``target``, where nobody may go, and of nobody."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        with nobody():
            stage.restore(Path(place, "in"), revision=1)
        target.joinpath("mine").rename(Path(place, "in", "mine"))
        yield Path(place, "in")
        for folder, _, _ in os.walk(place):
            os.chmod(folder, 0o777)


class TestWhatMayNotBeWritten:
    def test_is_named_where_a_file_is_replaced(
        self, stage: Stage, nobodys: Path, bucket: FaultyBucket
    ) -> None:
        """And what to do about it is said; a second call says the same."""
        (nobodys / "sub").chmod(0o555)
        with nobody():
            for _ in range(2):
                error = refused(
                    lambda: stage.restore(nobodys, overwrite=True),
                    nobodys,
                    "cannot write to .*/in/sub: Permission denied",
                    bucket,
                )
        assert f"chmod u+rwx {nobodys}/sub" in error.advice

    def test_is_named_where_a_propagation_adds_files(
        self, stage: Stage, nobodys: Path, bucket: FaultyBucket
    ) -> None:
        """The output stays as it was."""
        with nobody():
            write_output(nobodys / "out", {"sub/own.tif": b"own"})
            (nobodys / "out/sub").chmod(0o555)
            refused(lambda: propagate(nobodys / "out", [stage]), nobodys / "out", "out/sub: Perm", bucket)

    def test_is_left_alone_where_it_stays(self, stage: Stage, nobodys: Path) -> None:
        """Folders of files that are kept, or are nobody's, may be read-only, and the latter unreadable."""
        (nobodys / "other").chmod(0o555)
        (nobodys / "mine").chmod(0o300)
        with nobody():
            stage.restore(nobodys, overwrite=True)
        assert (nobodys / "sub/b.tif").read_bytes() == b"B"

    @pytest.mark.parametrize("mode", [0o300, 0o400])
    def test_may_hold_files_where_it_cannot_be_read(self, stage: Stage, nobodys: Path, mode: int) -> None:
        """Without ``overwrite`` a directory with such a folder counts as one that holds other files."""
        (nobodys / "mine").chmod(mode)
        with nobody(), pytest.raises(TargetConflictError, match="holds other files: mine"):
            stage.restore(nobodys, revision=1)

    def test_is_named_where_directories_are_to_be_made(self, job: Job, nobodys: Path, tmp_path: Path) -> None:
        """Also where no file goes there."""
        output = write_output(tmp_path / "three", {})
        (output / "sub/new").mkdir(parents=True)
        (output / "data.json").write_text('{"type": "FeatureCollection", "features": []}')
        job.stage("s:1").save(output)
        (nobodys / "sub").chmod(0o555)
        with nobody():
            refused(lambda: job.stage("s:1").restore(nobodys, overwrite=True), nobodys, "in/sub: Perm")

    def test_is_named_where_it_is_our_own_folder(self, stage: Stage, nobodys: Path) -> None:
        """Another user's call, root's say, may have left it."""
        (nobodys / ".up42_state/restore").mkdir(parents=True)
        (nobodys / ".up42_state/restore").chmod(0o555)
        with nobody(), pytest.raises(StateError, match=r"in/\.up42_state/restore: Permission denied"):
            stage.restore(nobodys, overwrite=True)
        assert (nobodys / "sub/b.tif").read_bytes() == b"b"

    def test_is_named_where_quicklooks_go(self, job: Job, nobodys: Path, tmp_path: Path) -> None:
        """Not the directory of the files."""
        job.stage("q:1").save(write_output(tmp_path / "q", {".quicklooks/a.png": b"q"}))
        folder = nobodys / "pictures"
        folder.mkdir(mode=0o555)
        with nobody():
            refused(
                lambda: job.stage("q:1").restore(nobodys / "new", quicklooks=folder),
                nobodys,
                "cannot write to .*/pictures: Permission denied",
            )


class TestAKeptFile:
    """One that is there already, with another executable bit."""

    def test_of_another_user_is_named(
        self, stage: Stage, target: Path, bucket: FaultyBucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only its owner may change the bit."""
        (target / "other/c.tif").chmod(0o755)
        monkeypatch.setattr(changes.os, "geteuid", lambda: os.getuid() + 1)
        refused(lambda: stage.restore(target, overwrite=True), target, r"c\.tif is another user's", bucket)
        (target / "other/c.tif").chmod(0o644)
        stage.restore(target, overwrite=True)

    def test_gets_its_own_bit_back_after_a_kill(
        self, stage: Stage, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a killed call had changed is taken back where another revision is current by then."""
        (target / "other/c.tif").chmod(0o744)
        switch = Installation._switch_file

        def die(installation: Installation, entry: Entry) -> None:
            switch(installation, entry)
            if entry.path == "other/c.tif":
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(Installation, "_switch_file", die)
            with pytest.raises(KeyboardInterrupt):
                stage.restore(target, overwrite=True)
        assert (target / "other/c.tif").stat().st_mode & 0o777 == 0o644
        stage.save(write_output(tmp_path / "three", {"a.tif": b"three"}))
        with pytest.raises(TargetConflictError, match="holds other files"):
            stage.restore(target)
        assert (target / "other/c.tif").stat().st_mode & 0o777 == 0o744


RESTORE = """
import sys
from up42_state.errors import TargetConflictError
from up42_state.state import State

try:
    State(sys.argv[1]).job("j").stage("s:1").restore(sys.argv[2], overwrite=True)
except TargetConflictError as error:
    print(error)
"""
MOUNTS = {
    "sub": [
        'mount -t tmpfs tmpfs "$0/sub"',
        'mount --bind "$0/other" "$0/sub"',
        'mount --bind "$0/sub" "$0/sub"; mount -o remount,bind,ro "$0/sub"',
    ],
    "a.tif": ['mount --bind "$0/a.tif" "$0/a.tif"'],
    "": ['mount --bind "$0" "$0"; mount --bind "$0/other" "$0/other"; mount -t tmpfs tmpfs "$0/mine"'],
}


@pytest.mark.docker
@pytest.mark.parametrize(
    ("named", "script"), [(named, script) for named in MOUNTS for script in MOUNTS[named]]
)
def test_a_real_mount(tmp_path: Path, named: str, script: str) -> None:
    """It is named where files are to be replaced in it; elsewhere, and as the target itself, it is fine."""
    url, target = f"file://{tmp_path}/store", tmp_path / "in"
    stage = State(url).job("j").stage("s:1")
    stage.save(write_output(tmp_path / "one", FILES))
    stage.restore(target)
    (target / "mine").mkdir()
    stage.save(write_output(tmp_path / "two", FILES | {"a.tif": b"A", "sub/b.tif": b"B"}))
    command = ["sh", "-euc", script + '; "$@"', target, sys.executable, "-c", RESTORE, url, target]
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    ran = subprocess.run(
        ["unshare", "--mount", *user, *command], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"{target}/{named} is a mount" in ran.stdout if named else not ran.stdout
    assert (target / "a.tif").read_bytes() == (b"a" if named else b"A")
