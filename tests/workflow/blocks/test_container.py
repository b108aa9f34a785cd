"""What docker and podman are asked for, and what becomes of their answers, with a stand-in for both.

``tests/containers`` runs containers with the real ones.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from up42_state.cli.root import root
from up42_state.errors import EngineError, PathNotFoundError
from up42_state.workflow.blocks.containers import attempt, engine, ownership
from up42_state.workflow.blocks.containers.arguments import Mount
from up42_state.workflow.blocks.containers.block import ImageBlock
from up42_state.workflow.blocks.containers.engine import find_engine
from up42_state.workflow.blocks.containers.memory import MemoryGroup
from up42_state.workflow.blocks.containers.orphans import RUNNER_LABEL, runner_label, sweep
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.blocks.work import Work
from up42_state.workflow.model import BlockReference, Resources

DIGEST = "ab" * 32
CONTAINER = "cd" * 32
STATE = {
    "Status": "exited",
    "Running": False,
    "Pid": 0,
    "ExitCode": 0,
    "OOMKilled": False,
    "Error": "",
    "StartedAt": "2026-01-01T10:00:00Z",
}
IMAGE = [{"Id": f"sha256:{DIGEST}", "RepoDigests": ["block@sha256:1"], "Config": {"Labels": {"a": "b"}}}]
DOCKER: dict[str, Any] = {"ServerVersion": "28.0.1", "NCPU": 8, "SecurityOptions": ["name=seccomp,profile=x"]}


def podman_info(*, rootless: bool = False, selinux: bool = False) -> dict[str, Any]:
    security = {"rootless": rootless, "selinuxEnabled": selinux}
    return {"host": {"security": security, "cpus": 8}, "version": {"Version": "5.4.0"}}


class Program:
    """A stand-in, on the path under an engine's name."""

    def __init__(self, folder: Path, name: str, info: dict[str, Any]) -> None:
        self.folder = folder
        for made in (folder, folder / "calls", folder / "answers"):
            made.mkdir(exist_ok=True)
        shutil.copy(Path(__file__).parent / "stand_in.sh", folder / name)
        kind = "podman version 5.4.0" if "host" in info else "Docker version 28.0.1, build 1"
        self.answer("--version", out=kind)
        self.answer("info", out=json.dumps(info))
        self.answer("image inspect", out=json.dumps(IMAGE))
        self.answer("create", out=CONTAINER, err="a warning")
        self.state()
        self.answer("start", out="printed by the block\n")

    def answer(self, verb: str, *, out: str = "", err: str = "", code: int = 0, hang: bool = False) -> None:
        """Answer so from now on."""
        for kind, text in (("", out), (".err", err), (".exit", str(code))):
            (self.folder / "answers" / f"{verb}{kind}").write_text(text)
        if hang:
            (self.folder / "answers" / f"{verb}.hang").touch()

    def state(self, **values: Any) -> None:
        self.answer("container inspect", out=json.dumps([{"State": STATE | values}]))

    def calls(self, verb: str = "") -> list[Call]:
        """What was asked, in order, of a verb alone."""
        folders = sorted((self.folder / "calls").iterdir(), key=lambda folder: int(folder.name))
        calls = [Call(folder) for folder in folders]
        return [call for call in calls if call.arguments[0].startswith(verb)]

    def create(self) -> list[str]:
        """The arguments of the one container that was made."""
        [call] = self.calls("create")
        return call.arguments


class Call:
    """One command that a stand-in was asked."""

    def __init__(self, folder: Path) -> None:
        self.arguments = (folder / "arguments").read_text().split("\0")[:-1]
        variables = (folder / "environment").read_text().split("\0")[:-1]
        self.environment = dict(variable.split("=", 1) for variable in variables)
        self.file = folder / "file"


@pytest.fixture(autouse=True)
def empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is installed but what a test puts there, and no proxies are set."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return folder


@pytest.fixture
def docker(empty_path: Path) -> Program:
    return Program(empty_path, "docker", DOCKER)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    directories = {name: tmp_path / name for name in ("input", "output", "quicklooks", "scratch")}
    for directory in directories.values():
        directory.mkdir()
    return Work(job="my job", task="tiling:1", attempt=2, log=Log(), **directories)


def changed(work: Work, **options: Any) -> Work:
    values = {name: getattr(work, name) for name in work.__slots__}
    return Work(**values | options)


