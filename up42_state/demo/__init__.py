"""A demonstration: a job of four blocks that makes its own small scenes and needs nothing but a directory."""

from __future__ import annotations

from up42_state.demo.job import Demo, run_demo

__all__ = ["Demo", "run_demo"]
