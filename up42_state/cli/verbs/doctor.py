"""``doctor``: check the settings and the live store before a job relies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.output import Table, print_result
from up42_state.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.doctor import Check, Origin

__all__ = ["doctor"]


@click.command()
@click.option("--image", metavar="IMAGE", help="Check as well what runs image blocks, and this image.")
@click.option(
    "--reach",
    multiple=True,
    metavar="HOST:PORT",
    help="Check whether this can be reached from inside a container of the image. May be repeated.",
)
@options.shared
@click.pass_obj
def doctor(common: Common, image: str | None, reach: tuple[str, ...]) -> int:
    """Check the settings and the store, and what runs image blocks.

    Says where each setting came from, never a secret's value, and does to the live store what saving and
    restoring do. Leaves nothing behind. The exit code is that of the first failure.
    """
    if reach and not image:
        raise click.UsageError("--reach looks from inside a container: say of which --image")
    from up42_state.doctor import check_store, origins

    handles = common.handles()
    found = origins(handles.settings)
    store = handles.state.store
    checks = check_store(store.bucket, single_writer=store.single_writer)
    if image:
        checks += _image_checks(handles.settings.engine or "", image, reach)
    value = {
        "url": store.bucket.url,
        "ok": not any(check.status for check in checks),
        "settings": [origin.to_dict() for origin in found],
        "checks": [check.to_dict() for check in checks],
    }
    print_result(common, value, _settings(found), _checks(checks), _advice(checks))
    return next((check.status for check in checks if check.status), 0)


def _image_checks(wanted: str, name: str, targets: Sequence[str]) -> list[Check]:
    """Check the engine, the image, and what a container of it can reach; stop at what is missing."""
    from up42_state.doctor import Check
    from up42_state.workflow.blocks.containers.engine import find_engine
    from up42_state.workflow.blocks.containers.inside import address, reaches

    addresses = [(target, *address(target)) for target in targets]
    checks: list[Check] = []
    step = "engine"
    try:
        engine = find_engine(wanted)
        checks.append(Check(name=step, outcome="pass", detail=f"{engine.kind} {engine.version} answers"))
        step = "image"
        image = engine.image(name)
        checks.append(Check(name=step, outcome="pass", detail=f"{name} is {image.id}"))
        for target, host, port in addresses:
            step = f"reach {target}"
            checks.append(_reached(step, reaches(engine, image, host, port)))
    except EngineError as error:
        status, advice = error.exit_status, error.advice
        checks.append(Check(name=step, outcome="fail", detail=error.message, advice=advice, status=status))
    return checks


def _reached(name: str, answer: bool | None) -> Check:
    from up42_state.doctor import Check

    if answer is None:
        return Check(name=name, outcome="skip", detail="the image has neither python3 nor bash nor nc")
    if answer:
        return Check(name=name, outcome="pass", detail="from inside a container")
    return Check(
        name=name,
        outcome="fail",
        detail="a container cannot open a connection",
        advice="localhost is the container itself there; see docs/workflow-containers.md",
        status=EngineError.exit_status,
    )


def _settings(found: Sequence[Origin]) -> Table:
    rows = [(origin.name, origin.value, origin.source) for origin in found]
    return Table(columns=("setting", "value", "from"), rows=rows)


def _checks(checks: Sequence[Check]) -> Table:
    return Table(
        columns=("check", "result", "found"),
        rows=[(check.name, check.outcome, check.detail) for check in checks],
    )


def _advice(checks: Sequence[Check]) -> Table:
    rows = [(check.name, check.advice) for check in checks if check.advice]
    return Table(columns=("failed", "what to do"), rows=rows)
