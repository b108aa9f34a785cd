"""``workflow export``: write a workflow as a document of another engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.output import write_text
from up42_state.cli.text import plain
from up42_state.errors import SettingsError
from up42_state.secrets.redaction import without_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.cli.common import Common

__all__ = ["export"]


@click.command()
@click.argument("file")
@click.option("--to", type=click.Choice(["argo", "cwl"]), required=True, help="The engine to write for.")
@click.option(
    "-o", "--output", type=options.FILE, metavar="FILE", help="Where to write it; stdout without it."
)
@click.option("--parameters", metavar="P", help="The job's parameters: a JSON or YAML file, or JSON itself.")
@click.option(
    "--blocks", metavar="FILE", help="What to run for the blocks that the platform's form names by id."
)
@click.option("--image", metavar="IMAGE", help="An image that has up42-state, such as that of docker/.")
@click.option("--job", metavar="JOB", help="Job key of a run that names none.")
@click.option(
    "--secret", metavar="NAME", help="Kubernetes Secret with UP42_STATE_URL and the store's credentials."
)
@click.option("--block-secret", metavar="NAME", help="Kubernetes Secret with the variables that tasks name.")
@click.option("--service-account", metavar="NAME", help="ServiceAccount of the engine's own containers.")
@click.option(
    "--staged", is_flag=True, default=None, help="Tasks have their input from the store, and save there."
)
@options.shared
@click.pass_obj
def export(
    common: Common,
    file: str,
    to: str,
    output: Path | None,
    parameters: str | None,
    blocks: str | None,
    image: str | None,
    job: str | None,
    secret: str | None,
    block_secret: str | None,
    service_account: str | None,
    staged: bool | None,
) -> None:
    """Write the workflow document FILE for another engine.

    The document is checked as `run` checks it, and written whole or not at all. What the other engine cannot
    express is an error with exit code 5 that names it all.
    """
    from up42_state.workflow.document import parameters_of
    from up42_state.workflow.export.formats import Options, check_options, warnings, write
    from up42_state.workflow.export.source import read_source
    from up42_state.workflow.export.writing import write_file

    chosen = Options(
        image=image,
        secret=secret,
        block_secret=block_secret,
        service_account=service_account,
        job=job,
        staged=staged,
    )
    check_options(to, chosen)
    settings = common.handles().settings
    source = read_source(file, parameters=parameters_of(parameters), blocks=blocks, settings=settings)
    text = write(to, source, chosen)
    if without_secrets(text) != text:
        raise SettingsError(
            "a credential of this process, or what looks like one, would stand readable in the document",
            advice="take it out of the workflow and its parameters",
        )
    for warning in (*source.warnings, *warnings(to, source, chosen)):
        common.note(f"warning: {plain(warning)}")
    if output is None:
        write_text(text)
    else:
        write_file(text, output)
