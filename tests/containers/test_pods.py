"""The harness that runs pods by podman does what Kubernetes does, and refuses the rest."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from containers.conftest import load
from servers.pods import Pods, pods
from servers.specs import PodError, check_pod, environment_of, expand

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = "localhost/plain:1"
SAYS_SO = "localhost/says:1"  # with an entrypoint, a command, variables and a user of its own
EMPTY = {"name": "work", "emptyDir": {}}
MOUNTED = {"name": "work", "mountPath": "/work"}


@pytest.fixture(scope="module")
def kube(archive: Path) -> Iterator[Pods]:
    """Podman with two images of busybox."""
    made = tempfile.TemporaryDirectory(prefix="up42-pods-", ignore_cleanup_errors=True)
    with made as folder, pods(Path(folder)) as kube, pytest.MonkeyPatch.context() as patch:
        for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
            patch.setenv(name, kube.variables[name])
        load("podman", archive, IMAGE, [])
        load(
            "podman",
            archive,
            SAYS_SO,
            ['ENTRYPOINT ["echo","entry"]', 'CMD ["cmd"]', "ENV OWN=image", "USER block"],
        )
        yield kube


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **more}


def pod(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"restartPolicy": "Never", "containers": list(containers), **more}


def test_init_containers_come_first_and_share_a_volume(kube: Pods) -> None:
    """What the first has written the second finds, and the container after them."""
    inits = [
        shell("one", "echo 1 > /work/a", volumeMounts=[MOUNTED]),
        shell("two", "cat /work/a; echo 2 >> /work/a", volumeMounts=[MOUNTED]),
    ]
    spec = pod(shell("main", "cat /in/a", volumeMounts=[{**MOUNTED, "mountPath": "/in", "readOnly": True}]))
    ended = kube.run({**spec, "initContainers": inits, "volumes": [EMPTY]})
    assert [(one.name, one.exit_code, one.stdout) for one in ended] == [
        ("one", 0, ""),
        ("two", 0, "1\n"),
        ("main", 0, "1\n2\n"),
    ]


def test_nothing_runs_after_an_init_container_that_failed(kube: Pods) -> None:
    """Its exit code and its output are told, and it is the last."""
    inits = [shell("one", "echo no >&2; exit 3"), shell("two", "true")]
    (one,) = kube.run({**pod(shell("main", "true")), "initContainers": inits})
    assert (one.exit_code, one.stderr.strip()) == (3, "no")


def test_dependencies_order_containers(kube: Pods) -> None:
    """A container waits for those that it depends on; after one that failed it does not start."""
    spec = pod(
        shell("last", "cat /work/a", dependencies=["first"], volumeMounts=[MOUNTED]),
        shell("first", "sleep 0.3; echo a > /work/a", volumeMounts=[MOUNTED]),
        shell("fails", "exit 1"),
        shell("never", "true", dependencies=["last", "fails"]),
        volumes=[EMPTY],
    )
    ended = kube.run(spec)
    assert [(one.name, one.exit_code, one.stdout) for one in ended] == [
        ("last", 0, "a\n"),
        ("first", 0, ""),
        ("fails", 1, ""),
    ]


def test_containers_without_dependencies_run_at_once(kube: Pods) -> None:
    """Two that wait for each other both end."""
    wait = "touch /work/{}; for i in $(seq 100); do test -e /work/{} && exit 0; sleep 0.1; done; exit 1"
    spec = pod(
        shell("a", wait.format("a", "b"), volumeMounts=[MOUNTED]),
        shell("b", wait.format("b", "a"), volumeMounts=[MOUNTED]),
        volumes=[EMPTY],
    )
    assert [one.exit_code for one in kube.run(spec)] == [0, 0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "entry cmd"),
        ({"args": ["$(A)", "$(B)", "$$(A)"]}, "entry 1 $(B) $(A)"),
        ({"command": ["echo", "own"]}, "own"),
        ({"command": ["echo"], "args": ["a b", "c"]}, "a b c"),
    ],
    ids=["neither", "args", "command", "both"],
)
def test_command_and_args_take_the_place_of_entrypoint_and_command(
    kube: Pods, fields: dict[str, Any], said: str
) -> None:
    """``command`` replaces both of the image, ``args`` the second; variables are put in."""
    (ended,) = kube.run(pod({"name": "a", "image": SAYS_SO, "env": [{"name": "A", "value": "1"}], **fields}))
    assert (ended.exit_code, ended.stdout) == (0, f"{said}\n")


def test_a_container_sees_its_own_variables_alone(kube: Pods) -> None:
    """``envFrom`` and ``valueFrom`` give the cluster's values to the container that asks, and to no other."""
    reference = {"secretKeyRef": {"name": "keys", "key": "KEY"}}
    spec = pod(
        shell("ours", 'echo "$KEY $PLAIN $SAME"', envFrom=[{"secretRef": {"name": "keys"}}]),
        shell("other", "env; cat /work/*", volumeMounts=[MOUNTED]),
        shell("same", "true", env=[{"name": "SAME", "valueFrom": reference}]),
        volumes=[EMPTY],
    )
    ours, other, same = kube.run(spec, secrets={"keys": {"KEY": "s3cr3t", "PLAIN": "a b"}})
    assert ours.stdout == "s3cr3t a b \n"
    assert (same.environment["SAME"], ours.environment["KEY"]) == ("s3cr3t", "s3cr3t")
    assert "KEY" not in other.environment
    assert other.search("s3cr3t") == []
    assert ours.search("s3cr3t") == ["inspect", "stdout"]


