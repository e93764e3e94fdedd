"""`clew model`, as a person and as a machine would use it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from clew.cli.main import main
from clew.core.ids import Digest
from clew.registry.columns import columns_of
from clew.registry.environment import current_environment
from clew.registry.mlflow_package import DESCRIPTION, Part, package_folder
from clew.registry.package import Draft, build_package
from clew.registry.revise import add_version
from clew.registry.signature import infer_signature
from clew.workspace import init_project, open_workspace

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with two versions of a model."""
    init_project(tmp_path / "flights")
    monkeypatch.chdir(tmp_path / "flights")
    monkeypatch.setenv("CLEW_ACTOR", "ann")
    with open_workspace() as workspace:
        for seed in range(2):
            table = np.random.default_rng(seed).normal(size=(40, 2))
            fitted = LogisticRegression().fit(table, table[:, 0] > 0)
            rows = columns_of(table, ["hour", "wind"])
            draft = Draft(
                model=fitted,
                signature=infer_signature(fitted, rows),
                example=rows.take([0]),
                environment=current_environment(),
            )
            package = build_package(workspace.stores.objects, draft, workspace.trust)
            workspace.models.register("delay", package, message=f"[seed {seed}]")


def clew(capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def clew_json(capsys: Capture, *words: str, code: int = 0) -> dict[str, object]:
    found_code, out, _ = clew(capsys, *words, "--json")
    assert found_code == code
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_a_name_is_taken_away(capsys: Capture) -> None:
    assert clew(capsys, "model", "promote", "delay@1", "champoin")[0] == 0
    code, out, _ = clew(capsys, "model", "demote", "delay", "champoin", "--reason", "a typo")
    assert (code, out) == (0, "nobody is delay@champoin now\n")
    code, _, err = clew(capsys, "model", "demote", "delay", "champoin")
    assert code != 0
    assert "no alias named 'delay@champoin'" in err


def test_models_and_versions_are_listed(capsys: Capture) -> None:
    assert clew(capsys, "model", "promote", "delay@1", "staging")[0] == 0
    code, out, _ = clew(capsys, "model", "list")
    assert code == 0
    assert out.splitlines()[1].split()[:3] == ["delay", "2", "staging=1"]
    code, out, _ = clew(capsys, "model", "list", "delay")
    lines = out.splitlines()
    assert " ".join(lines[0].split()) == "number aliases created created by unsafe run message"
    assert [line.split()[0] for line in lines[1:]] == ["2", "1"]
    assert "[seed 1]" in lines[1]
    assert "staging" in lines[2]
    listed = clew_json(capsys, "model", "list")
    assert isinstance(listed["items"], list)
    assert listed["items"][0].items() >= {"name": "delay", "newest": 2, "aliases": {"staging": 1}}.items()


def test_an_author_hears_that_the_own_approval_does_not_count(capsys: Capture) -> None:
    author = str(clew_json(capsys, "model", "show", "delay@2")["version"]["created_by"])  # type: ignore[index]
    with pytest.MonkeyPatch.context() as patched:
        for actor, says in ((author, "counts approvals of others only"), (f"not-{author}", "")):
            patched.setenv("CLEW_ACTOR", actor)
            code, out, err = clew(capsys, "model", "approve", "delay@2")
            assert (code, out) == (0, f"{actor} stands for delay@2\n")
            assert (says in err, bool(err)) == (True, bool(says))
    _, out, _ = clew(capsys, "model", "show", "delay@2")
    assert f"approvals   not-{author}, {author} (made it: does not count)" in out


def test_a_version_is_shown(capsys: Capture) -> None:
    assert clew(capsys, "model", "approve", "delay@2", "--note", "fine")[0] == 0
    assert clew(capsys, "model", "promote", "delay@2", "staging", "--reason", "to try it")[0] == 0
    code, out, _ = clew(capsys, "model", "show", "delay@staging")
    assert code == 0
    for words in ("delay@2", "LogisticRegression", "hour: float64, wind: float64", "ann fine", "staging moved to it"):
        assert words in out
    found = clew_json(capsys, "model", "show", "delay")
    assert found["aliases"] == ["staging"]
    assert isinstance(found["judgements"], list)
    assert found["judgements"][0]["reason"] == "to try it"


def test_a_name_goes_forth_and_back(capsys: Capture) -> None:
    assert "delay@1 is staging now" in clew(capsys, "model", "promote", "delay@1", "staging")[1]
    assert "delay@2 is staging now" in clew(capsys, "model", "promote", "delay", "staging", "--expected", "1")[1]
    code, _, err = clew(capsys, "model", "promote", "delay@1", "staging", "--expected", "1")
    assert code == 4
    assert "is version 2, not version 1" in err
    move = clew_json(capsys, "model", "rollback", "delay", "staging", "--reason", "worse")
    assert (move["number"], move["reason"], move["position"]) == (1, "worse", 3)
    assert clew(capsys, "model", "rollback", "delay", "staging")[0] == 4


def test_the_gate_refuses_what_has_shown_nothing(capsys: Capture) -> None:
    code, _, err = clew(capsys, "model", "promote", "delay@2", "champion")
    assert code == 1
    assert "delay@2 may not become champion" in err
    assert clew(capsys, "model", "show", "delay@champion")[0] == 3
    code, out, _ = clew(capsys, "model", "show", "delay@2")
    assert code == 0
    assert "champion refused by ann" in out
    assert "gate: cannot tell" in out


def test_judging_moves_nothing(capsys: Capture) -> None:
    report = clew_json(capsys, "model", "gate", "delay@2", code=1)
    assert report["number"] == 2
    code, out, _ = clew(capsys, "model", "gate", "delay@2")
    assert code == 1
    assert "gate: " in out
    assert clew_json(capsys, "model", "show", "delay@2")["judgements"] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["list", "dely"], 3, "did you mean delay?"),
        (["show", "delay@9"], 3, "did you mean delay@2?"),
        (["promote", "delay@1", "latest"], 2, "always the newest"),
        (["rollback", "delay", "champion"], 3, "no alias named 'delay@champion'"),
    ],
)
def test_mistakes_are_answered(capsys: Capture, words: list[str], code: int, said: str) -> None:
    found, _, err = clew(capsys, "model", *words)
    assert found == code
    assert said in err


