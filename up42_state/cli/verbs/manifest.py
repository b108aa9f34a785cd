"""``manifest``: validate, publish the schema, label, check, serve."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import options
from up42_state.cli.output import Table, print_result, write_text
from up42_state.cli.text import plain
from up42_state.errors import InvalidManifestError, InvalidWorkflowError, SettingsError, StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.manifest import Validation

__all__ = ["manifest"]


@click.group()
@options.shared
def manifest() -> None:
    """Validate, label and match block manifests."""


@manifest.command()
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option(
    "--image",
    metavar="IMAGE",
    help="Read an image's label: its name, an OCI layout, or a file with what docker inspect printed.",
)
@click.option("--warnings", is_flag=True, help="Add the warnings to the JSON.")
@options.shared
@click.pass_obj
def validate(common: Common, files: tuple[str, ...], image: str | None, warnings: bool) -> None:
    """Validate the manifest FILE (- for standard input), or several.

    Prints every defect of every file; the exit code is 5 if there is one.
    """
    if bool(files) == (image is not None):
        raise click.UsageError("give either FILE or --image")
    if files.count("-") > 1:
        raise click.UsageError("standard input (-) can be read once")
    if len(files) > 1:
        _validate_several(common, files, warnings=warnings)
        return
    found = _validate(files[0] if files else None, image)
    for warning in found.warnings:
        common.note(f"warning: {plain(warning)}")
    name = str(image or files[0])
    rows = [*([str(error)] for error in found.errors), [_verdict(name, found)]]
    print_result(common, found.to_dict(warnings=warnings), Table(rows=rows))
    if not found.valid:
        raise InvalidManifestError(f"the manifest {name} is not valid")


def _validate_several(common: Common, files: Sequence[str], *, warnings: bool) -> None:
    """Validate files one after the other; one that is not valid, or cannot be read, hides no other.

    :raises InvalidManifestError: some are not valid.
    :raises StateError: all that can be read are valid, and some cannot; that of the first is raised.
    """
    value: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    unread: list[StateError] = []
    invalid = 0
    for name in files:
        try:
            found = _validate(name, None)
        except StateError as error:
            unread.append(error)
            value.append({"file": name, "error": error.message, "data": None})
            rows.append([f"{name}: not read: {error.message}"])
            continue
        invalid += not found.valid
        for warning in found.warnings:
            common.note(f"warning: {plain(name)}: {plain(warning)}")
        value.append({"file": name, **found.to_dict(warnings=warnings)})
        rows += [[f"{name}: {error}"] for error in found.errors]
        rows.append([_verdict(name, found)])
    print_result(common, value, Table(rows=rows))
    if invalid:
        raise InvalidManifestError(f"{invalid} of {len(files)} manifests are not valid")
    if unread:
        raise unread[0]


def _validate(file: str | None, image: str | None) -> Validation:
    from up42_state.manifest import read_label, validate_text
    from up42_state.manifest.model import read_text
    from up42_state.manifest.syntax import MAX_BYTES

    if image is not None:
        return validate_text(read_label(image))
    return validate_text(sys.stdin.buffer.read(MAX_BYTES + 1) if file == "-" else read_text(str(file)))


def _verdict(name: str, found: Validation) -> str:
    return f"{name}: {'valid' if found.valid else 'not valid'}"


@manifest.command()
@click.option(
    "--version", type=click.Choice(["1", "2"]), default="2", show_default=True, help="Specification version."
)
@options.shared
def schema(version: str) -> None:
    """Print the JSON Schema of manifests, complete in one document."""
    from up42_state.manifest import published

    write_text(json.dumps(published(int(version)), indent=2) + "\n")


@manifest.command()
@click.argument("file")
@options.shared
@click.pass_obj
def label(common: Common, file: str) -> None:
    """Print the docker build arguments that attach the manifest FILE to an image.

    The Dockerfile needs the lines ARG manifest and LABEL "up42_manifest"=$manifest.
    """
    from up42_state.manifest import Manifest, build_arguments

    Manifest.read(file)
    arguments = build_arguments(file)
    write_text((json.dumps({"arguments": arguments}) if common.json else arguments) + "\n")


@manifest.command()
@click.argument("workflow")
@click.option("--parameters", metavar="P", help="The job's parameters: a JSON or YAML file, or JSON itself.")
@click.option(
    "--manifest", "files", metavar="FILE", multiple=True, help="Manifest of tasks that have its name; repeat."
)
@options.shared
@click.pass_obj
def check(common: Common, workflow: str, parameters: str | None, files: tuple[str, ...]) -> None:
    """Check that the blocks of the file WORKFLOW fit together, and the job's parameters the blocks.

    Prints what every task is offered and what it needs; the exit code is 5 if they do not match.
    """
    from up42_state.manifest import check_workflow
    from up42_state.workflow.document import find_manifests, parameters_of, read_value

    document = read_value(workflow)
    library = find_manifests(document, Path(workflow).parent, files)
    report = check_workflow(library, parameters_of(parameters), workflow=document)
    for warning in report.warnings:
        common.note(f"warning: {plain(warning)}")
    head, *rows = report.rows()
    print_result(common, report.to_dict(), Table(columns=head, rows=rows))
    if not report.valid:
        raise InvalidWorkflowError(f"the workflow {workflow} is not valid", defects=report.errors)


@manifest.command()
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=8042,
    show_default=True,
    help="The port to listen on; 0: any free port.",
)
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="The address to listen on."
)
@options.shared
@click.pass_obj
def serve(common: Common, port: int, host: str) -> None:
    """Answer POST /validate-schema/block as the platform did."""
    try:
        from up42_state.manifest.server.service import PATH
        from up42_state.manifest.server.serving import server
    except ImportError as error:
        from up42_state.machine.extras import install_command

        raise SettingsError(f"{error.name} is not installed", advice=install_command("server")) from error
    if not host:
        raise click.UsageError("--host is empty; write 0.0.0.0 to listen on every address")
    is_ipv6 = ":" in host
    name = f"[{host}]" if is_ipv6 else host
    # The port is taken here, and not by the server, which would end the process with an error of its own.
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if is_ipv6 else socket.AF_INET)
    except OSError as error:
        raise SettingsError(f"cannot listen on {name}:{port}: {error.strerror}") from error
    with listener:
        common.note(f"http://{name}:{listener.getsockname()[1]}{PATH}")
        server().run(sockets=[listener])
