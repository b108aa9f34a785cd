"""A store: a bucket that holds jobs, and how we work on it."""

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
    """A bucket and the settings that shape transfers.

    :param concurrency: requests at once.
    :param memory: bytes in flight at once.
    :param pack_below: files of fewer bytes are packed; 0 packs none.
    :param single_writer: trust that no two saves race, on a store without create-only writes.
    """

    bucket: Bucket
    concurrency: int = 16
    memory: int = 256 * MIB
    pack_below: int = MIB
    single_writer: bool = False

    @property
    def identity(self) -> tuple[str, str]:
        """Tells it from all others: two stores may have one URL at different endpoints."""
        return self.bucket.identity, self.bucket.url

    def transfers(self) -> Transfers:
        """A pool with this store's concurrency and memory."""
        return Transfers(self.concurrency, self.memory)

    def jobs(self) -> list[str]:
        """The keys of all jobs, sorted.

        A name below which nothing lies but empty "folders", as web consoles make them, is no job.
        """
        names = [name for name in self.bucket.prefixes("") if is_name(name)]
        with self.transfers() as transfers:
            held = list(transfers.map(lambda name: self.bucket.holds(f"{name}/"), names))
        return [name for name, holds in zip(names, held, strict=True) if holds]

    def stages(self, job: str) -> list[str]:
        """The names of a job's stages, removed ones included, sorted."""
        return [name for name in self.bucket.prefixes(f"{job}/") if is_name(name)]
