"""Which files belong to a file by their names: what GDAL and its kin keep beside a file.

``docs/data-json.md`` shows the tables of this module, with a page of GDAL's documentation for each row.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    Start = tuple[str, re.Pattern[str]]

__all__ = [
    "ENDS",
    "JOURNALS",
    "SCENES",
    "SIDECARS",
    "Kept",
    "Scene",
    "extensions_of_kin",
    "names_of_kin",
    "scene_kin",
    "sidecar_of",
    "starts_of_file",
    "starts_of_kin",
    "stem_of",
]


class Kept(NamedTuple):
    """Files of one stem that GDAL reads together.

    :param of: extensions of the file that a feature names; empty for any.
    :param beside: what stands where that file has its extension: another extension, a text that begins with
        ``_``, or ``-`` for the stem alone. ``#`` stands for a digit.
    :param source: the page of GDAL's documentation, or the file of its source.
    """

    of: str
    beside: str
    source: str


class Scene(NamedTuple):
    """Files of one scene, whose names differ in more than the extension.

    :param of: the name of the file that a feature names, as people write it.
    :param beside: the names of the scene's other files.
    :param main: the pattern of ``of``; the pattern's group is what all names have in common.
    :param others: the other names, ``{}`` for what all names have in common; ``*`` where a
        name begins so and goes on as a tile of the scene does.
    """

    of: str
    beside: str
    source: str
    main: re.Pattern[str]
    others: tuple[str, ...]


JOURNALS = "-wal -shm -journal"  # after the whole name of any file: SQLite takes every extension

_IMAGES = "img j2k jp2 jpeg jpg nitf ntf png tif tiff"
_SHAPEFILE = "ain aih atx cpg dbf fbn fbx idm ind ixs mxs prj qix qpj sbn sbx shp shp.xml shx"
_ENVI = "bil bin bip bsq dat flt img raw"

SIDECARS = (
    Kept("", "aux aux.xml msk ovr rrd", "raster/gtiff, raster/hfa"),
    Kept("", "bpw gfw j2w jgw jp2w jpgw jpw pgw pngw tfw tfwx tiffw tifw wld world", "raster/wld"),
    Kept("", "hdr prj qpj", "raster/envi, raster/ehdr, vector/csv"),
    Kept("", "eph imd pox rpb rpc tab til", "raster/gtiff, gcore/mdreader"),
    Kept("", "cpg dbf qix sbn sbx shp shp.xml shx", "vector/shapefile"),
    Kept(_IMAGES, "_rpc.txt _metadata.txt _metadata.xml dim lbl pvl txt xml", "raster/gtiff, gcore/mdreader"),
    Kept(_SHAPEFILE, _SHAPEFILE, "vector/shapefile"),
    Kept("dat id ind map tab", "dat id ind map tab", "vector/mitab"),
    Kept("mid mif", "mid mif", "vector/mitab"),
    Kept("csv psv tsv", "csvt", "vector/csv"),
    Kept("gml xml", "gfs resolved.gml xsd", "vector/gml"),
    Kept("000", "###", "vector/s57"),
    Kept("sxf", "rsc", "vector/sxf"),
    Kept("img", "ige", "raster/hfa"),
    Kept("bil bip bsq flt", "clr stx", "raster/ehdr"),
    Kept("hdr", f"- {_ENVI} clr stx", "raster/envi, raster/ehdr"),
    Kept(f"{_ENVI} hdr", "sta", "frmts/raw/envidataset.cpp"),
    Kept("ers", "-", "raster/ers"),
    Kept("rdc ref rst smp", "rdc ref rst smp", "raster/Idrisi"),
    Kept("vct vdc", "vct vdc", "vector/idrisi"),
    Kept("mgrd sdat sgrd", "mgrd sdat sgrd", "raster/sdat"),
    Kept("grd gri", "grd gri", "raster/rraster"),
    Kept("mrf", "idx lrc pjg ppg ptf pzp til", "raster/marfa"),
    Kept("lbl xml", "cub dat fits img jp2 qub tab tif", "raster/pds, raster/pds4, raster/isis3"),
    Kept("cub dat fits qub tab", "lbl xml", "raster/pds, raster/pds4, raster/isis3"),
)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_RASTER = rf"\.(?:{_IMAGES.replace(' ', '|')})"
_TILE = r"(?:_R\d+C\d+)?"
_READERS = "gcore/mdreader"

SCENES = (
    Scene("SCENE_B*.tif", "SCENE_MTL.txt", _READERS, _pattern(rf"(.+?)_B[^.]*{_RASTER}"), ("{}_MTL.txt",)),
    Scene(
        "SCENE_pan_*.tif, SCENE_rgb_*.tif",
        "SCENE_metadata.txt",
        _READERS,
        _pattern(rf"(.+?)_(?:pan|rgb)_.*{_RASTER}"),
        ("{}_metadata.txt",),
    ),
    Scene(
        "IMG_SCENE.TIF, IMG_SCENE_R1C1.TIF",
        "DIM_SCENE.XML, RPC_SCENE.XML",
        "raster/dimap, gcore/mdreader",
        _pattern(rf"IMG_(.+?){_TILE}{_RASTER}"),
        ("DIM_{}*", "RPC_{}*"),
    ),
    Scene(
        "DIM_SCENE.XML",
        "IMG_SCENE.*, IMG_SCENE_R1C1.*, RPC_SCENE.XML",
        "raster/dimap",
        _pattern(r"DIM_(.+)\.xml"),
        ("IMG_{}*", "RPC_{}*"),
    ),
    Scene(
        "IMAGERY*.TIF",
        "METADATA.DIM",
        "raster/dimap",
        _pattern(rf"(IMAGERY)[^.]*{_RASTER}"),
        ("METADATA.DIM",),
    ),
    Scene(
        "METADATA.DIM", "IMAGERY.*", "raster/dimap", _pattern(r"(METADATA)\.dim"), ("IMAGERY*", "imagery*")
    ),
    Scene(
        "IMG-SCENE.tif, IMG-01-SCENE.tif",
        "HDR-SCENE.txt, RPC-SCENE.txt, summary.txt",
        _READERS,
        _pattern(rf"IMG-(?:\d\d-)?(.+){_RASTER}"),
        ("HDR-{}.txt", "RPC-{}.txt", "summary.txt"),
    ),
    Scene(
        "SCENE.*.*.tif", "SCENE.pass", _READERS, _pattern(rf"([^.]+)\.[^.]+\.[^.]+{_RASTER}"), ("{}.pass",)
    ),
)

ENDS = (  # of names that are no extension
    *JOURNALS.split(),
    *sorted({name for row in SIDECARS for name in row.beside.split() if name.startswith("_")}),
)

_ANYTHING = _pattern(r"[^/]+")
_JOURNAL = _pattern("|".join(JOURNALS.replace("-", "").split()))
_TILES = _pattern(rf"{_TILE}\.[^/]+")
_OF_SCENES = frozenset((*_IMAGES.split(), "dim", "xml"))
_LIKE_A_SCENE = _pattern(r"_b|_pan_|_rgb_|^img[-_]|^dim_|^imagery|^metadata|\..*\.")


def stem_of(path: str) -> str:
    """The path without the extension of its last part."""
    head, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return head + slash + (stem if dot and stem else name)


def sidecar_of(path: str, main: str) -> bool:
    """True if ``path`` is a sidecar of the file ``main``, by its name.

    ``B01.tif.aux.xml`` and any other ``<file>.<ext>`` is, ``roads.gpkg-wal`` is one of ``roads.gpkg``, and so
    is what ``docs/data-json.md`` lists.
    """
    if path == main or path.rpartition("/")[0] != main.rpartition("/")[0]:
        return False
    stem = stem_of(main)
    starts, names = scene_kin(main)
    starts, names = [*starts, *starts_of_kin(main, stem)], [*names, *names_of_kin(main, stem)]
    if any(path.startswith(start) and rest.fullmatch(path, len(start)) for start, rest in starts):
        return True
    return any(path.lower() == name.lower() for name in names)


def starts_of_kin(main: str, stem: str) -> list[Start]:
    """How the paths of a file's sidecars begin, and a pattern that the rest of each matches.

    :param stem: the path of the file without its extension.
    """
    rest = _extensions(main[len(stem) + 1 :].lower())
    return [*starts_of_file(main), (stem + ".", rest)]


def starts_of_file(main: str) -> list[Start]:
    """How the names of sidecars begin that have the whole name of the file before their own ending."""
    return [(main + ".", _ANYTHING), (main + "-", _JOURNAL)]


def names_of_kin(main: str, stem: str) -> list[str]:
    """The paths of further sidecars, which may be written in any case."""
    names = _names(main[len(stem) + 1 :].lower())
    return [stem + ("" if name == "-" else name) for name in sorted(names) if name[0] in "_-"]


def scene_kin(main: str) -> tuple[list[Start], list[str]]:
    """The sidecars of a file of a scene, as :func:`starts_of_kin` and :func:`names_of_kin` have them."""
    head, slash, name = main.rpartition("/")
    if _LIKE_A_SCENE.search(name) is None or name.rpartition(".")[2].lower() not in _OF_SCENES:
        return [], []
    found = [
        head + slash + other.replace("{}", match.group(1))
        for scene in SCENES
        if (match := scene.main.fullmatch(name)) is not None
        for other in scene.others
    ]
    starts = [(other[:-1], _TILES) for other in found if other.endswith("*")]
    return starts, [other for other in found if not other.endswith("*")]


def extensions_of_kin(main: str, stem: str) -> list[str] | None:
    """The paths of those sidecars that differ in their extension alone, which may be written in any case.

    :return: ``None`` where there are too many to name.
    """
    names = _names(main[len(stem) + 1 :].lower())
    if any("#" in name for name in names):
        return None
    return [f"{stem}.{name}" for name in sorted(names) if name[0] not in "_-"]


def _names(extension: str) -> set[str]:
    """What may follow the stem of a file with this extension, as :data:`SIDECARS` has it."""
    names = {extension[:1] + extension[-1:] + "w", f"{extension}w"} if extension else set()
    for row in SIDECARS:
        if not row.of or extension in row.of.split():
            names.update(row.beside.split())
    return names


@lru_cache(maxsize=256)
def _extensions(extension: str) -> re.Pattern[str]:
    """The extensions that sidecars of a file with this extension may have."""
    names = sorted(re.escape(name).replace(r"\#", r"\d") for name in _names(extension) if name[0] not in "_-")
    return _pattern("|".join(names))
