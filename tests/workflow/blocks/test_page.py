"""What ``docs/workflow-blocks.md`` shows is true."""

from __future__ import annotations

import re
from pathlib import Path

from workflow.blocks.cases import work

from up42_state.workflow.blocks.function import FunctionBlock
from up42_state.workflow.model import BlockReference

PAGE = (Path(__file__).parents[3] / "docs" / "workflow-blocks.md").read_text(encoding="utf-8")


def test_the_function_of_the_page_runs(tmp_path: Path) -> None:
    """The function that is shown chooses features and writes files."""
    (shown,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "blocks.py").write_text(shown)
    content = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": name, "geometry": None, "properties": {"mean": mean}}
            for name, mean in (("a", 0.3), ("b", 0.7))
        ],
    }
    block = FunctionBlock(BlockReference(kind="python", folder=tmp_path, function="blocks:bright"))
    attempt = work(tmp_path, content=content)
    assert block.run(attempt).is_done
    block.close()
    assert sorted(path.name for path in attempt.output.iterdir()) == ["b.txt", "data.json"]


def test_links_lead_somewhere() -> None:
    """No link of the page leads nowhere."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE)
    assert links
    assert [link for link in links if not (Path(__file__).parents[3] / "docs" / link).exists()] == []
