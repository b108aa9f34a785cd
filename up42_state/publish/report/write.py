"""Write a report to a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError
from up42_state.machine.extras import install_command
from up42_state.machine.paths import local_path
from up42_state.publish.report.gather import gather

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

__all__ = ["Report", "write_report"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report that was written.

    :param path: the file.
    :param size: the file's size in bytes.
    :param stages: how many stages it shows.
    :param features: how many features it shows, of all stages together.
    :param left_out: how many features it does not show.
    :param problems: names of stages of which something could not be read, with the reasons.
    """

    path: Path
    size: int
    stages: int
    features: int
    left_out: int
    problems: dict[str, str]


def write_report(job: Job, path: str | os.PathLike[str]) -> Report:
    """Write a job as one HTML page that opens from disk, without a network.

    A file that is there is replaced, whole or not at all. The page holds secrets of none of the settings.

    :param path: the file to write; its directory must be there.
    :raises JobNotFoundError: the job has neither stages nor runs.
    :raises SettingsError: Bokeh, which draws the map, is not installed.
    """
    try:
        from up42_state.publish.report.page import page
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"a report needs {error.name}, which is not installed", advice=install_command("report")
        ) from error
    target = local_path(path)
    view = gather(job)
    data = page(view).encode("utf-8", "backslashreplace")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return Report(
        path=target,
        size=len(data),
        stages=len(view.stages),
        features=sum(len(stage.features) for stage in view.stages),
        left_out=sum(max(stage.left_out, 0) for stage in view.stages),
        problems={stage.name: stage.problem for stage in view.stages if stage.problem},
    )
