"""``docs/troubleshooting.md``: every error has a row, and the errors that are shown are printed so."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from examples.container import ROOT
from examples.pages import Page
from servers import rclone

from up42_state import errors
from up42_state.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = Page.read("docs/troubleshooting.md")
TEXT = PAGE.path.read_text(encoding="utf-8")
# No credentials of this machine, and no question to a cloud's metadata service.
NOBODY = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def test_every_error_has_a_row_with_its_code_and_exit_code() -> None:
    """The table has the classes of the tree, in the order of their definition, and no other."""
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+) \| `(\w+)` \|", TEXT, re.MULTILINE)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    wanted = [kind for kind in kinds if issubclass(kind, errors.StateError)]
    assert rows == [(kind.code, str(kind.exit_status), kind.__name__) for kind in wanted]


def test_the_errors_that_are_shown_are_printed(tmp_path: Path, localstack_url: str) -> None:
    """Each command fails as the page shows it, on a directory, LocalStack and a store that is less."""
    (tmp_path / "served" / "results").mkdir(parents=True)
    (tmp_path / "store").mkdir()
    with contextmanager(rclone.serve)(tmp_path / "served", tmp_path / "log") as rclone_url:
        servers = {"http://127.0.0.1:4566": localstack_url, "http://127.0.0.1:8080": rclone_url}
        PAGE.compare(PAGE.run(tmp_path / "store", NOBODY, servers=servers))


@contextmanager
def refusing(status: int, code: str, message: str) -> Iterator[str]:
    """Serve a store that refuses every request, in Amazon's words; yield its endpoint."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code"), [(400, "AuthorizationHeaderMalformed"), (403, "RequestTimeTooSkewed")]
)
def test_what_a_store_refuses_is_printed_as_shown(
    status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong region and a wrong clock are told as the page shows them."""
    (shown,) = [text for text in re.findall(r"^```console\n\$ (.*?)^```$", TEXT, re.M | re.S) if code in text]
    command, _, printed = shown.partition("\n")
    (message,) = re.findall(rf"runs/: (.*) \({code}\)", printed)
    for name, value in {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}.items():
        monkeypatch.setenv(name, value)
    with refusing(status, code, message) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        done = CliRunner().invoke(root, command.split()[1:])
    assert (done.exit_code, done.stderr) == (7, printed)


def test_the_codes_of_the_command_line_are_explained() -> None:
    """The second table has the codes that cli/errors gives to what is no error of the tree."""
    source = (ROOT / "up42_state" / "cli" / "errors.py").read_text(encoding="utf-8")
    own = re.findall(r"^\| `(\w+)` \| [\d, ]+ \| [^`]", TEXT, re.MULTILINE)
    assert set(own) == set(re.findall(r'code="(\w+)"', source))
