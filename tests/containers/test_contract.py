"""What a block finds in its container, and what it leaves on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from containers.lab import IMAGE, LABELS, OTHERS_IMAGE, command_lines, text

from up42_state.errors import EngineError, PathNotFoundError, SettingsError
from up42_state.workflow.blocks.containers.inside import reaches
from up42_state.workflow.model import Resources

if TYPE_CHECKING:
    from pathlib import Path

    from containers.lab import Lab

    from up42_state.workflow.blocks.work import Ending


def test_a_block_of_others_twice_side_by_side(lab: Lab) -> None:
    """An image that knows only the contract's paths runs unmodified; two at once do not meet."""
    works = [lab.work(task=f"sharpening:{number}") for number in (1, 2)]
    for number, work in enumerate(works):
        (work.input / "data.json").write_text(f'{{"before": {number}}}')
        (work.input / "image.txt").write_text(f"image {number}")
    endings: dict[int, Ending] = {}
    block = lab.block()
    threads = [
        threading.Thread(target=lambda at=at, work=work: endings.update({at: block.run(work)}))
        for at, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(endings[at].is_done for at in (0, 1))
    for number, work in enumerate(works):
        assert json.loads((work.output / "data.json").read_text()) == {"after": number}
        assert (work.output / "image.txt").read_text() == f"image {number}"


def test_the_input_is_read_only(lab: Lab) -> None:
    """A block cannot change its input, and can write output, quicklooks and its home."""
    ending, work = lab.run(
        "touch /tmp/output/a /tmp/quicklooks/b $HOME/c $TMPDIR/d; touch /tmp/input/e || exit 9"
    )
    assert ending.exit_code == 9
    assert "Read-only" in text(work)
    assert [path.name for path in (work.output, work.quicklooks) for path in path.iterdir()] == ["a", "b"]
    assert [path.name for path in work.input.iterdir()] == ["data.json"]


def test_a_missing_directory_is_our_error(lab: Lab) -> None:
    """A directory that is not there is named, and neither made nor left to the engine."""
    work = lab.work()
    work.quicklooks.rmdir()
    with pytest.raises(PathNotFoundError, match="quicklooks"):
        lab.run("true", work)
    assert not work.quicklooks.exists()


def test_the_image_runs_by_its_digest(lab: Lab) -> None:
    """When a tag leads elsewhere in the middle of a run, the run goes on with its first image."""
    tag = "localhost/moving:1"
    lab.engine.call("tag", IMAGE, tag)
    block = lab.block("cat /etc/passwd >/dev/null; id -u", image=tag, user="image")
    lab.engine.call("tag", OTHERS_IMAGE, tag)
    work = lab.work()
    assert block.run(work).is_done
    assert text(work) == "0\n"
    assert block.code == f"image {lab.block().image.id}"


def test_the_code_is_the_digest(lab: Lab) -> None:
    """What identifies an image's code is its digest, whole, and another image's is another one."""
    code, others = lab.block().code, lab.block(image=OTHERS_IMAGE).code
    assert code.startswith("image sha256:")
    assert len(code) == len("image sha256:") + 64
    assert code != others


def test_labels_and_user_of_the_image(lab: Lab) -> None:
    """The labels of an image, which may hold its manifest, are read without running it."""
    image = lab.engine.find_image(OTHERS_IMAGE)
    assert image is not None
    assert LABELS.items() <= image.labels.items()
    assert image.user == "1234"


def test_an_image_that_is_not_there(lab: Lab) -> None:
    """An image that is neither here nor can be pulled is an error that names it, and says what to do."""
    name = "localhost:9/nobody/has-this:1"
    assert lab.engine.find_image(name) is None
    with pytest.raises(EngineError, match=r"(?s)nobody/has-this:1 is not here and cannot be pulled.*log in"):
        lab.block(image=name)


def test_the_callers_user(lab: Lab) -> None:
    """An image with a user of its own runs as the caller, whose the files are, with a home to write to."""
    work = lab.work()
    block = lab.block("id -u; touch /tmp/output/a; cd && touch here", image=OTHERS_IMAGE)
    assert block.run(work).is_done
    assert text(work).strip() == str(os.geteuid())
    assert (work.output / "a").stat().st_uid == os.geteuid()
    assert (work.scratch / "here").exists()


def test_the_images_own_user(lab: Lab) -> None:
    """An image that needs its own user gets it, and may write to all that is the block's."""
    work = lab.work()
    script = "id -u; umask 077; echo x > /tmp/output/a; mkdir /tmp/quicklooks/b; touch $TMPDIR/c"
    assert lab.block(script, image=OTHERS_IMAGE, user="image").run(work).is_done
    assert text(work).strip() == "1234"
    assert (work.output / "a").read_text() == "x\n"


def test_variables_arrive_as_they_are(lab: Lab) -> None:
    """A value of several lines, in quotes, with spaces, or of 100 KB arrives byte for byte."""
    values = {
        "UP42_TASK_PARAMETERS": json.dumps({"text": 'a "b" $c #d'}, indent=2) + "\n ",
        "LONG": "x" * 100_000,
        "EMPTY": "",
        "EQUAL": "=a=b=",
        "HASH": "# no comment",
        "UMLAUT": "übergröße",
    }
    script = "for name in $NAMES; do eval 'printf %s \"$'$name'\"' > /tmp/output/$name; done"
    ending, work = lab.run(script, environment={**values, "NAMES": " ".join(values)})
    assert ending.is_done, text(work)
    assert {name: (work.output / name).read_text() for name in values} == values


def test_names_that_the_client_would_follow(lab: Lab) -> None:
    """A block's own PATH, HOME or DOCKER_HOST reaches the block, and leads no client of ours astray."""
    values = {"PATH": "/bin:/nowhere", "DOCKER_HOST": "tcp://nowhere:1", "HOME": "/tmp/output", "TZ": "CET"}
    values |= {"CONTAINERS_CONF": "/nowhere", "CONTAINER_HOST": "unix:///nowhere"}
    ending, work = lab.run('echo "$PATH $DOCKER_HOST $HOME $TZ $CONTAINERS_CONF"', secrets=values)
    assert ending.is_done
    assert text(work) == "/bin:/nowhere tcp://nowhere:1 /tmp/output CET /nowhere\n"
    assert [path.name for path in work.scratch.iterdir()] == ["tmp"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"A*": "x"}, r"variable 'A\*'"),
        ({"PATH": "a\nb"}, "PATH with a value of several lines"),
        ({"LONG": "x" * 131_072}, "LONG has more than 128 KiB"),
    ],
)
def test_variables_that_cannot_be_given(lab: Lab, values: dict[str, str], problem: str) -> None:
    """What docker or podman would misread, or the kernel refuses, is an error that names the variable."""
    with pytest.raises(SettingsError, match=problem):
        lab.run("true", environment=values)


