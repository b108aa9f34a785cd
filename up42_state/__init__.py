"""State and propagation for containerised geospatial blocks.

``State("s3://bucket/prefix").job("3f0c").stage("tiling:1")`` is a saved output; ``Block`` is a block's own
view of itself; ``propagate`` merges features of earlier stages into a ``data.json``; ``Manifest`` and
``check_workflow`` know how blocks fit together. Each name is loaded when it is first used, so importing the
package loads no SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from up42_state.block.block import Block
    from up42_state.errors import StateError
    from up42_state.manifest import Manifest, check_workflow
    from up42_state.propagation import Propagation, propagate
    from up42_state.settings.model import Settings
    from up42_state.stage import Stage
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.read.restore import Restored
    from up42_state.stages.write.save import Saved
    from up42_state.state import Job, State

__all__ = [
    "Block",
    "Commit",
    "Job",
    "Manifest",
    "Propagation",
    "Restored",
    "Saved",
    "Settings",
    "Stage",
    "State",
    "StateError",
    "check_workflow",
    "propagate",
]

__version__ = "0.2.0"

_HOMES = {
    "Block": "block.block",
    "Commit": "stages.format.commit",
    "Job": "state",
    "Manifest": "manifest",
    "Propagation": "propagation",
    "Restored": "stages.read.restore",
    "Saved": "stages.write.save",
    "Settings": "settings.model",
    "Stage": "stage",
    "State": "state",
    "StateError": "errors",
    "check_workflow": "manifest",
    "propagate": "propagation",
}


def __getattr__(name: str) -> object:
    """Load a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted([*__all__, "__version__"])
