"""The base image: who runs in it, what it holds, and what it does not."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def shell(buildah, image, script, **options):
    """Run a shell script in place of a block: without the entrypoint, ``exec``."""
    done = buildah.run(image, command=["sh", "-c", script], entrypoint=[], **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_runs_as_a_user_without_privileges(buildah, base_image):
    """A block is not root, and its three directories are its to write."""
    script = (
        "id -u && touch /tmp/input/a /tmp/output/a /tmp/quicklooks/a /block/a && ! touch /opt/block/a 2>&1"
    )
    assert shell(buildah, base_image, script).startswith("1000\n")


def test_kubernetes_can_tell_that_the_user_is_not_root(kube, base_image):
    """``runAsNonRoot`` alone will do: the image's user is a number, which has a name and a home inside."""
    container = {"name": "a", "image": base_image, "command": ["sh", "-c", "id -un; echo $HOME"]}
    spec = {"restartPolicy": "Never", "securityContext": {"runAsNonRoot": True}, "containers": [container]}
    (ended,) = kube.run(spec)
    assert ended.stdout == "block\n/home/block\n"


def test_empty_build_args_count_as_not_set(buildah, base_image):
    """Without build args the variables are there and empty, and no setting comes from them."""
    script = "import os, up42_state as u; print(repr(os.environ['AWS_ACCESS_KEY_ID']), u.Settings())"
    printed = shell(buildah, base_image, f'python -c "{script}"')
    assert printed.startswith("''")
    assert "aws_access_key_id=None" in printed


def test_says_what_is_missing(buildah, base_image):
    """A container started without settings ends as wrong usage does under exec, naming the variable."""
    done = buildah.run(base_image, command=["true"])
    assert done.returncode == 125
    assert "UP42_STATE_" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_build_arg_becomes_the_environment_of_the_block(buildah, base_image, tmp_path):
    """The documented pattern works – and the key can be read in the image, which is why it is shown last."""
    file = tmp_path / "Dockerfile"
    file.write_text(f"FROM {base_image}\nARG aws_access_key_id\nENV AWS_ACCESS_KEY_ID=$aws_access_key_id\n")
    image = buildah.build("localhost/with-key", file, tmp_path, aws_access_key_id="AKIAEXAMPLE")
    assert "AWS_ACCESS_KEY_ID=AKIAEXAMPLE" in buildah.config(image)["config"]["Env"]


def test_a_build_secret_leaves_nothing_in_the_image(buildah, base_image, localstack_url, tmp_path):
    """A secret mount reaches the store while the image is built, and is in none of its layers or records."""
    secret = tmp_path / "secret"
    secret.write_text("test-secret-7d1f0c")
    file = tmp_path / "Dockerfile"
    file.write_text(f"""\
FROM {base_image}
USER root
RUN --mount=type=secret,id=aws_access_key_id --mount=type=secret,id=aws_secret_access_key \\
    AWS_ENDPOINT_URL_S3={localstack_url} UP42_STATE_URL=s3://up42-state up42-state jobs
USER 1000
""")
    options = [f"--secret=id={name},src={secret}" for name in ("aws_access_key_id", "aws_secret_access_key")]
    image = buildah.build("localhost/with-secret", file, tmp_path, ["--no-cache", *options])
    assert buildah.config(image)["history"]
    found = subprocess.run(
        ["grep", "-rl", secret.read_text(), buildah.storage], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (1, ""), "the secret is in the image's layers or records"