@pytest.mark.parametrize("user", ["caller", "image"])
def test_parameters_in_a_file(lab: Lab, user: str) -> None:
    """Parameters too long for a variable lie in a file that the block can read, by its path there."""
    work = lab.work()
    file = work.scratch / "parameters.json"
    file.write_text("long")
    file.chmod(0o600)
    given = replace(work, environment={"UP42_TASK_PARAMETERS_FILE": str(file)})
    block = lab.block('cat "$UP42_TASK_PARAMETERS_FILE"', image=OTHERS_IMAGE, user=user)
    assert block.run(given).is_done
    assert text(work) == "long"


def test_secrets_are_nowhere(lab: Lab) -> None:
    """The block gets its secrets; no command line, no log and no file holds them while it runs or after."""
    secret = "planted-4711"
    seen: list[str] = []
    work = lab.work(secrets={"TOKEN": secret, "HTTPS_PROXY": f"http://user:{secret}@proxy.example:1"})
    script = 'printf "%s" "$TOKEN $HTTPS_PROXY" | md5sum > /tmp/output/sum; sleep 1'
    thread = threading.Thread(target=lambda: seen.append(lab.block(script).run(work).text))
    thread.start()
    lines = ""
    while thread.is_alive():
        lines += command_lines()
    assert seen == ["done"], text(work)
    assert "up42-state.task=tiling:1" in lines  # of the client, while it ran
    arrived = f"{secret} http://user:{secret}@proxy.example:1"
    assert (work.output / "sum").read_text().split()[0] == hashlib.md5(arrived.encode()).hexdigest()
    assert secret not in lines
    assert secret not in text(work)
    found = subprocess.run(["grep", "-r", secret, work.scratch.parent], capture_output=True, check=False)
    assert found.stdout == b""


def test_proxies_are_passed_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxies of this process are the block's as well."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "internal.example")
    ending, work = lab.run('echo "$HTTPS_PROXY $no_proxy"')
    assert ending.is_done
    assert text(work) == "http://proxy.example:3128 internal.example\n"


def test_localhost_is_warned_of(lab: Lab) -> None:
    """An endpoint on localhost is named in the log, with the name under which docker knows this machine."""
    work = lab.work(environment={"AWS_ENDPOINT_URL": "http://localhost:4566", "OTHER": "localhost-free"})
    if lab.engine.kind == "docker":
        block = lab.block("cat /etc/hosts; ping -c 1 -W 1 127.0.0.1 >/dev/null; exit 0", network="none")
    else:
        block = lab.block("cat /etc/hosts", network="none")
    assert block.run(work).is_done
    here = {"docker": "host.docker.internal", "podman": "host.containers.internal"}[lab.engine.kind]
    assert f"AWS_ENDPOINT_URL: localhost is the container itself there; this machine is {here}" in text(work)
    assert "OTHER" not in text(work)


def test_the_network_from_inside(lab: Lab) -> None:
    """From inside a container it is seen which addresses a block can reach."""
    image = lab.block().image
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        assert reaches(lab.engine, image, "127.0.0.1", port, network="host") is True
        assert reaches(lab.engine, image, "127.0.0.1", port, network="none") is False
    assert reaches(lab.engine, image, "127.0.0.1", port, network="host") is False


def test_time_zone_and_limits(lab: Lab) -> None:
    """The time zone is UTC, and the engine holds the container to its processors and its memory."""
    work = lab.work(resources=Resources(cpus=0.5, memory=64 << 20))
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(lab.block("date +%Z; sleep 1").run(work).text))
    thread.start()
    while not (running := lab.running()) and thread.is_alive():
        pass
    limits = lab.engine.ask("container", "inspect", *running)[0]["HostConfig"]
    thread.join()
    assert found == ["done"]
    assert text(work) == "UTC\n"
    assert limits["NanoCpus"] == 500_000_000
    assert limits["Memory"] == limits["MemorySwap"] == 64 << 20


def test_quicklooks_of_an_attempt(lab: Lab, tmp_path: Path) -> None:
    """A command in place of the image's own is taken word by word, spaces and all."""
    work = lab.work()
    block = lab.block("printf '%s|' \"$0\" 'a  b' > /tmp/quicklooks/q")
    assert block.run(work).is_done
    assert (work.quicklooks / "q").read_text() == "sh|a  b|"
