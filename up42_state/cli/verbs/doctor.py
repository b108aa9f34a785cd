"""``doctor``: check the settings and the live store before a job relies on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.output import Table, print_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.doctor import Check, Origin

__all__ = ["doctor"]


@click.command()
@options.shared
@click.pass_obj
def doctor(common: Common) -> int:
    """Check the settings and the store.

    Says where each setting came from, never a secret's value, and does to the live store what saving and
    restoring do. Leaves nothing behind. The exit code is that of the first failure.
    """
    from up42_state.doctor import check_store, origins

    handles = common.handles()
    found = origins(handles.settings)
    store = handles.state.store
    checks = check_store(store.bucket, single_writer=store.single_writer)
    value = {
        "url": store.bucket.url,
        "ok": not any(check.status for check in checks),
        "settings": [origin.to_dict() for origin in found],
        "checks": [check.to_dict() for check in checks],
    }
    print_result(common, value, _settings(found), _checks(checks), _advice(checks))
    return next((check.status for check in checks if check.status), 0)


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
