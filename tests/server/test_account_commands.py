"""The commands about users, tokens, members and projects: on the server's machine, and over HTTP with a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clew.cli.main import root
from clew.core.errors import Denied, NotFound
from clew.core.types.account import ProjectRole
from clew.workspace import init_project, open_workspace


def clew(*words: str, stdin: str = "") -> Any:
    done = CliRunner().invoke(root, [*words, "--json"], input=stdin, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    return said["items"] if isinstance(said, dict) and set(said) == {"items", "next"} else said


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


def test_on_the_servers_machine_nobody_is_asked_for_a_token(home: Path) -> None:
    init_project(home, name="late")
    assert clew("user", "add", "admin", "--admin")["admin"]
    assert clew("token", "add", "first")["secret"].startswith("clew_")
    clew("user", "add", "ann")
    assert clew("token", "add", "laptop", "--user", "ann", "--days", "1")["expires_us"]
    clew("member", "add", "ann", "contributor")
    assert clew("member", "list") == [{"user": "ann", "role": "contributor"}]
    clew("token", "revoke", "laptop", "--user", "ann")
    assert clew("token", "list", "--user", "ann")[0]["revoked_us"]
    clew("member", "remove", "ann")
    clew("user", "disable", "ann")
    assert {user["name"] for user in clew("user", "list") if user["disabled_us"]} == {"ann"}
    shown = CliRunner().invoke(root, ["user", "list"]).stdout
    assert "1970" not in shown
    assert shown.splitlines()[1].endswith("–")
    clew("user", "enable", "ann")
    assert not [user for user in clew("user", "list") if user["disabled_us"]]
    assert [event["facts"]["role"] for event in clew("events", "--kind", "member")] == [None, "contributor"]


def test_a_second_project_does_not_take_the_place_of_the_first(home: Path) -> None:
    init_project(home, name="late")
    with open_workspace() as workspace:
        mine = workspace.stores.project
    clew("project", "add", "earlier in the alphabet")
    with open_workspace() as workspace:
        assert workspace.stores.project == mine
    assert len(clew("project", "list")) == 2


def test_over_http_the_token_says_what_one_may(
    serve: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    admin = served.token("boss", admin=True)
    monkeypatch.setenv("CLEW_SERVER", f"{served.url}/projects/late")
    assert clew("login", served.url, stdin=f"{admin}\n")["user"] == "boss"
    clew("user", "add", "ann")
    secret = clew("token", "add", "laptop", "--user", "ann")["secret"]
    clew("member", "add", "ann", "viewer")
    assert clew("member", "list") == [{"user": "ann", "role": "viewer"}]
    clew("project", "add", "new")
    assert {project["name"] for project in clew("project", "list")} == {"late", "new", "other"}

    assert clew("login", served.url, stdin=secret)["projects"] == ["late"]
    assert clew("runs", "list") == []
    assert [token["name"] for token in clew("token", "list")] == ["laptop"]
    for words in (("user", "add", "bob"), ("member", "add", "ann", "admin"), ("token", "list", "--user", "boss")):
        with pytest.raises(Denied):
            clew(*words)
    clew("token", "revoke", "laptop")
    with pytest.raises(Denied, match="does not know this token"):
        clew("runs", "list")
    assert clew("logout", served.url)["forgotten"]
    with pytest.raises(Denied, match="asks for a token, and none is kept here") as caught:
        clew("runs", "list")
    assert f"clew login {served.url}" in caught.value.hint
    assert not clew("logout", served.url)["forgotten"]


def test_a_wrong_token_is_not_kept(serve: Callable[..., Any], home: Path, tmp_path: Path) -> None:
    served = serve()
    with pytest.raises(Denied) as refused:
        clew("login", served.url, stdin="clew_wrong\n")
    assert "clew token add" in refused.value.hint
    assert "CLEW_TOKEN" not in refused.value.hint
    assert not (tmp_path / "config").exists()


def test_login_names_the_project_of_the_servers_folder(serve: Callable[..., Any], home: Path) -> None:
    """Where the user has a role in it; `late` comes first in the alphabet, and was made first."""
    served = serve(own="q")
    for token, project in (
        (served.token("boss", admin=True), "other"),
        (served.token("ann", ProjectRole.VIEWER), "late"),
    ):
        said = CliRunner().invoke(root, ["login", served.url], input=token).stdout
        assert f'url = "{served.url}/projects/{project}"' in said


def test_what_login_says_to_write_is_enough(serve: Callable[..., Any], home: Path) -> None:
    served = serve()
    token = served.token("ann", ProjectRole.CONTRIBUTOR)
    said = CliRunner().invoke(root, ["login", served.url], input=token).stdout
    (home / "clew.toml").write_text(said[said.index("[server]") :])
    (home / "below").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(home / "below")
        assert clew("runs", "list") == []
        (home / "rows.csv").write_text("a,b\n1,2\n")
        clew("data", "add", "rows", str(home / "rows.csv"))
        assert [each["name"] for each in clew("data", "list")] == ["rows"]
    assert (home / ".clew" / ".gitignore").exists()


def test_who_is_logged_in_and_in_no_project_hears_how_to_name_one(serve: Callable[..., Any], home: Path) -> None:
    served = serve()
    with pytest.raises(NotFound) as missing:
        clew("runs", "list")
    assert missing.value.hint == "clew init makes one here"
    said = CliRunner().invoke(root, ["login", served.url], input=served.token("ann", ProjectRole.VIEWER)).stdout
    assert f"export CLEW_SERVER={served.url}/projects/late\n" in said
    with pytest.raises(NotFound) as missing:
        clew("runs", "list")
    assert f"set CLEW_SERVER={served.url}/projects/NAME" in missing.value.hint


def test_an_address_without_a_project_of_ones_own_names_them(
    serve: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    clew("login", served.url, stdin=served.token("ann", ProjectRole.VIEWER))
    (home / "clew.toml").write_text(f'[server]\nurl = "{served.url}/projects/laet"\n')
    with pytest.raises(NotFound, match="no project named 'laet'") as missing:
        clew("data", "list")
    assert missing.value.hint.startswith("did you mean late?")
    assert "other" not in missing.value.hint
    (home / "clew.toml").unlink()
    (home / ".clew").rename(home / "away")
    monkeypatch.setenv("CLEW_SERVER", served.url)
    with pytest.raises(NotFound) as missing:
        clew("runs", "list")
    assert missing.value.hint == "the address ends in /projects/NAME; yours here: late"
    monkeypatch.setenv("CLEW_TOKEN", served.token("bob"))
    with pytest.raises(NotFound) as missing:
        clew("runs", "list")
    assert "ask an admin" in missing.value.hint


def test_admins_do_not_lock_themselves_out(serve: Callable[..., Any], home: Path) -> None:
    served = serve()
    clew("login", served.url, stdin=served.token("boss", ProjectRole.ADMIN, admin=True))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CLEW_SERVER", f"{served.url}/projects/late")
        with pytest.raises(Denied, match="from outside"):
            clew("user", "disable", "boss")