def image_block(wanted: str = "", *, network: str = "", **options: Any) -> ImageBlock:
    reference = BlockReference(kind="image", image="block:1", **options)
    return ImageBlock(find_engine(wanted), reference, network=network)


def values_of(arguments: list[str], option: str) -> list[str]:
    return [arguments[at + 1] for at, word in enumerate(arguments[:-1]) if word == option]


def test_the_whole_command_line(docker: Program, work: Work) -> None:
    """A container gets its name, labels, user, mounts and limits, and the image by its digest."""
    given = changed(work, resources=Resources(cpus=1.5, memory=512 << 20, gpus=2))
    assert image_block(command=("a b", "--c")).run(given).is_done
    [name] = values_of(docker.create(), "--name")
    assert name.startswith("up42-state-my-job-tiling-1-2-")
    caller = f"{os.geteuid()}:{os.getegid()}"
    expected = ["create", "--name", name, "--init", "--log-driver", "none"]
    labels = ("job=my job", "task=tiling:1", "attempt=2", f"runner={runner_label()}")
    expected += [word for label in labels for word in ("--label", f"up42-state.{label}")]
    expected += ["--user", caller]
    for source, target in (
        (f"{work.input}", "/tmp/input,readonly"),
        (f"{work.output}", "/tmp/output"),
        (f"{work.quicklooks}", "/tmp/quicklooks"),
        (f"{work.scratch}", "/tmp/home"),
    ):
        expected += ["--mount", f"type=bind,source={source},target={target}"]
    expected += ["--cpus", "1.5", "--memory", f"{512 << 20}b", "--memory-swap", f"{512 << 20}b"]
    expected += ["--gpus", "2", "--env-file", "variables", f"sha256:{DIGEST}", "a b", "--c"]
    assert docker.create() == expected


@pytest.mark.parametrize("name", ["input", "output", "quicklooks", "scratch"])
def test_a_directory_that_is_not_there(docker: Program, work: Work, name: str) -> None:
    """A missing directory is our error, and names it; the engine is not asked to make a container."""
    getattr(work, name).rmdir()
    with pytest.raises(PathNotFoundError, match=rf"there is no directory .*/{name}, which"):
        image_block().run(work)
    assert not docker.calls("create")


