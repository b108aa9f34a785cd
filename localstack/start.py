"""Start LocalStack's S3 without docker, in the foreground.

    python3.11 localstack/start.py [--port 4566] [--bucket up42-state] [--data DIR]
    python3.11 localstack/start.py --install-only

Its packages (``requirements.txt`` beside this file) live in ``.cache/localstack-venv`` of the checkout, apart
from everyone else's; they are installed again only when the requirements change. The bucket is made by the
same init hook as in the docker image. Needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache"
ENVIRONMENT = CACHE / "localstack-venv"
REQUIREMENTS = HERE / "requirements.txt"


def main() -> int:
    """Install what is missing, then run the service until it is told to stop; its exit code."""
    options = _options()
    install()
    if options.install_only:
        return 0
    if options.data is not None:
        return _serve(options, Path(options.data).resolve())
    with tempfile.TemporaryDirectory(prefix="localstack-") as data:
        return _serve(options, Path(data))


def install() -> None:
    """Make the environment, unless one with the same requirements is there.

    A lock keeps two test runs from making it at once; the stamp is written last, so a broken installation
    is made again.
    """
    CACHE.mkdir(exist_ok=True)
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    stamp = ENVIRONMENT / "requirements.sha256"
    with (CACHE / "localstack-venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print("Installing LocalStack (once; about a minute) …", file=sys.stderr)
        subprocess.run([_python(), "-m", "venv", "--clear", ENVIRONMENT], check=True)
        pip = [ENVIRONMENT / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
        # Python compiles what is imported: most of it never is.
        subprocess.run(
            [*pip, "install", "--no-compile", "--requirement", REQUIREMENTS], check=True, stdout=sys.stderr
        )
        stamp.write_text(wanted)


def _python() -> str:
    """Python 3.11 where there is one – LocalStack is proven on it – or else the Python that runs this."""
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    return shutil.which("python3.11") or sys.executable


def _serve(options: argparse.Namespace, data: Path) -> int:
    """Run LocalStack with everything it writes below ``data``; signals are passed on to it."""
    hooks = data / "etc" / "localstack" / "init"
    shutil.copytree(HERE / "init", hooks, dirs_exist_ok=True)
    (data / "tmp").mkdir(exist_ok=True)
    _announce(options)
    command = [ENVIRONMENT / "bin" / "python", "-m", "localstack.runtime.main"]
    with subprocess.Popen(command, env=_environment(options, data)) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: server.send_signal(received))
        return server.wait()


def _environment(options: argparse.Namespace, data: Path) -> dict[str, str]:
    return os.environ | {
        "SERVICES": "s3",
        "EAGER_SERVICE_LOADING": "1",
        "GATEWAY_LISTEN": f"127.0.0.1:{options.port}",
        "UP42_STATE_BUCKET": options.bucket,
        # Else it writes to /var/lib/localstack wherever it takes the machine for a container.
        "OVERRIDE_IN_DOCKER": "0",
        "FILESYSTEM_ROOT": str(data),
        "LOCALSTACK_VOLUME_DIR": str(data / "volume"),
        "TMPDIR": str(data / "tmp"),
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
    }


def _announce(options: argparse.Namespace) -> None:
    print(
        "Once it says Ready, use it from another shell with\n"
        f"  export AWS_ENDPOINT_URL_S3=http://127.0.0.1:{options.port}\n"
        "  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1\n"
        f"  export UP42_STATE_URL=s3://{options.bucket}",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--bucket", default=os.environ.get("UP42_STATE_BUCKET", "up42-state"))
    parser.add_argument("--data", help="keep what it stores here; a temporary directory by default")
    parser.add_argument("--install-only", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