def test_a_name_that_no_gate_guards_is_said_to_be_one(capsys: Capture) -> None:
    code, out, err = clew(capsys, "model", "promote", "delay@1", "chapion")
    assert (code, out) == (0, "delay@1 is chapion now\n")
    assert err == "no gate guards 'chapion'; did you mean champion?\n"


def test_a_gate_that_guards_nothing_fails_no_pipeline(capsys: Capture) -> None:
    assert clew(capsys, "gate", "delay", "champoin")[0] == 1, "a slip does not turn the gate off"
    with Path("clew.toml").open("a") as file:
        file.write("\n[gate.delay]\naliases = []\n")
    code, out, err = clew(capsys, "gate", "delay")
    assert (code, err) == (0, "no gate guards 'champion'\n")
    assert "gate: cannot tell" in out
    code, out, _ = clew(capsys, "gate", "delay", "--markdown")
    assert code == 0
    assert "The gate guards no name of delay: `delay@latest` may become champion" in out
    assert clew_json(capsys, "gate", "delay").items() >= {"verdict": "cannot_tell", "guarded": []}.items()
    assert "delay@2 is champion now" in clew(capsys, "model", "promote", "delay@2", "champion")[1]


def test_of_many_columns_a_few_are_shown(capsys: Capture) -> None:
    with open_workspace() as workspace:
        table = np.random.default_rng(0).normal(size=(40, 64))
        fitted = LogisticRegression().fit(table, table[:, 0] > 0)
        rows = columns_of(table, [f"p{n}" for n in range(64)])
        draft = Draft(
            model=fitted,
            signature=infer_signature(fitted, rows),
            example=rows.take([0]),
            environment=current_environment(),
        )
        workspace.models.register("wide", build_package(workspace.stores.objects, draft, workspace.trust))
    out = clew(capsys, "model", "show", "wide@1")[1]
    assert "p7: float64 and 56 more (--json has all)" in out
    assert "p8:" not in out
    assert "p63" in json.dumps(clew_json(capsys, "model", "show", "wide@1"))


@pytest.mark.parametrize("selector", ["2", "latest"])
def test_an_endpoint_follows_a_name_and_no_number(selector: str, capsys: Capture) -> None:
    code, _, err = clew(capsys, "serve", f"delay@{selector}")
    assert code == 3
    assert f"an endpoint follows a name such as champion, and delay@{selector} is a version" in err
    assert f"clew model promote delay@{selector} NAME" in err
    code, _, err = clew(capsys, "serve", "delay@my-own")
    assert (code, "clew model promote delay@latest my-own" in err) == (3, True)


@pytest.mark.parametrize(
    ("inputs", "warned"), [("[]", True), ('[{"type": "double", "name": "hour"}]', False)], ids=["none", "columns"]
)
def test_a_name_for_a_model_that_no_endpoint_serves_comes_with_a_warning(
    inputs: str, warned: bool, capsys: Capture
) -> None:
    Path("clew.toml").write_text("[policy]\nallow_pickle = true\n[gate.mlp]\naliases = []\n")
    description = json.dumps({"flavors": {"python_function": {}}, "signature": {"inputs": inputs}}).encode()
    with open_workspace() as workspace:
        objects = workspace.stores.objects
        package, _ = package_folder(objects, [Part(DESCRIPTION, objects.put(description), len(description))], run="")
        workspace.models.register("mlp", package)
    code, out, err = clew(capsys, "model", "promote", "mlp@1", "champion")
    assert (code, out) == (0, "mlp@1 is champion now\n")
    assert ("warning: clew serve refuses it: this model declares no columns" in err) is warned
    assert ("infer_signature" in err) is warned


def test_a_name_that_moves_to_a_version_without_files_is_no_failure(capsys: Capture) -> None:
    with open_workspace() as workspace:
        stores, found = workspace.stores, workspace.models.resolve("delay@2")
        elsewhere = {"id": stores.ids(), "number": 3, "package": Digest(""), "source": "s3://bucket/model"}
        with stores.ledger.write() as tx:
            add_version(stores, tx, msgspec.structs.replace(found, **elsewhere))
    code, out, err = clew(capsys, "model", "promote", "delay@3", "staging")
    assert (code, out) == (0, "delay@3 is staging now\n")
    assert "warning: clew serve refuses it: this version holds no model here" in err
