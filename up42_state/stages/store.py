"""A store: a bucket that holds jobs, and the settings for work on the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from up42_state.stages.format.names import is_name
from up42_state.stages.transfer.pool import Transfers

if TYPE_CHECKING:
    from up42_state.buckets.base import Bucket

__all__ = ["Store"]

MIB = 1024 * 1024


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and the settings for work on the bucket.

    :param bucket: the bucket that holds the jobs.
    :param concurrency: the number of requests that run at the same time.
    :param memory: bytes of buffers that transfers hold at the same time.
    :param pack_below: bytes; smaller files are packed; 0 packs no file.
    :param single_writer: True if the user promises that no two saves of a stage run at the same time; needed
        for a bucket without create-only writes.
    """

    bucket: Bucket
    concurrency: int = 16
    memory: int = 256 * MIB
    pack_below: int = MIB
    single_writer: bool = False

    @property
    def identity(self) -> tuple[str, str]:
        """The identity and the URL of the bucket: stores at different endpoints may have one URL."""
        return self.bucket.identity, self.bucket.url

    def transfers(self) -> Transfers:
        """Return a new pool of transfers with the concurrency and memory of this store."""
        return Transfers(self.concurrency, self.memory)

    def jobs(self) -> list[str]:
        """List the keys of all jobs, sorted: one listing, whatever the jobs hold.

        An empty "folder" that a web console made looks like a job. To tell would take a request for each job.
        """
        return [name for name in self.bucket.prefixes("") if is_name(name)]

    def stages(self, job: str) -> list[str]:
        """List the names of a job's stages, sorted, stages that were removed included."""
        return [name for name in self.bucket.prefixes(f"{job}/") if is_name(name)]