def test_proxies_are_passed_on(docker: Program, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxies of this process are the block's, as they are written; the block's own come first."""
    monkeypatch.setenv("https_proxy", "http://user:s3cret@proxy.example:1")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    image_block().run(changed(work, environment={"NO_PROXY": "other.example"}))
    [call] = docker.calls("create")
    assert "https_proxy=http://user:s3cret@proxy.example:1" in call.file.read_text().splitlines()
    assert "NO_PROXY=other.example" in call.file.read_text().splitlines()
    assert not any("s3cret" in word for word in call.arguments)


def test_no_two_names_are_equal(docker: Program, work: Work) -> None:
    """Two attempts with the same job, task and number have containers with different names."""
    block = image_block()
    block.run(work)
    block.run(work)
    names = [values_of(call.arguments, "--name")[0] for call in docker.calls("create")]
    assert len(set(names)) == 2


def test_variables_are_on_no_command_line(docker: Program, work: Work) -> None:
    """Values reach the client by its environment, or by a file that only we may read, gone afterwards."""
    given = changed(
        work, environment={"UP42_TASK_PARAMETERS": '{\n"a": 1}'}, secrets={"KEY": "s3cret", "PATH": "/s3cret"}
    )
    image_block().run(given)
    [call] = docker.calls("create")
    assert not any("s3cret" in word or '"a"' in word for word in call.arguments)
    assert values_of(call.arguments, "--env") == ["UP42_TASK_PARAMETERS", "KEY"]
    assert call.environment["UP42_TASK_PARAMETERS"] == '{\n"a": 1}'
    assert call.environment["KEY"] == "s3cret"
    assert call.environment["PATH"] != "/s3cret"
    assert call.file.stat().st_mode & 0o777 == 0o600
    assert sorted(call.file.read_text().splitlines()) == [
        "HOME=/tmp/home",
        "PATH=/s3cret",
        "TMPDIR=/tmp/home/tmp",
        "TZ=UTC",
    ]
    assert [path.name for path in work.scratch.iterdir()] == ["tmp"]


def test_the_file_goes_when_create_fails(docker: Program, work: Work) -> None:
    """When a container cannot be made, the file with variables goes, and what there may be of it."""
    docker.answer("create", code=125, err="no space left on device")
    with pytest.raises(EngineError, match="docker create: no space left on device"):
        image_block().run(changed(work, secrets={"PATH": "/s3cret"}))
    assert [path.name for path in work.scratch.iterdir()] == ["tmp"]
    [removed] = docker.calls("rm")
    assert removed.arguments[-1] == values_of(docker.create(), "--name")[0]


def test_rootless_podman(empty_path: Path, work: Work) -> None:
    """In rootless podman the caller keeps the uid; processors of graphics go by the device interface."""
    podman = Program(empty_path, "podman", podman_info(rootless=True))
    image_block().run(changed(work, resources=Resources(gpus=2)))
    assert values_of(podman.create(), "--userns") == ["keep-id"]
    assert values_of(podman.create(), "--user") == [f"{os.geteuid()}:{os.getegid()}"]
    assert values_of(podman.create(), "--device") == ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]


def test_rootless_docker(empty_path: Path, work: Work) -> None:
    """In rootless docker the caller is the container's root."""
    docker = Program(empty_path, "docker", DOCKER | {"SecurityOptions": ["name=seccomp", "name=rootless"]})
    image_block().run(work)
    assert values_of(docker.create(), "--user") == ["0:0"]


def test_the_images_own_user(docker: Program, work: Work) -> None:
    """With user image, no user and no home are set, and whoever the user is may write."""
    image_block(user="image").run(work)
    [call] = docker.calls("create")
    assert "--user" not in call.arguments
    assert "HOME=" not in call.file.read_text()
    for folder in (work.output, work.quicklooks, work.scratch, work.scratch / "tmp"):
        assert folder.stat().st_mode & 0o777 == 0o777


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_selinux(empty_path: Path, work: Work, name: str) -> None:
    """With SELinux, the directories of the attempt are labelled: its own for it alone, the input shared."""
    docker_info = DOCKER | {"SecurityOptions": ["name=selinux"]}
    program = Program(empty_path, name, docker_info if name == "docker" else podman_info(selinux=True))
    image_block().run(work)
    assert values_of(program.create(), "--volume") == [
        f"{work.input}:/tmp/input:ro,z",
        f"{work.output}:/tmp/output:Z",
        f"{work.quicklooks}:/tmp/quicklooks:Z",
        f"{work.scratch}:/tmp/home:Z",
    ]


def test_selinux_and_a_colon(empty_path: Path, work: Work, tmp_path: Path) -> None:
    """A path that cannot be labelled is an error that says so."""
    Program(empty_path, "docker", DOCKER | {"SecurityOptions": ["name=selinux"]})
    (tmp_path / "a:b").mkdir()
    with pytest.raises(EngineError, match="its path has a colon"):
        image_block().run(changed(work, output=tmp_path / "a:b"))


def test_this_machine_from_inside(docker: Program, work: Work) -> None:
    """Docker maps this machine where a variable names localhost, and the network is the container's."""
    local = changed(work, environment={"S3": "http://127.0.0.1:9000", "NO_PROXY": "localhost"})
    image_block().run(work)
    image_block(network="host").run(local)
    image_block().run(local)
    hosts = [values_of(call.arguments, "--add-host") for call in docker.calls("create")]
    assert hosts == [[], [], ["host.docker.internal:host-gateway"]]
    assert b"up42-state: S3: localhost is the container itself" in work.log.bytes()


def test_more_processors_than_there_are(docker: Program, work: Work) -> None:
    """A machine type with more processors than the machine gets them all; docker would refuse."""
    image_block().run(changed(work, resources=Resources(cpus=64)))
    assert values_of(docker.create(), "--cpus") == ["8"]


def test_nothing_of_the_engine_is_in_the_log(docker: Program, work: Work) -> None:
    """The log holds what the block printed, and nothing of what the engine's other commands print."""
    image_block().run(work)
    assert work.log.bytes() == b"printed by the block\n"


def test_a_container_that_does_not_start(docker: Program, work: Work) -> None:
    """A container that never ran is told with the engine's words, as no exit code of the block."""
    docker.state(StartedAt="0001-01-01T00:00:00Z", ExitCode=127, Error="exec format error")
    ending = image_block().run(work)
    assert (ending.reason, ending.exit_code) == ("not started", None)
    assert ending.text == "the container could not be started: exec format error"


def test_looked_at_before_it_is_removed(docker: Program, work: Work) -> None:
    """The container's state is asked for before the container is removed, and removed it is."""
    image_block().run(work)
    verbs = [call.arguments[0] for call in docker.calls()]
    assert list(dict.fromkeys(verbs[verbs.index("create") :])) == ["create", "start", "container", "rm"]
    [removed] = docker.calls("rm")
    assert removed.arguments[:3] == ["rm", "--force", "--volumes"]


def test_a_container_that_cannot_be_removed(docker: Program, work: Work) -> None:
    """How the block ended is told all the same, and the log says what is left."""
    docker.answer("rm", code=1, err="device or resource busy")
    assert image_block().run(work).is_done
    assert b"is not removed: docker rm: device or resource busy" in work.log.bytes()


def test_a_container_that_cannot_be_stopped(docker: Program, work: Work, short: None) -> None:
    """A container that runs on after SIGKILL is an error with the command to try, and no ending."""
    docker.state(Status="running", Running=True)
    docker.answer("start", hang=True)
    with pytest.raises(EngineError, match=r"runs on, though it was killed.*docker rm --force cdcd"):
        image_block().run(changed(work, timeout=0.2, grace=0.0))
    assert docker.calls("kill")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a moment only where minutes are waited for."""
    for module, name in ((engine, "_ASK"), (engine, "_CALL"), (attempt, "_SIGN_OF_LIFE"), (attempt, "_GONE")):
        monkeypatch.setattr(module, name, 0.7)
    monkeypatch.setattr(
        engine.Engine.call, "__kwdefaults__", {**engine.Engine.call.__kwdefaults__, "timeout": 0.7}
    )


@pytest.mark.parametrize("verb", ["--version", "info", "image inspect", "create", "container inspect"])
def test_an_engine_that_hangs(docker: Program, work: Work, short: None, verb: str) -> None:
    """Whatever an engine does not answer to, it is an error in time that says which command it was."""
    docker.answer(verb, hang=True)
    with pytest.raises(EngineError, match=f"docker ?{verb.replace('--version', '')}.*no answer in 1 s"):
        image_block().run(work)


def test_an_engine_that_dies_in_the_middle(docker: Program, work: Work, short: None) -> None:
    """A client that hangs is no reason to wait for ever: the engine is asked, and its silence is an error."""
    docker.answer("start", hang=True)
    docker.answer("container inspect", code=1, err="Cannot connect to the Docker daemon")
    with pytest.raises(EngineError, match="Cannot connect to the Docker daemon"):
        image_block().run(work)


def test_a_client_that_hangs_after_the_end(docker: Program, work: Work, short: None) -> None:
    """The end of the container counts, though the client that showed its output never ends."""
    docker.answer("start", hang=True)
    docker.state(ExitCode=4)
    assert image_block().run(work).exit_code == 4


def test_no_engine(empty_path: Path) -> None:
    """Where neither is installed, the error says what to install, with exit code 7."""
    with pytest.raises(EngineError, match="docker is not installed; podman is not installed") as caught:
        find_engine()
    assert caught.value.exit_status == 7
    assert "install docker or podman" in caught.value.advice


def test_podman_where_docker_is_dead(docker: Program, empty_path: Path) -> None:
    """Docker without its daemon is not taken where podman answers; asked for by name, it is an error."""
    podman = Program(empty_path.parent / "other", "podman", podman_info())
    (empty_path / "podman").symlink_to(podman.folder / "podman")
    errors = {"ServerErrors": ["Cannot connect to the Docker daemon"], "ServerVersion": ""}
    docker.answer("info", out=json.dumps(errors))
    with pytest.raises(EngineError, match="Cannot connect to the Docker daemon"):
        find_engine("docker")


def test_docker_before_podman(docker: Program, empty_path: Path, tmp_path: Path) -> None:
    """Docker is taken where both answer; a program named by its path is the one that is taken."""
    podman = Program(tmp_path / "other", "podman", podman_info())
    assert find_engine().kind == "docker"
    named = find_engine(str(podman.folder / "podman"))
    assert (named.kind, named.version) == ("podman", "5.4.0")


def test_podman_by_the_name_of_docker(empty_path: Path) -> None:
    """The stand-in for docker that comes with podman is known for what it is."""
    Program(empty_path, "docker", podman_info(rootless=True))
    found = find_engine()
    assert (found.kind, found.is_rootless) == ("podman", True)


def test_a_program_that_is_no_engine(empty_path: Path) -> None:
    """A program that is neither is not run any further."""
    program = Program(empty_path, "docker", DOCKER)
    program.answer("--version", out="bash 5.2")
    with pytest.raises(EngineError, match="is neither docker nor podman"):
        find_engine()
    assert len(program.calls()) == 1


def test_an_answer_that_is_no_json(docker: Program) -> None:
    """What is no answer of the engine is an error, not a traceback."""
    docker.answer("info", out="<html>")
    with pytest.raises(EngineError, match="docker info: the answer is no JSON: '<html>'"):
        find_engine()


def test_an_image_is_pulled_once(docker: Program) -> None:
    """An image that is not there is pulled; what cannot be pulled is an error that names the image."""
    docker.answer("image inspect", code=1, err="Error response from daemon: No such image: block:1")
    docker.answer("pull", code=1, err="denied")
    with pytest.raises(
        EngineError, match="the image block:1 is not here and cannot be pulled: docker pull: denied"
    ):
        image_block()
    docker.answer("image inspect", out=json.dumps(IMAGE))
    found = find_engine()
    assert found.image("block:1") is found.image("block:1")
    assert found.image("block:1").digests == ("block@sha256:1",)
    assert len(docker.calls("image")) == 2


def label(**values: str) -> str:
    words = dict(zip(("host", "boot", "namespace", "pid", "begun"), runner_label().split("/"), strict=True))
    return "/".join((words | values).values())


@pytest.mark.parametrize(
    ("changes", "is_removed"),
    [
        ({}, False),
        ({"begun": "1"}, True),  # the pid was given to another process
        ({"pid": "999999999"}, True),
        ({"boot": "another", "begun": "1"}, True),
        ({"boot": "another", "host": "another"}, False),
        ({"namespace": "1", "begun": "1"}, False),  # a runner in a container, whose pids we do not see
        (None, False),
    ],
)
def test_which_containers_are_orphans(
    docker: Program, changes: dict[str, str] | None, *, is_removed: bool
) -> None:
    """Only containers of runners of this machine that are surely dead are removed."""
    docker.answer("ps", out=CONTAINER)
    text = "forged" if changes is None else label(**changes)
    found = {"Name": "/name", "Config": {"Labels": {RUNNER_LABEL: text}}}
    docker.answer("container inspect", out=json.dumps([found]))
    assert sweep(find_engine()) == (["name"] if is_removed else [])
    assert [call.arguments for call in docker.calls("rm")] == (
        [["rm", "--force", "--volumes", CONTAINER]] if is_removed else []
    )


def test_an_orphan_that_is_gone_meanwhile(docker: Program) -> None:
    """A container that somebody else removes during the sweep is no error."""
    docker.answer("ps", out=CONTAINER)
    docker.answer("container inspect", code=1, err=f"Error: No such container: {CONTAINER}")
    assert sweep(find_engine()) == []


@pytest.mark.parametrize("said", ["No such container: x", "removal of container x is already in progress"])
def test_an_orphan_that_another_runner_removes(docker: Program, said: str) -> None:
    """Of two runs that begin at once, one removes an orphan, and both go on."""
    docker.answer("ps", out=CONTAINER)
    found = {"Name": "/name", "Config": {"Labels": {RUNNER_LABEL: label(begun="1")}}}
    docker.answer("container inspect", out=json.dumps([found]))
    docker.answer("rm", code=1, err=said)
    assert sweep(find_engine()) == []
    docker.answer("rm", code=1, err="device or resource busy")
    with pytest.raises(EngineError, match="device or resource busy"):
        sweep(find_engine())


def test_memory_of_version_2(tmp_path: Path) -> None:
    """Control groups of version 2 tell the peak, and processes that were killed for the limit."""
    group = tmp_path / "root" / "system.slice" / f"docker-{CONTAINER}.scope"
    group.mkdir(parents=True)
    (group / "memory.peak").write_text("4096\n")
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 4\noom 0\noom_kill 0\n")
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(f"0::/system.slice/docker-{CONTAINER}.scope\n")
    found = MemoryGroup.of(CONTAINER, 7, processes=tmp_path, root=tmp_path / "root")
    assert found is not None
    found.look()
    assert (found.peak, found.has_killed) == (4096, False)
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n")
    (group / "memory.peak").unlink()
    found.look()
    assert (found.peak, found.has_killed) == (4096, True)


def test_memory_of_somebody_else(tmp_path: Path) -> None:
    """A pid that is another machine's, or another process's here, is not measured."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("0::/user.slice\n")
    (tmp_path / "user.slice").mkdir()
    (tmp_path / "user.slice" / "memory.peak").write_text("4096")
    assert MemoryGroup.of(CONTAINER, 7, processes=tmp_path, root=tmp_path) is None
    assert MemoryGroup.of(CONTAINER, 8, processes=tmp_path, root=tmp_path) is None


@pytest.mark.parametrize(
    ("said", "code", "line"),
    [
        ("reached\n", 0, "pass"),
        ("refused\n", 7, "fail"),
        ("unknown\n", 0, "skip"),
    ],
)
def test_doctor_looks_from_inside(docker: Program, tmp_path: Path, said: str, code: int, line: str) -> None:
    """``doctor --image`` names engine and digest, and says what a container can reach."""
    docker.answer("run", out=said)
    arguments = ["--url", tmp_path.as_uri(), "--image", "block:1", "--reach", "db.example:5432", "--json"]
    result = CliRunner().invoke(root, ["doctor", *arguments])
    assert result.exit_code == code
    checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
    assert checks["engine"]["detail"] == "docker 28.0.1 answers"
    assert DIGEST in checks["image"]["detail"]
    assert checks["reach db.example:5432"]["outcome"] == line
    [call] = docker.calls("run")
    assert call.arguments[-2:] == ["db.example", "5432"]


def test_doctor_without_an_engine(tmp_path: Path) -> None:
    """Where no engine is there, doctor says what to install, and ends with exit code 7."""
    result = CliRunner().invoke(root, ["doctor", "--url", tmp_path.as_uri(), "--image", "block:1"])
    assert result.exit_code == 7
    assert "install docker or podman" in result.stdout


@pytest.mark.parametrize("target", ["db.example", "db.example:0", "db.example:70000", "http://a:1", ":1"])
def test_doctor_with_no_address(docker: Program, tmp_path: Path, target: str) -> None:
    """What is no address is refused before any container runs."""
    arguments = ["doctor", "--url", tmp_path.as_uri(), "--image", "block:1", "--reach", target]
    assert CliRunner().invoke(root, arguments).exit_code == 2
    assert not list((docker.folder / "calls").iterdir())


@pytest.fixture
def others_files(docker: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Mount]:
    """Directories with files that are not this user's."""
    monkeypatch.setattr(ownership.os, "geteuid", lambda: os.getuid() + 4711)
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "file").touch()
    return [Mount(folder, "/tmp/output")]


