"""``docs/workflow-argo.md``: its example is exported, its objects are those that Kubernetes takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from up42_state.cli.root import root

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "workflow-argo.md").read_text(encoding="utf-8")
BLOCKS = {
    name or language: text
    for language, name, text in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page shows of the document is in it, and the document is called as `argo submit` calls it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UP42_STATE_ENGINE", "none")
    Path("ships.yaml").write_text(BLOCKS["ships.yaml"])
    command, _, rest = BLOCKS["sh"].partition("\nkubectl")
    done = CliRunner().invoke(root, shlex.split(command.replace("\\\n", " "))[1:])
    assert done.exit_code == 0, done.stderr
    written = Path("argo.yaml").read_text()
    assert BLOCKS["shown"] in written
    document = yaml.safe_load(written)
    assert f"--from workflowtemplate/{document['metadata']['name']} -p job=" in rest
    assert document["spec"]["executor"]["serviceAccountName"] == "up42-argo"
    (pod,) = (each for each in document["spec"]["templates"] if each["name"] == "detection-1-shards")
    mounts = {
        each["name"]: [mount["mountPath"] for mount in each["volumeMounts"]]
        for each in pod["containerSet"]["containers"]
    }
    rows = dict(re.findall(r"^\| `([\w-]+)` \| .* \| (.*) \| .* \|$", PAGE, re.MULTILINE))
    assert list(mounts) == [name for name in rows if name in mounts]
    for name in ("/tmp/input", "/tmp/output", "/tmp/quicklooks", "/tmp/home"):
        assert [which for which in mounts if name in mounts[which]] == [
            which for which in mounts if f"`{name}`" in rows[which]
        ]


@pytest.mark.parametrize("name", ["secret", "rights"])
def test_kubernetes_takes_the_objects(name: str) -> None:
    """Every field is one of its own, in the form that it has there."""
    for value in yaml.safe_load_all(BLOCKS[name]):
        kubernetes_validate.validate(value, "1.31", strict=True)


def test_the_rights_are_those_of_the_executor() -> None:
    """One role, with one right, for the account whose token Argo finds."""
    account, token, role, binding = yaml.safe_load_all(BLOCKS["rights"])
    name = account["metadata"]["name"]
    assert token["metadata"]["name"] == f"{name}.service-account-token"
    assert role["rules"] == [
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["workflowtaskresults"],
            "verbs": ["create", "patch"],
        }
    ]
    assert (binding["roleRef"]["name"], binding["subjects"][0]["name"]) == (role["metadata"]["name"], name)
