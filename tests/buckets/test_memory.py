"""The bucket in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from buckets.contract import BucketContract

from up42_state.buckets import open_bucket
from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import UnsupportedStoreError

if TYPE_CHECKING:
    from up42_state.buckets import Bucket


class TestMemoryBucket(BucketContract):
    goes_on = False

    @pytest.fixture
    def bucket(self) -> Bucket:
        return MemoryBucket("memory://test/pre fix", prefix="pre fix")


def test_shared_by_name() -> None:
    """Two handles of one name see the same objects, at whatever prefix they begin."""
    open_bucket("memory://shared/a").put("b/c", b"x")
    assert open_bucket("memory://shared/a/b").get("c") == b"x"
    assert list(open_bucket("memory://other/a").list("")) == []


def test_prefix_is_a_whole_part() -> None:
    """A bucket below a prefix does not see a sibling whose name goes on."""
    store = MemoryStore()
    MemoryBucket(store=store, prefix="ab").put("c", b"")
    assert list(MemoryBucket(store=store, prefix="a").list("")) == []


def test_not_for_gdal() -> None:
    """GDAL cannot look into this process, and is told so."""
    with pytest.raises(UnsupportedStoreError, match="memory of this process"):
        MemoryBucket().gdal_path("a")
