"""Where the quicklooks of added features go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.features.paths import above, check_path, quicklooks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from up42_state.features.files import File, Files
    from up42_state.features.sameness import Sameness

__all__ = ["Quicklooks"]


class Quicklooks:
    """Finds unused places for the quicklooks of one earlier stage; each is placed once for all features.

    :param label: the stage's name, with ``:`` as ``-``.
    """

    def __init__(self, label: str, current: Files, earlier: Files, sameness: Sameness) -> None:
        self._label = label
        self._current = current
        self._earlier = earlier
        self._sameness = sameness
        self._taken: dict[str, File] = {}
        self._folders = {folder for path in current.quicklooks for folder in above(path)}
        self._done: set[tuple[str, str | None]] = set()

    def place(
        self, feature_id: str | float | None, new_id: str | None, paths: Iterable[str]
    ) -> Iterator[tuple[File, str]]:
        """The quicklooks of a feature that are to be added, each with its place.

        :param new_id: the id that the feature gets; its quicklooks are named after it.
        """
        for stem, file in quicklooks_of(feature_id, paths, self._earlier, self._done):
            pass
