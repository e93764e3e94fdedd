"""What git says of a working tree: commit, branch, remote, and which files there are. Asks the `git` command."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clew.tracking.capture.secrets import strip_userinfo

__all__ = [
    "GitState",
    "branch_of_job",
    "find_repository",
    "is_ignored",
    "list_files",
    "read_git",
    "repository_name",
    "short_revision",
]

_TIMEOUT_S = 10.0
_DIGITS = 12
_JOB_BRANCHES = (
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_REF_NAME",
    "BRANCH_NAME",
    "BUILD_SOURCEBRANCHNAME",
)
"""What GitHub, GitLab, Jenkins and Azure Pipelines say, requests to merge first."""


class GitState(msgspec.Struct, frozen=True, kw_only=True):
    """A commit, and what differs from it. `changed` and `untracked` are paths relative to the root of the tree."""

    commit: str
    branch: str
    remote: str
    changed: list[str]
    untracked: list[str]

    @property
    def dirty(self) -> bool:
        """Whether the tree is not what the commit says."""
        return bool(self.changed or self.untracked)


def find_repository(start: Path) -> Path | None:
    """The nearest folder upwards that is the root of a git working tree."""
    for folder in [start, *start.parents]:
        if (folder / ".git").exists():
            return folder
    return None


def read_git(root: Path) -> GitState | None:
    """The state of a working tree; None where git is missing, too slow, or does not take it for one."""
    status = _git(root, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames")
    if status is None:
        return None
    heads: dict[str, str] = {}
    changed, untracked = [], []
    for line in status.split("\0"):
        if line.startswith("# "):
            key, _, value = line[2:].partition(" ")
            heads[key] = value
        elif line.startswith("? "):
            untracked.append(line[2:])
        elif line[:2] in ("1 ", "u "):
            changed.append(line.split(" ", 8 if line[0] == "1" else 10)[-1])
    commit, branch = heads.get("branch.oid", ""), heads.get("branch.head", "")
    return GitState(
        commit="" if commit == "(initial)" else commit,
        branch=branch_of_job(os.environ) if branch == "(detached)" else branch,
        remote=strip_userinfo((_git(root, "config", "--get", "remote.origin.url") or "").strip()),
        changed=sorted(changed),
        untracked=sorted(untracked),
    )


def branch_of_job(environ: Mapping[str, str]) -> str:
    """The branch that a job of continuous integration is for: such jobs check out a commit without its branch."""
    return next((environ[name] for name in _JOB_BRANCHES if environ.get(name)), "")


def repository_name(remote: str) -> str:
    """Host and path of a repository, however its address reaches it: over HTTPS, SSH, or as `git@HOST:PATH`."""
    place = re.sub(r"^([a-z][a-z0-9+.-]*://)?([^/@]*@)?", "", remote.lower())
    return re.sub(r"^([^/:]+):(\d+/|/)?", r"\1/", place).rstrip("/").removesuffix(".git")


def short_revision(commit: str) -> str:
    """The first digits of a commit, with the `+` of changes that were not committed."""
    return commit[:_DIGITS] + ("+" if commit.endswith("+") else "")


def list_files(root: Path) -> list[str] | None:
    """Tracked files, and untracked ones that are not ignored; None where git is too slow, or refuses."""
    found = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    return None if found is None else sorted(path for path in found.split("\0") if path)


def is_ignored(root: Path, folder: Path) -> bool:
    """Whether a working tree leaves out a folder within it."""
    return folder != root and _git(root, "check-ignore", "--quiet", str(folder)) is not None


def _git(root: Path, *words: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            ["git", "-C", str(root), *words],  # noqa: S607 - the user's own git
            env=environment,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
