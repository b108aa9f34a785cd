"""The reader of pages: what it takes for a file, a command and output, and what it finds different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from examples.pages import Page, shows

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
Write `notes/a.txt`:

```yaml
a: 1
```

```sh
cat notes/a.txt
echo "done in 3.1 s" >&2
```

```text
a: 1
done in 0.2 s
```

```console
exit 1
```

```python
print("b")
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """A page that begins with a file."""
    (tmp_path / "page.md").write_text(TEXT)
    return Page.read(str(tmp_path / "page.md"))


def test_a_page_is_done_step_by_step(page: Page, tmp_path: Path) -> None:
    """Files are written, commands and programs run in order, twice; what is only shown is left alone."""
    assert [(step.language, step.file) for step in page.steps] == [
        ("yaml", "notes/a.txt"),
        ("sh", ""),
        ("python", ""),
    ]
    printed = page.run(tmp_path, times=2)
    assert printed == ["", "a: 1\ndone in 3.1 s\n", "b\n"] * 2
    page.compare(printed)


def test_another_output_is_a_difference(page: Page) -> None:
    """The failure shows the place, what the page shows, and what was printed."""
    with pytest.raises(pytest.fail.Exception, match=r"page.md:8 shows\n\na: 1\n(.|\n)*printed:\n\na: 2"):
        page.compare(["", "a: 2\ndone in 0.2 s\n", "b\n"])


def test_a_step_that_fails_is_a_failure(tmp_path: Path) -> None:
    """The steps after it do not run, and what it printed is shown."""
    (tmp_path / "page.md").write_text("```sh\necho why; exit 3\n```\n\n```sh\necho on\n```\n")
    with pytest.raises(AssertionError, match=r"a step ended with 3:\nwhy"):
        Page.read(str(tmp_path / "page.md")).run(tmp_path)


@pytest.mark.parametrize(
    ("shown", "printed", "equal"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n…\n", "a\nb\nc\n", True),
        ("…\nc\n", "a\nb\nc\n", True),
        ("a … c\n", "a    anything c\n", True),
        ("a … c\n", "a anything d\n", False),
        ("2026-06-01T08:00:00Z  0.2 s\n", "2026-11-29T03:02:03Z 12 s\n", True),
        ("3 files\n", "4 files\n", False),
    ],
)
def test_what_counts_as_shown(shown: str, printed: str, equal: bool) -> None:
    """All lines count but those that `…` stands for; times and the space between columns do not."""
    assert shows(shown, printed) is equal
