"""What belongs together lies together: a file and its sidecars, the directory of a data path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import feature, tiles, write_output

from up42_state.stages.revision import load_index

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job


def together(job: Job, *names: str) -> bool:
    """Whether files of the stage ``s:1`` lie in one pack, or as objects of one attempt."""
    where = {entry.path: entry.object for entry in job.stage("s:1").files()}
    index = load_index(job.state.store, job.stage("s:1").latest())
    places = {index.objects[where[name]] for name in names}
    return len(places) == 1 or (
        len({place.owner for place in places}) == 1 and not any(place.is_pack for place in places)
    )


@pytest.mark.parametrize(
    ("files", "changed"),
    [
        ({"a.tif": b"a", "a.tfw": b"1", "a.tif.aux.xml": b"x"}, "a.tfw"),
        ({"a.tif": b"a", "a.tfw": b"1", "a.tif.aux.xml": b"x"}, "a.tif"),
        ({"x.1.tif": b"a", "x.1.tfw": b"1", "x.1.aux.xml": b"x", "x.1.tif.ovr": b"o"}, "x.1.tif.ovr"),
        ({f"SAFE/{n}.xml": bytes([n]) for n in range(5)}, "SAFE/3.xml"),
    ],
)
@pytest.mark.parametrize("others", [0, 40])
def test_what_belongs_together_stays_together_when_a_part_of_it_changes(
    job: Job, tmp_path: Path, files: dict[str, bytes], changed: str, others: int
) -> None:
    """GDAL finds sidecars beside their file only: small files go with a companion that changed."""
    features = [feature("SAFE")] if changed.startswith("SAFE") else None
    output = write_output(tmp_path / "out", tiles(others) | files, features)
    job.stage("s:1").save(output)
    assert together(job, *files)
    (output / changed).write_bytes(b"changed")
    commit = job.stage("s:1").save(output).commit
    assert together(job, *files)
    assert commit.totals.bytes - commit.totals.referenced == sum(
        (output / name).stat().st_size for name in files
    )
    assert job.stage("s:1").verify().ok


def test_a_new_file_has_its_sidecar_beside_it(job: Job, tmp_path: Path) -> None:
    """Equal bytes of another file's sidecar, as those of projections often are, do not do."""
    output = write_output(tmp_path / "out", tiles(20) | {"tile_0000.prj": b"EPSG:4326"})
    job.stage("s:1").save(output)
    write_output(output, {"new.tif": b"new", "new.prj": b"EPSG:4326"}, [])
    job.stage("s:1").save(output)
    assert together(job, "new.tif", "new.prj")


def test_files_that_share_the_beginning_of_their_names_are_no_group(job: Job, tmp_path: Path) -> None:
    """Dots in names do not make sidecars: only the file that changed is moved."""
    output = write_output(
        tmp_path / "out", {f"tiles.{number:04d}.tif": b"%d" % number for number in range(40)}
    )
    job.stage("s:1").save(output)
    (output / "tiles.0007.tif").write_bytes(b"changed")
    commit = job.stage("s:1").save(output).commit
    assert commit.totals.bytes - commit.totals.referenced == len(b"changed")


def test_sidecars_and_directories_stay_in_one_pack(job: Job, tmp_path: Path) -> None:
    """A file and its sidecars, and all of a data path's directory, lie in one object."""
    size = 900_000
    files = {}
    for number in range(40):
        files[f"{number:02d}.tif"] = os.urandom(size)
        files[f"{number:02d}.tif.aux.xml"] = b"<xml/>"
    files |= {f"SAFE/band{number}/x.tif": os.urandom(size) for number in range(20)}
    features = [feature("SAFE"), *(feature(f"{number:02d}.tif") for number in range(40))]
    job.stage("s:1").save(write_output(tmp_path / "out", files, features))
    where = {entry.path: entry.object for entry in job.stage("s:1").files()}
    assert all(where[f"{n:02d}.tif"] == where[f"{n:02d}.tif.aux.xml"] for n in range(40))
    assert len({number for path, number in where.items() if path.startswith("SAFE/")}) == 1
