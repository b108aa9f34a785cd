"""``up42-state manifest``: validate, publish the schema, label, check, serve."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from up42_state.manifest import Validation, WorkflowReport

__all__ = ["manifest"]

INVALID = 5  # the exit status of invalid data

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group()
def manifest() -> None:
    """Validate, label and match block manifests."""


@manifest.command()
@click.argument("file", required=False)
@click.option(
    "--image", help="Read the label of an image: a name, an archive, an OCI layout, or what inspect printed."
)
@click.option("--warnings", is_flag=True, help="Add the warnings to the JSON; they go to stderr in any case.")
@json_option
def validate(file: str | None, image: str | None, warnings: bool, as_json: bool) -> None:
    """Validate the manifest FILE (- for standard input), and print every defect."""
    from up42_state.manifest import read_label, validate_text
    from up42_state.manifest.model import read_text
    from up42_state.manifest.syntax import MAX_BYTES

    if (file is None) == (image is None):
        raise click.UsageError("give either FILE or --image")
    if image is not None:
        found = validate_text(read_label(image))
    elif file == "-":
        found = validate_text(sys.stdin.buffer.read(MAX_BYTES + 1))
    else:
        found = validate_text(read_text(str(file)))
    _print_validation(found, image or str(file), with_warnings=warnings, as_json=as_json)


def _print_validation(found: Validation, name: str, *, with_warnings: bool, as_json: bool) -> None:
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(found.to_dict(warnings=with_warnings), ensure_ascii=False, indent=2))
    else:
        for error in found.errors:
            click.echo(str(error))
        click.echo(f"{name}: {'valid' if found.valid else 'not valid'}")
    if not found.valid:
        raise click.exceptions.Exit(INVALID)


@manifest.command()
@click.option(
    "--version", type=click.Choice(["1", "2"]), default="2", show_default=True, help="Specification version."
)
@click.option("--json", is_flag=True, expose_value=False, help="The schema is JSON in any case.")
def schema(version: str) -> None:
    """Print the JSON Schema of manifests, complete in one document."""
    from up42_state.manifest import published

    click.echo(json.dumps(published(int(version)), ensure_ascii=False, indent=2))


@manifest.command()
@click.argument("file")
@json_option
def label(file: str, as_json: bool) -> None:
    """Print the docker build arguments that attach the manifest FILE to an image.

    The Dockerfile needs the lines `ARG manifest` and `LABEL "up42_manifest"=$manifest`.
    """
    from up42_state.manifest import Manifest, build_arguments

    Manifest.read(file)
    arguments = build_arguments(file)
    click.echo(json.dumps({"arguments": arguments}) if as_json else arguments)


@manifest.command()
@click.argument("workflow")
@click.option("--parameters", help="The job's parameters: a JSON or YAML file, or JSON itself.")
@click.option(
    "--manifest", "manifests", multiple=True, help="A manifest for the tasks that name its block; repeatable."
)
@json_option
def check(workflow: str, parameters: str | None, manifests: tuple[str, ...], as_json: bool) -> None:
    """Check that the blocks of the file WORKFLOW fit together, and the parameters the blocks."""
    from up42_state.cli.workflow_files import find_manifests, read_document
    from up42_state.manifest import check_workflow

    document = read_document(workflow)
    library = find_manifests(document, Path(workflow).parent, manifests)
    inline = parameters is not None and parameters.lstrip().startswith("{")
    given = _inline(str(parameters)) if inline else read_document(parameters) if parameters else {}
    _print_report(check_workflow(library, given, workflow=document), as_json=as_json)


def _inline(parameters: str) -> Any:
    try:
        return json.loads(parameters)
    except ValueError as error:
        raise SettingsError(f"--parameters is no JSON: {error}") from error


def _print_report(report: WorkflowReport, *, as_json: bool) -> None:
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        click.echo(_table(report.rows()))
        click.echo("valid" if report.valid else "not valid")
    for error in report.errors:
        click.echo(f"error: {error}", err=True)
    if not report.valid:
        raise click.exceptions.Exit(INVALID)


def _table(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell, so that nothing is cut off in a pipe."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


@manifest.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8042, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
def serve(port: int, host: str) -> None:
    """Answer POST /validate-schema/block as the platform did."""
    try:
        import uvicorn

        from up42_state.manifest.service import PATH, application
    except ImportError as error:
        raise SettingsError(f"{error.name} is missing", advice="pip install 'up42_state[server]'") from error
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    with listener:
        click.echo(f"http://{host}:{listener.getsockname()[1]}{PATH}", err=True)
        server = uvicorn.Server(uvicorn.Config(application(), log_level="warning", access_log=False))
        server.run(sockets=[listener])