def test_files_of_the_images_user_become_ours(docker: Program, others_files: list[Mount]) -> None:
    """An ordinary user gets the files of the image's user by root in a container, without a network."""
    found = find_engine()
    ownership.take_back(found, found.image("block:1"), others_files)
    [call] = docker.calls("run")
    assert values_of(call.arguments, "--user") == ["0:0"]
    assert values_of(call.arguments, "--network") == ["none"]
    caller = f"{os.getuid() + 4711}:{os.getegid()}"
    assert call.arguments[-4:] == [f"sha256:{DIGEST}", "-R", caller, "/tmp/output"]


def test_files_that_cannot_become_ours(docker: Program, others_files: list[Mount]) -> None:
    """Where the image has no chown, the error says what to do about the files."""
    docker.answer("run", code=127, err='exec: "chown": executable file not found')
    found = find_engine()
    with pytest.raises(EngineError, match=r"cannot be made this user's: docker run.*sudo chown"):
        ownership.take_back(found, found.image("block:1"), others_files)


def test_a_failure_matters_more_than_whose_the_files_are(
    docker: Program, work: Work, others_files: list[Mount]
) -> None:
    """A block that failed is told as failed, though its files cannot be made ours; the log says that, too."""
    (work.output / "file").touch()
    docker.answer("run", code=127, err="no chown")
    docker.state(ExitCode=3)
    assert image_block(user="image").run(work).exit_code == 3
    assert b"cannot be made this user's: docker run: no chown" in work.log.bytes()
    docker.state(ExitCode=0)
    with pytest.raises(EngineError, match="no chown"):
        image_block(user="image").run(work)


def test_files_in_rootless_podman(empty_path: Path, others_files: list[Mount]) -> None:
    """Rootless podman needs no container for it."""
    podman = Program(empty_path.parent / "other", "podman", podman_info(rootless=True))
    found = find_engine(str(podman.folder / "podman"))
    ownership.take_back(found, found.image("block:1"), others_files)
    [call] = podman.calls("unshare")
    assert call.arguments == ["unshare", "chown", "-R", "0:0", str(others_files[0].source)]
