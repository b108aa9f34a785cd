"""The documented variables."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["documented_environment"]


def documented_environment(**known: Any) -> dict[str, str]:
    """Return the documented variables."""
    return {"UP42_TASK_PARAMETERS": json.dumps(dict(known["parameters"])), "UP42_JOB_MODE": known["job_mode"]}
