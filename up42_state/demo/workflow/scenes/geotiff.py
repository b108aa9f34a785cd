"""Read and write small GeoTIFFs without a raster library: one band of 8 bits, not compressed, in WGS 84.

Sources: TIFF 6.0, part 1; OGC GeoTIFF 1.1, tags 33550, 33922 and 34735.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = {"H": (3, 2), "I": (4, 4), "d": (12, 8)}  # by struct's letter: TIFF's number, bytes of a value
LETTERS = {number: letter for letter, (number, _) in KINDS.items()}
# A header; then three keys of four numbers: geographic, pixels are areas, EPSG:4326.
WGS_84 = (1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326)


class Raster(NamedTuple):
    """Grey values row by row, from the north-west; ``bbox`` is west, south, east, north in degrees."""

    pixels: bytes
    width: int
    bbox: tuple[float, float, float, float]

    @property
    def height(self) -> int:
        """The number of rows."""
        return len(self.pixels) // self.width

    @property
    def step(self) -> tuple[float, float]:
        """The width and the height of a pixel, in degrees."""
        west, south, east, north = self.bbox
        return (east - west) / self.width, (north - south) / self.height

    def window(self, left: int, top: int, width: int, height: int) -> Raster:
        """Cut out the part that begins ``left`` pixels from the west and ``top`` pixels from the north."""
        width, height = min(width, self.width - left), min(height, self.height - top)
        rows = (self.pixels[y * self.width + left :][:width] for y in range(top, top + height))
        across, down = self.step
        west, north = self.bbox[0] + left * across, self.bbox[3] - top * down
        return Raster(b"".join(rows), width, (west, north - height * down, west + width * across, north))


def write(path: Path, raster: Raster) -> None:
    """Write a raster as one strip: the header, the pixels, the directory of tags."""
    size = len(raster.pixels)
    end = 8 + size + size % 2
    tags: list[tuple[int, str, tuple[float, ...]]] = [
        (256, "I", (raster.width,)),
        (257, "I", (raster.height,)),
        (258, "H", (8,)),  # bits
        (259, "H", (1,)),  # not compressed
        (262, "H", (1,)),  # 0 is black
        (273, "I", (8,)),  # where the pixels are
        (277, "H", (1,)),  # band
        (278, "I", (raster.height,)),
        (279, "I", (size,)),
        (33550, "d", (*raster.step, 0.0)),
        (33922, "d", (0.0, 0.0, 0.0, raster.bbox[0], raster.bbox[3], 0.0)),
        (34735, "H", WGS_84),
    ]
    header = struct.pack("<2sHI", b"II", 42, end)
    path.write_bytes(header + raster.pixels + b"\0" * (size % 2) + _directory(tags, end))


def _directory(tags: list[tuple[int, str, tuple[float, ...]]], start: int) -> bytes:
    """Return the directory, followed by the values that do not fit into its entries."""
    entries, beside = b"", b""
    for tag, letter, values in tags:
        value = struct.pack(f"<{len(values)}{letter}", *values)
        if len(value) > 4:
            place = struct.pack("<I", start + 2 + 12 * len(tags) + 4 + len(beside))
            beside += value
        else:
            place = value.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, KINDS[letter][0], len(values)) + place
    return struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + beside


def read(path: Path) -> Raster:
    """Read a raster that is laid out as :func:`write` does it."""
    data = path.read_bytes()
    if data[:4] != b"II*\0":
        raise ValueError(f"{path.name} is not a little-endian TIFF")
    tags = dict(_tags(data))
    if (tags[258], tags[259], tags[277]) != ((8,), (1,), (1,)) or len(tags[273]) > 1:
        raise ValueError(f"{path.name} is not one band of 8 bits in one strip, not compressed")
    (width,), (height,), (start,) = tags[256], tags[257], tags[273]
    (across, down, _), (*_, west, north, _) = tags[33550], tags[33922]
    bbox = (west, north - height * down, west + width * across, north)
    return Raster(data[start : start + width * height], width, bbox)


def _tags(data: bytes) -> Iterator[tuple[int, Any]]:
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, number, length = struct.unpack_from("<HHI", data, place)
        letter = LETTERS[number]
        place += 8
        if length * KINDS[letter][1] > 4:
            (place,) = struct.unpack_from("<I", data, place)
        yield tag, struct.unpack_from(f"<{length}{letter}", data, place)
