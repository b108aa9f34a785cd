"""How Sphinx makes the site of these pages: ``make docs``. Nothing of it is fetched from elsewhere."""

from __future__ import annotations

import ast
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from pygments.lexers.shell import BashSessionLexer
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

import up42_state

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).parent

project = "up42-state"
author = "The up42_state authors"
copyright = author  # noqa: A001 - Sphinx's name
version = release = up42_state.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
html_theme = "furo"
html_title = f"up42-state {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # it is fetched, and from disk nothing can be
html_static_path = ["_static"]
html_css_files = ["site.css"]
highlight_language = "text"
myst_enable_extensions = ["attrs_inline", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # JSON with "…" in it
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"  # what a program prints is no command
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 88

# The documents of Python and of others are not at hand, so types of theirs are no links. Sphinx cuts types
# with "..." in them where it should not.
nitpick_ignore_regex = [
    (
        "py:.*",
        r"(collections|concurrent|pathlib|typing|os|io|mmap|datetime|geojson|msgspec|pydantic\w*|_?pytest)\..*",
    ),
    ("py:class", r"(tuple|dict|list)\[.*|Path|PathLike"),
]
# What is no business of callers, though the type of an argument or member that is.
nitpick_ignore = [
    ("py:class", f"up42_state.{name}")
    for name in (
        "block.workspace.Workspace",
        "reading.ReadableStage",
        "stages.propagate.options.EarlierHistories",
        "stages.revision.Contents",
        "stages.format.records.PackOrFile",
        "stages.store.Store",
        "stages.write.standing.Standing",
        "stages.write.writers.Writer",
        "workflow.attempt.Attempt",
        "workflow.blocks.opening.Blocks",
        "workflow.blocks.work.Ending",
        "workflow.executors.jobs.T",
        "workflow.runs.RunWriter",
    )
]


def give_types_their_names() -> None:
    """Carry out what modules import for type checkers alone, so that types in signatures are links."""
    for page in DOCS.glob("reference/*.md"):
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith(".. automodule:: "):
                module = import_module(line.split()[-1])
                for name in getattr(module, "__all__", ()):
                    getattr(module, name)
    done: set[str] = set()
    while names := {name for name in sys.modules if name.split(".")[0] == "up42_state"} - done:
        before = len(done)
        done |= {name for name in sorted(names) if _imports_for_types(name)}
        if len(done) == before:
            raise ImportError(f"what {', '.join(sorted(names))} import for type checkers is not there")


def _imports_for_types(name: str) -> bool:
    """Carry out a module's imports for type checkers, if what they need is there already."""
    module = sys.modules[name]
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    blocks = [
        node.body
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    try:
        for body in blocks:
            exec(compile(ast.Module(body, []), name, "exec"), vars(module))  # noqa: S102
    except ImportError:  # of a name that the other module imports for type checkers alone
        return False
    return True


class Links(SphinxTransform):
    """What is a link for readers of the repository is one in the site, or fails.

    A link to a file beyond ``docs/`` becomes one to a copy of it. A page in backticks, as docstrings name it,
    becomes a link to that page.
    """

    default_priority = 5

    def apply(self, **_: object) -> None:
        """Change the references of one page."""
        for literal in list(self.document.findall(nodes.literal)):
            named = re.fullmatch(r"docs/([\w./-]+)\.md", literal.astext())
            if named and not isinstance(literal.parent, (nodes.reference, addnodes.pending_xref)):
                page = addnodes.pending_xref(
                    "", refdomain="std", reftype="doc", reftarget=f"/{named[1]}", refexplicit=True
                )
                page["refwarn"], page["refdoc"] = True, self.env.docname
                literal.replace_self(page)
                page += literal
        for reference in list(self.document.findall(addnodes.pending_xref)):
            if reference.get("reftype") == "myst" and reference.get("refdomain") == "doc":
                path = (DOCS / f"{reference['reftarget']}.md").resolve()
                if not path.is_relative_to(DOCS) and path.is_file():
                    file = addnodes.download_reference("", reftarget=f"/{os.path.relpath(path, DOCS)}")
                    file["refdoc"] = self.env.docname
                    file += reference.children
                    reference.replace_self(file)


def mend_defaults(*described: object) -> tuple[object, object]:
    """Write a default that is made each time as in Python; else Sphinx cuts the signature at all commas."""
    *_, signature, returned = described
    return signature and str(signature).replace("<factory>", "..."), returned


def setup(app: Sphinx) -> None:
    """Prepare what Sphinx does not know by itself."""
    app.connect("autodoc-process-signature", mend_defaults)
    app.add_transform(Links)
    app.add_lexer("console-error", BashSessionLexer)
    give_types_their_names()
