"""Media types of files by their names, as STAC documents and their readers write them.

Sources: the registry of IANA; pystac's ``MediaType``; STAC's best practices, "Common Media Types in STAC".
"""

from __future__ import annotations

__all__ = ["GEOJSON", "JSON", "ZIP", "is_metadata", "is_shown", "media_type"]

JSON, GEOJSON, ZIP = "application/json", "application/geo+json", "application/zip"
_TIFF = "image/tiff"
# Whether a GeoTIFF is cloud-optimised stands in its bytes, which are not read: nobody says so here.
_GEOTIFF = "image/tiff; application=geotiff"
_XML, _TEXT = "application/xml", "text/plain"

_TYPES = {
    "bmp": "image/bmp",
    "cog": _GEOTIFF,
    "csv": "text/csv",
    "dbf": "application/vnd.dbf",
    "dim": _XML,
    "fgb": "application/vnd.flatgeobuf",
    "geojson": GEOJSON,
    "geotiff": _GEOTIFF,
    "gif": "image/gif",
    "gml": "application/gml+xml",
    "gpkg": "application/geopackage+sqlite3",
    "gpx": "application/gpx+xml",
    "gz": "application/gzip",
    "h5": "application/x-hdf5",
    "hdf": "application/x-hdf",
    "hdf5": "application/x-hdf5",
    "html": "text/html",
    "j2k": "image/jp2",
    "jp2": "image/jp2",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": JSON,
    "kml": "application/vnd.google-earth.kml+xml",
    "kmz": "application/vnd.google-earth.kmz",
    "laz": "application/vnd.laszip",
    "md": "text/markdown",
    "nc": "application/netcdf",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "pgw": _TEXT,
    "pmtiles": "application/vnd.pmtiles",
    "png": "image/png",
    "prj": _TEXT,
    "safe": _XML,  # manifest.safe of a SAFE directory
    "shp": "application/vnd.shp",
    "shx": "application/vnd.shx",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tfw": _TEXT,
    "tif": _GEOTIFF,
    "tiff": _GEOTIFF,
    "tsv": "text/tab-separated-values",
    "txt": _TEXT,
    "vrt": _XML,
    "webp": "image/webp",
    "xml": _XML,
    "zip": ZIP,
}
_SHOWN = frozenset(("image/gif", "image/jpeg", "image/png", "image/webp"))
_METADATA = frozenset((_XML, _TEXT, JSON, "text/html", "text/markdown", "application/pdf"))


def media_type(path: str, *, is_picture: bool = False) -> str | None:
    """Return the media type of a file by its name; ``None`` where the name does not tell.

    :param is_picture: the file is a quicklook, which need not be georeferenced.
    """
    stem, _, extension = path.rpartition("/")[2].rpartition(".")
    found = _TYPES.get(extension.lower()) if stem else None
    return _TIFF if is_picture and found == _GEOTIFF else found


def is_shown(media: str | None) -> bool:
    """Return True if browsers show pictures of this media type."""
    return media in _SHOWN


def is_metadata(media: str | None) -> bool:
    """Return True if files of this media type describe others, where several lie in one directory."""
    return media in _METADATA
