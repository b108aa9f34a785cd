"""Stages as documents of STAC (SpatioTemporal Asset Catalog) 1.1, and outputs made of such documents."""

from __future__ import annotations

from up42_state.publish.stac.documents import Document, catalog, item_collection
from up42_state.publish.stac.intake.output import Taken, take_in
from up42_state.publish.stac.source import stages_of
from up42_state.publish.stac.writing import rendered, write

__all__ = ["Document", "Taken", "catalog", "item_collection", "rendered", "stages_of", "take_in", "write"]
