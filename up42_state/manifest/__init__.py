"""Block manifests: their model, schema and validation, and how the capabilities of blocks match.

Only :meth:`Manifest.read` and :func:`read_label` read anything; the rest are pure functions.
"""

from up42_state.manifest.capabilities import Key, KeyCheck, Verdict
from up42_state.manifest.inherit import inherited_keys
from up42_state.manifest.label import build_arguments, read_label
from up42_state.manifest.matching.report import Edge, WorkflowReport
from up42_state.manifest.matching.workflow import check_workflow
from up42_state.manifest.model import Machine, Manifest, OptionalFeatures, Parameter
from up42_state.manifest.schema import published
from up42_state.manifest.validation import Validation, validate, validate_text

__all__ = [
    "Edge",
    "Key",
    "KeyCheck",
    "Machine",
    "Manifest",
    "OptionalFeatures",
    "Parameter",
    "Validation",
    "Verdict",
    "WorkflowReport",
    "build_arguments",
    "check_workflow",
    "inherited_keys",
    "published",
    "read_label",
    "validate",
    "validate_text",
]
