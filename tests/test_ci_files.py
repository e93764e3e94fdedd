"""The workflow files of the how-to are what they seem, and their commands of clew run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from clew.testing.life import MODEL, Life

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "ci.md"

TRAIN = """
import random, clew
with clew.run("nightly", experiment="nightly") as run:
    run.log(auc=0.7 + random.random() / 100)
"""


def files() -> dict[str, Any]:
    """The files of the page by name."""
    found = re.findall(r'```yaml title="([^"]+)"\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return {name: yaml.safe_load(text) for name, text in found}


def lines_of(name: str) -> list[str]:
    """The shell commands of a file, in order."""
    if name.endswith("model.yml"):
        (job,) = files()[name]["jobs"].values()
        return [step["run"] for step in job["steps"] if "run" in step]
    (job,) = files()[name].values()
    return list(job["script"])


def test_both_files_are_there_and_have_a_job() -> None:
    assert set(files()) == {".github/workflows/model.yml", ".gitlab-ci.yml"}
    assert set(files()[".github/workflows/model.yml"][True]) == {"pull_request", "push"}  # YAML takes `on` for true


def test_main_is_trained_and_only_trained() -> None:
    """What a pull request is compared with has to come from somewhere."""
    github = files()[".github/workflows/model.yml"]
    assert github[True]["push"] == {"branches": ["main"]}
    for step in github["jobs"]["model"]["steps"]:
        asked = "github.event_name == 'pull_request'" in step.get("if", "")
        assert asked == (step.get("name") in {"report", "gate", "comment"})
    gitlab = files()[".gitlab-ci.yml"]["model"]
    assert {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"} in gitlab["rules"]
    for source, said in (("push", ""), ("merge_request_event", "report\n")):
        (stop,) = (line for line in gitlab["script"] if line.startswith("if "))
        script = f"{stop}\necho report"
        environ = {**os.environ, "CI_PIPELINE_SOURCE": source}
        done = subprocess.run(["bash", "-e", "-c", script], env=environ, capture_output=True, text=True, check=True)
        assert done.stdout == said


def branched(life: Life, environ: dict[str, str]) -> None:
    """Two runs of main, as a job without a branch records them, and one of the main branch of another repository."""
    (life.workspace.root / "train.py").write_text(TRAIN, encoding="utf-8")
    git = ["git", "-c", "user.name=ann", "-c", "user.email=ann@localhost"]
    for words in (["init", "-q"], ["add", "train.py"], ["commit", "-q", "-m", "train"], ["checkout", "-q", "--detach"]):
        subprocess.run([*git, *words], cwd=life.workspace.root, check=True)
    for remote in ("ssh://git@example.org/a.git", "git@example.org:a", "https://example.org/another.git"):
        subprocess.run([*git, "config", "remote.origin.url", remote], cwd=life.workspace.root, check=True)
        shell("clew run train.py", life.workspace.root, {**environ, "GITHUB_REF_NAME": "main"})
    subprocess.run(
        [*git, "config", "remote.origin.url", "https://example.org/a.git"], cwd=life.workspace.root, check=True
    )


def shell(line: str, root: Path, environ: dict[str, str]) -> int:
    """Run a line as a runner does: it stops at the first command that fails."""
    return subprocess.run(["bash", "-eo", "pipefail", "-c", line], cwd=root, env=environ, check=False).returncode


def test_their_commands_run(life: Life) -> None:
    root = life.workspace.root
    program = root / "bin" / "clew"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clew "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_"))}
    environ = {**outer, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    branched(life, environ)
    life.close()
    for name, branch in ((".github/workflows/model.yml", "GITHUB_HEAD_REF"), (".gitlab-ci.yml", "CI_COMMIT_REF_NAME")):
        (root / "report.md").unlink(missing_ok=True)
        codes = {}
        for line in lines_of(name):
            if line.startswith("clew "):
                codes[line.split()[1]] = shell(line, root, {**environ, branch: f"faster-{branch}"})
        assert codes == {"run": 0, "report": 0, "gate": 1}, f"{name}: version 3 of {MODEL} takes the wind wrongly"
        report = (root / "report.md").read_text(encoding="utf-8")
        assert "| metric | main | " in report.replace("`", "")
        assert "main: 2" in report.replace("`", ""), "the third is of another repository"
        assert report.count("faster-") == report.count(f"faster-{branch}"), "branches of before are no part of it"
        assert f"faster-{branch} − main" in report.replace("`", "")
        assert "Gate: " in report
        assert "|---|---|--:|--:|---|" in report
