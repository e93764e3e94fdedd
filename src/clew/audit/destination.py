"""Where checkpoints are kept: a file that only grows, or a branch of a git repository. Neither is ever rewritten."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from clew.core.errors import Conflict, Corrupt, Invalid, NotFound, Unavailable

__all__ = ["BRANCH", "Destination", "FileDestination", "GitDestination", "destination_of"]

BRANCH = "clew-checkpoints"
_NEXT = Callable[[Sequence[str]], "str | None"]
_PATIENCE_S = 60.0
_ZEROS = "0" * 40


class Destination(Protocol):
    """A list of lines that only grows."""

    def lines(self) -> list[str]:
        """What is there; empty when nothing is yet."""
        ...

    def append(self, make: _NEXT, message: str) -> None:
        """Add the line that `make` gives for those that are there; nothing when it gives None. One at a time."""
        ...


def destination_of(text: str, *, base: Path, project: str) -> Destination:
    """A destination as people write it: `git:PATH` of a repository, or the path of a file.

    Args:
        text: what they wrote.
        base: where relative paths start.
        project: the id, which names the file in a repository.
    """
    path = text.removeprefix("git:")
    if not path:
        raise Invalid(f"{text!r} names no place for checkpoints", hint="write a file, or git:PATH of a repository")
    where = base / Path(path).expanduser()
    return GitDestination(where, f"{project}.jsonl") if path != text else FileDestination(where)


class FileDestination:
    """A file. The line survives *power* when `append` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[str]:
        try:
            return _lines(self.path.read_bytes(), str(self.path))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be read: {error.strerror}") from error

    def append(self, make: _NEXT, message: str) -> None:  # noqa: ARG002 - a file keeps no message
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            line = make(self.lines())
            if line is not None:
                os.write(number, line.encode() + b"\n")
                os.fsync(number)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}") from error
        finally:
            os.close(number)


class GitDestination:
    """A file on the branch `clew-checkpoints` of a repository, one commit for each line.

    Neither the checked-out files nor the index nor any other branch is touched, and nothing is pushed.

    Args:
        path: the repository, bare or not.
        name: of the file.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self._name = path, name

    def lines(self) -> list[str]:
        return self._lines_at(self._tip())

    def append(self, make: _NEXT, message: str) -> None:
        tip = self._tip()
        lines = self._lines_at(tip)
        line = make(lines)
        if line is None:
            return
        content = "".join(f"{each}\n" for each in [*lines, line])
        blob = self._git("hash-object", "-w", "--stdin", given=content.encode())
        others = self._git("ls-tree", tip).splitlines() if tip else []
        entries = [entry for entry in others if entry.partition("\t")[2] != self._name]
        tree = self._git("mktree", given="\n".join([*entries, f"100644 blob {blob}\t{self._name}", ""]).encode())
        commit = self._git("commit-tree", tree, *(["-p", tip] if tip else []), "-m", message)
        try:
            self._git("update-ref", f"refs/heads/{BRANCH}", commit, tip or _ZEROS)
        except Unavailable as error:
            raise Conflict(f"somebody else added a checkpoint to {self.path} meanwhile", hint="repeat it") from error

    def _tip(self) -> str:
        if not self._git("rev-parse", "--git-dir", missing=True):
            raise NotFound("git repository", str(self.path), hint=f"git init {self.path}")
        return self._git("rev-parse", "-q", "--verify", f"refs/heads/{BRANCH}", missing=True)

    def _lines_at(self, tip: str) -> list[str]:
        if not tip or not self._git("ls-tree", tip, self._name):
            return []
        content = self._git("cat-file", "blob", f"{tip}:{self._name}", raw=True)
        return _lines(content.encode(), f"{self._name} on {BRANCH} of {self.path}")

    def _git(self, *words: str, given: bytes = b"", missing: bool = False, raw: bool = False) -> str:
        """Run git; what it says. With `missing`, "" where it fails."""
        program = shutil.which("git")
        if program is None:
            raise Unavailable("git is not installed", hint="keep checkpoints in a file instead")
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
        done = subprocess.run(  # noqa: S603 - our own words, and names that we made
            [program, "-C", str(self.path), "-c", "commit.gpgSign=false", *words],
            input=given,
            capture_output=True,
            timeout=_PATIENCE_S,
            env={**os.environ, **who},
            check=False,
        )
        if done.returncode and not missing:
            what = done.stderr.decode(errors="replace").strip().splitlines()
            raise Unavailable(f"git {words[0]} in {self.path} failed: {what[-1] if what else done.returncode}")
        said = "" if done.returncode else done.stdout.decode()
        return said if raw else said.strip()


_WHO = {"NAME": "clew", "EMAIL": "clew@localhost"}


def _lines(content: bytes, where: str) -> list[str]:
    if content and not content.endswith(b"\n"):
        raise Corrupt(f"the last line of {where} is cut off", hint="remove what stands behind its last line feed")
    return content.decode(errors="replace").splitlines()
