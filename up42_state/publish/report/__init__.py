"""Show a job to others: one HTML file with a map, the lineage of its stages, and its runs."""

from __future__ import annotations

from up42_state.publish.report.write import Report, write_report

__all__ = ["Report", "write_report"]
