"""Write the demo's small rasters without a raster library: GeoTIFF, and PNG for quicklooks."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Raster", "write_geotiff", "write_png"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """A raster with one band of 8 bits.

    :param pixels: the pixels row by row, from the north-west.
    :param width: pixels in a row.
    :param bbox: west, south, east, north in degrees.
    """

    pixels: bytes
    width: int
    bbox: tuple[float, float, float, float]

    @property
    def height(self) -> int:
        """The number of rows."""
        return len(self.pixels) // self.width

    @property
    def mean(self) -> float:
        """The mean of all pixels."""
        return sum(self.pixels) / len(self.pixels)

    def quarter(self, column: int, row: int) -> Raster:
        """Return one of the four quarters; column and row are 0 or 1, from the north-west."""
        west, south, east, north = self.bbox
        width, height = self.width // 2, self.height // 2
        across, down = (east - west) / 2, (north - south) / 2
        left, top = column * width, row * height
        rows = (self.pixels[y * self.width + left :][:width] for y in range(top, top + height))
        x, y = west + column * across, north - row * down
        return Raster(pixels=b"".join(rows), width=width, bbox=(x, y - down, x + across, y))


def write_geotiff(path: Path, raster: Raster) -> None:
    """Write an uncompressed GeoTIFF in WGS 84 (EPSG:4326).

    Sources: TIFF 6.0, part 1; OGC GeoTIFF 1.1, tags 33550, 33922 and 34735.
    """
    west, _, east, north = raster.bbox
    pixel = (east - west) / raster.width
    size = len(raster.pixels)
    keys = (1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326)
    tags: list[tuple[int, str, tuple[float, ...]]] = [
        (256, "I", (raster.width,)),
        (257, "I", (raster.height,)),
        (258, "H", (8,)),
        (259, "H", (1,)),  # not compressed
        (262, "H", (1,)),  # 0 is black
        (273, "I", (8,)),  # the pixels follow the header
        (277, "H", (1,)),
        (278, "I", (raster.height,)),
        (279, "I", (size,)),
        (33550, "d", (pixel, (north - raster.bbox[1]) / raster.height, 0.0)),
        (33922, "d", (0.0, 0.0, 0.0, west, north, 0.0)),
        (34735, "H", keys),
    ]
    padding = b"\0" * (size % 2)
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, 8 + size + len(padding))
        + raster.pixels
        + padding
        + _directory(tags, 8 + size + len(padding))
    )


def _directory(tags: list[tuple[int, str, tuple[float, ...]]], start: int) -> bytes:
    """Return the image file directory, followed by the values that do not fit into its entries."""
    types = {"H": 3, "I": 4, "d": 12}
    entries, beside = b"", b""
    end = start + 2 + 12 * len(tags) + 4
    for tag, kind, values in tags:
        data = struct.pack(f"<{len(values)}{kind}", *values)
        if len(data) > 4:
            place = struct.pack("<I", end + len(beside))
            beside += data
        else:
            place = data.ljust(4, b"\0")
        entries += struct.pack("<HHI", tag, types[kind], len(values)) + place
    return struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + beside


def write_png(path: Path, raster: Raster) -> None:
    """Write a greyscale PNG (ISO/IEC 15948)."""
    rows = range(0, len(raster.pixels), raster.width)
    lines = b"".join(b"\0" + raster.pixels[start : start + raster.width] for start in rows)
    header = struct.pack(">IIBBBBB", raster.width, raster.height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