def test_a_search_finds_what_was_left_in_any_place(kube: Pods) -> None:
    """In a mounted directory, in the root file system, in either stream."""
    leak = "echo s3cr3t > /work/a; echo s3cr3t > /tmp/a; echo s3cr3t >&2"
    (ended,) = kube.run(pod(shell("leaks", leak, volumeMounts=[MOUNTED]), volumes=[EMPTY]))
    # The script itself stands in the record.
    assert ended.search("s3cr3t") == ["inspect", "stderr", "/work/a", "the root file system"]


def test_secrets_and_config_maps_are_files_that_cannot_be_written(kube: Pods) -> None:
    """A file a key, with the mode that the volume names."""
    volumes = [
        {"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}},
        {"name": "map", "configMap": {"name": "map"}},
    ]
    mounts = [{"name": "keys", "mountPath": "/keys"}, {"name": "map", "mountPath": "/map"}]
    script = "cat /keys/a /map/b; stat -c %a /keys/a /map/b; ! echo x 2>/dev/null > /keys/a"
    spec = pod(shell("main", script, volumeMounts=mounts), volumes=volumes)
    (ended,) = kube.run(spec, secrets={"keys": {"a": "1\n"}}, config_maps={"map": {"b": "2\n"}})
    assert (ended.exit_code, ended.stdout) == (0, "1\n2\n400\n644\n")


def test_user_and_groups_are_those_of_the_spec(kube: Pods) -> None:
    """The container's user goes before the pod's; ``fsGroup`` owns the volume and is one of the groups."""
    spec = pod(
        shell("own", "id -u; touch /work/a", securityContext={"runAsUser": 7}, volumeMounts=[MOUNTED]),
        shell("pods", "id -u; id -g; id -G", volumeMounts=[MOUNTED]),
        volumes=[EMPTY],
        securityContext={"runAsUser": 1234, "runAsGroup": 5, "fsGroup": 99},
    )
    own, pods_ = kube.run(spec)
    assert (own.exit_code, own.stdout) == (0, "7\n")
    assert pods_.stdout.split("\n")[:2] == ["1234", "5"]
    assert set(pods_.stdout.split("\n")[2].split()) == {"5", "99"}
    assert (own.mounts["/work"] / "a").stat().st_gid == 99


def test_a_user_by_name_is_not_known_to_be_without_privileges(kube: Pods) -> None:
    """The kubelet refuses ``runAsNonRoot`` for an image whose user is a name, and for root."""
    security = {"runAsNonRoot": True}
    for image in (IMAGE, SAYS_SO):
        with pytest.raises(PodError, match="set runAsUser"):
            kube.run(pod({"name": "a", "image": image}, securityContext=security))
    (ended,) = kube.run(pod({"name": "a", "image": SAYS_SO}, securityContext={**security, "runAsUser": 1234}))
    assert ended.exit_code == 0


def test_least_rights_are_kept(kube: Pods) -> None:
    """No capability, no new privileges, and a root file system that cannot be written."""
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    script = "grep -E 'CapEff|NoNewPrivs' /proc/self/status; touch /tmp/a || touch /work/a"
    spec = pod(shell("a", script, securityContext=security, volumeMounts=[MOUNTED]), volumes=[EMPTY])
    (ended,) = kube.run(spec)
    assert ended.exit_code == 0
    assert ended.stdout.split() == ["CapEff:", "0000000000000000", "NoNewPrivs:", "1"]
    assert "Read-only file system" in ended.stderr


def test_the_working_directory_is_the_containers(kube: Pods) -> None:
    """As ``workingDir`` says."""
    (ended,) = kube.run(pod(shell("a", "pwd", workingDir="/bin")))
    assert ended.stdout == "/bin\n"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [({"image": "localhost/absent:1"}, "cannot be made"), ({"command": ["absent"]}, "cannot be started")],
    ids=["image", "command"],
)
def test_a_container_that_cannot_start_is_an_error(kube: Pods, fields: dict[str, Any], problem: str) -> None:
    """It is no exit code of the block's."""
    with pytest.raises(PodError, match=problem):
        kube.run(pod({"name": "a", "image": IMAGE, **fields}))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hostPID": True}, "pod: hostPID: not done here"),
        ({"restartPolicy": "OnFailure"}, "only 'Never'"),
        ({"containers": []}, "needs a container"),
        ({"initContainers": [{"name": "a", "image": "b", "dependencies": []}]}, "dependencies: not done"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume: hostPath: not done"),
        ({"volumes": [{"name": "v"}]}, "exactly one of emptyDir, secret, configMap"),
        ({"volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}]}, "medium: not done here"),
        ({"volumes": [{"name": "v", "secret": {}}]}, "secretName: missing"),
        ({"volumes": [EMPTY, EMPTY]}, "twice"),
        ({"securityContext": {"sysctls": []}}, "sysctls: not done here"),
        ({"securityContext": {"runAsGroup": 1}}, "runAsGroup without runAsUser"),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, "only RuntimeDefault"),
        ({"automountServiceAccountToken": "no"}, "must be bool"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_pod_that_is_not_done_is_refused(change: dict[str, Any], problem: str) -> None:
    """With the field's name."""
    with pytest.raises(PodError, match=problem):
        check_pod({**pod(shell("main", "true")), **change})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lifecycle": {}}, "container 'main': lifecycle: not done here"),
        ({"image": None}, "image must be str"),
        ({"args": ["a", 1]}, "words must be text"),
        ({"name": "Main"}, "is no name"),
        ({"dependencies": ["absent"]}, "depends on absent"),
        ({"dependencies": ["main"]}, "wait for one another"),
        ({"volumeMounts": [{"name": "absent", "mountPath": "/a"}]}, "the pod has no such volume"),
        ({"volumeMounts": [{"name": "work", "mountPath": "a"}]}, "no absolute path"),
        ({"volumeMounts": [{**MOUNTED, "subPath": "a"}]}, "subPath: not done here"),
        ({"volumeMounts": [MOUNTED, MOUNTED]}, "two volumes at one path"),
        ({"resources": {"limits": {"cpus": 1}}}, "'cpus' is no resource"),
        ({"resources": {"limits": {"memory": "2GB"}}}, "'2GB' is no quantity"),
        ({"resources": {"limit": {}}}, "limit: not done here"),
        ({"securityContext": {"privileged": True}}, "privileged: not done here"),
        ({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}, "add: not done here"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_container_that_is_not_done_is_refused(change: dict[str, Any], problem: str) -> None:
    """With its name, and the field's."""
    with pytest.raises(PodError, match=problem):
        check_pod({**pod(shell("main", "true") | change), "volumes": [EMPTY]})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"envFrom": [{"secretRef": {"name": "absent"}}]}, "there is no secret 'absent'"),
        ({"envFrom": [{"prefix": "A_", "secretRef": {"name": "keys"}}]}, "prefix: not done here"),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}, "fieldRef: not done here"),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "absent"}}}]},
            "'keys' has no key 'absent'",
        ),
        ({"env": [{"name": "A", "value": 1}]}, "value must be str"),
        ({"env": [{"name": "A=B", "value": "1"}]}, "is no name of a variable"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_environment_that_is_not_done_is_refused(fields: dict[str, Any], problem: str) -> None:
    """A secret that is not there keeps a container from starting, as in a cluster."""
    objects = {"secret": {"keys": {"KEY": "1"}}, "configMap": {}}
    with pytest.raises(PodError, match=problem):
        environment_of({"name": "main", **fields}, objects)


def test_env_goes_before_env_from_and_may_name_what_stands_before() -> None:
    """Later sources replace earlier ones; a variable below is not known yet."""
    objects = {"secret": {"keys": {"A": "1", "B": "2"}}, "configMap": {"map": {"B": "3"}}}
    container = {
        "name": "main",
        "envFrom": [{"secretRef": {"name": "keys"}}, {"configMapRef": {"name": "map"}}],
        "env": [
            {"name": "C", "value": "$(A)-$(B)-$(D)"},
            {"name": "A", "value": "own"},
            {"name": "D", "value": "$(A)"},
            {"name": "E"},
        ],
    }
    assert environment_of(container, objects) == {
        "A": "own",
        "B": "3",
        "C": "1-3-$(D)",
        "D": "own",
        "E": "",
    }


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(A", "$(A"),
        ("$A ${A}", "$A ${A}"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$", "$$"),
        ("$(absent)$(A)", "$(absent)1"),
        ("$", "$"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    """The cases of its own table of tests, as far as they differ."""
    assert expand(text, {"A": "1"}) == expanded
