"""What sending to S3 costs in memory."""

from __future__ import annotations

import tracemalloc

import pytest
from buckets.scripted import Answer, answering
from buckets.uploads import MIB

from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.settings.model import Settings

KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region": "us-east-1"}
SIZE = 16 * MIB


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_byte_array_is_sent_without_a_copy(kind: type[bytearray] | type[memoryview]) -> None:
    """A pack, and a part of a large file, are in memory once while they are sent."""
    data = kind(bytearray(SIZE))
    with answering(Answer(headers={"ETag": '"e"'})) as script:
        bucket = S3Bucket("b", "", Settings(aws_endpoint_url=script.url, **KEYS))  # type: ignore[arg-type]  # by name
        bucket.put("small", b"")  # what the client is made of
        received = SIZE  # by the server, which is in this process
        tracemalloc.start()
        try:
            bucket.put("a", data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        bucket.close()
    assert len(script.requests[1].body) == SIZE
    assert peak < received + SIZE // 2
