"""What GDAL and its kin keep beside a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from up42_state.features import File, Files, companions, sidecar_of
from up42_state.features.files.sidecars import JOURNALS, SCENES, SIDECARS

PAGE = Path(__file__).parents[2] / "docs/data-json.md"


def beside(main: str, *others: str, named: tuple[str, ...] = ()) -> list[str]:
    """What goes with a file, of files that lie in one output."""
    there = Files(File(path=path, size=1) for path in (main, *others))
    return [file.path for file in companions(main, there, named) if file.path != main]


@pytest.mark.parametrize(
    ("main", "others"),
    [
        ("roads.gpkg", ["roads.gpkg-wal", "roads.gpkg-shm", "roads.gpkg-journal"]),
        ("d/tiles.mbtiles", ["d/tiles.mbtiles-wal", "d/tiles.mbtiles-shm"]),
        ("a.sqlite", ["a.sqlite-wal"]),
        ("a.db", ["a.db-journal"]),
        ("database", ["database-wal"]),
        ("scene.tif", ["scene_RPC.TXT", "scene.RPB", "scene.IMD", "scene.XML", "scene.TIL", "scene.pvl"]),
        ("scene.TIF", ["scene_rpc.txt", "scene.TFW", "scene.tif.aux.xml"][:2]),
        ("scene.tif", ["scene_metadata.xml", "scene.rpc", "scene.eph", "scene.txt"]),
        ("d/LC08_L1TP_15_B4.TIF", ["d/LC08_L1TP_15_MTL.txt"]),
        ("po_1_pan_0.tif", ["po_1_metadata.txt", "po_1_pan_0_rpc.txt"]),
        ("IMG_PHR1A_MS_R1C1.TIF", ["DIM_PHR1A_MS.XML", "RPC_PHR1A_MS.XML", "IMG_PHR1A_MS_R1C1.TFW"]),
        ("IMG_PHR1A_MS_R1C1.JP2", ["IMG_PHR1A_MS_R1C1.J2W", "DIM_PHR1A_MS.XML"]),
        ("d/DIM_PHR1A_MS.XML", ["d/IMG_PHR1A_MS_R1C1.TIF", "d/IMG_PHR1A_MS_R1C1.TFW", "d/RPC_PHR1A_MS.XML"]),
        ("IMAGERY.TIF", ["METADATA.DIM"]),
        ("METADATA.DIM", ["IMAGERY.TIF", "IMAGERY.TFW"]),
        ("IMG-HH-ALPSRP-H1.tif", ["RPC-HH-ALPSRP-H1.txt", "summary.txt"]),
        ("a.b.c.tif", ["a.pass"]),
        ("large.img", ["large.ige", "large.rrd", "large.img.aux.xml", "large.hdr", "large.aux"]),
        ("roads.tab", ["roads.dat", "roads.map", "roads.id", "roads.ind"]),
        ("roads.MAP", ["roads.TAB", "roads.DAT", "roads.ID"]),
        ("roads.mif", ["roads.mid"]),
        (
            "roads.shp",
            ["roads.shx", "roads.dbf", "roads.prj", "roads.cpg", "roads.qix", "roads.sbn", "roads.sbx"],
        ),
        ("roads.shx", ["roads.shp", "roads.dbf", "roads.qpj", "roads.idm", "roads.ind", "roads.shp.xml"]),
        ("table.csv", ["table.csvt", "table.prj"]),
        ("roads.gml", ["roads.xsd", "roads.gfs"]),
        ("cell.000", ["cell.001", "cell.002"]),
        ("raw.dat", ["raw.hdr"]),
        ("raw.hdr", ["raw", "raw.dat"]),
        ("raw.dat.hdr", ["raw.dat"]),
        ("raw", ["raw.hdr"]),
        ("dem.bil", ["dem.hdr", "dem.clr", "dem.stx", "dem.prj", "dem.blw"]),
        ("grid.ers", ["grid"]),
        ("land.rst", ["land.rdc", "land.smp"]),
        ("dem.sdat", ["dem.sgrd", "dem.prj", "dem.mgrd"]),
        ("r.grd", ["r.gri"]),
        ("m.mrf", ["m.idx", "m.ppg"]),
        ("moon.lbl", ["moon.img"]),
        ("moon.cub", ["moon.lbl"]),
        ("a.jp2", ["a.j2w", "a.jp2w", "a.wld"]),
        ("a.jpeg", ["a.jgw", "a.jpegw"]),
        ("a.ecw", ["a.eww", "a.ecww"]),
        ("a.sid", ["a.sdw"]),
        ("\U0010ffff.tif", ["\U0010ffff.tfw"]),
    ],
)
def test_what_belongs_to_a_file_comes_with_it(main: str, others: list[str]) -> None:
    """And each of them is a sidecar by its name alone, too."""
    assert beside(main, *others) == sorted(others)
    assert [path for path in others if not sidecar_of(path, main)] == []


@pytest.mark.parametrize(
    ("main", "others"),
    [
        ("roads.gpkg", ["roads-2.gpkg", "roads.gpkg-walrus", "roads.gpkg2-wal", "other.gpkg-wal"]),
        ("a.tif", ["a.json", "a.geojson", "a.ige", "a.gri", "a_other.tif", "a_metadata.json", "ab.tfw"]),
        ("LC08_B4.TIF", ["LC09_MTL.txt", "LC08_B5.TIF", "d/LC08_MTL.txt"]),
        ("DIM_A.XML", ["IMG_AB_R1C1.TIF", "IMG_A_R1C1/x.tif"]),
        ("a.000", ["a.1000", "a.00x"]),
        ("d/a.tif", ["D/a_rpc.txt", "a_rpc.txt"]),
        ("a.csv", ["a.csw"]),
    ],
)
def test_what_only_looks_alike_does_not_come(main: str, others: list[str]) -> None:
    """Other stems, other scenes, other directories, other kinds of file."""
    assert beside(main, *others) == []
    assert [path for path in others if sidecar_of(path, main)] == []


def test_what_another_feature_names_is_nobodys_sidecar() -> None:
    """A part that has a feature of its own goes with that."""
    assert beside("a.gpkg", "a.gpkg-wal", named=("a.gpkg-wal",)) == []
    assert beside("d/S_B1.TIF", "d/S_MTL.txt", named=("d/S_MTL.txt",)) == []


@pytest.mark.timeout(60)
def test_names_that_begin_alike_are_told_apart_quickly() -> None:
    """Fifty thousand files whose names begin with those of many others."""
    names = [f"a{'_' * (number % 200)}{number}.tif" for number in range(50_000)]
    names += [f"a{'_' * number}.tif" for number in range(200)]
    there = Files(File(path=path, size=1) for path in names)
    assert all(len(companions(path, there)) == 1 for path in names)


def test_the_page_has_the_tables_of_the_code() -> None:
    """Each row of ``docs/data-json.md`` says what the code does, and the other way round."""
    rows = [line.strip("|").split("|") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    shown = {tuple(cell.strip().replace("`", "").replace("–", "") for cell in row) for row in rows}
    kept = {(_dotted(row.of), _dotted(row.beside), row.source) for row in SIDECARS}
    scenes = {(scene.of, scene.beside, scene.source) for scene in SCENES}
    assert (kept | scenes) - shown == set()
    assert all(f"`<file>{name}`" in PAGE.read_text() for name in JOURNALS.split())


def _dotted(names: str) -> str:
    """Extensions as the page writes them."""
    if not names:
        return "any"
    return " ".join("stem alone" if n == "-" else n if n.startswith("_") else f".{n}" for n in names.split())
