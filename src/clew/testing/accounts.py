"""The suite that every account service must pass. Subclass it and give an `accounts` fixture whose caller may do
everything, over a folder whose project is `late`, and a `known` fixture: the names of users that are there before."""

from __future__ import annotations

import pytest

from clew.core.contracts.accounts import AccountService
from clew.core.errors import Exists, Invalid, NotFound
from clew.core.types.account import ProjectRole

__all__ = ["AccountServiceContract"]

FAR_US = 1 << 62


class AccountServiceContract:
    """What holds for `clew.core.contracts.accounts.AccountService` wherever it runs."""

    @pytest.fixture
    def accounts(self) -> AccountService:
        raise NotImplementedError

    @pytest.fixture
    def known(self) -> set[str]:
        return set()

    def test_users_have_names_of_their_own(self, accounts: AccountService, known: set[str]) -> None:
        ann = accounts.add_user("ann")
        assert (ann.name, ann.admin, ann.disabled_us) == ("ann", False, 0)
        assert accounts.add_user("root", admin=True).admin
        with pytest.raises(Exists):
            accounts.add_user("ann")
        with pytest.raises(Exists, match="'ann'"):
            accounts.add_user("Ann")
        blank = ("", " ", " ann", "an n", "ann\n", "ann\u00a0", "ann\u200b", "ann\u202e", "ann\u3164", "an\x07n")
        for name in (*blank, "\u0430nn", "\uff41nn", "a\u0301nn", "-ann", "a/b", "x" * 129):
            with pytest.raises(Invalid, match="no name for a user"):
                accounts.add_user(name)
        assert accounts.add_user("ann.lee+ci@example.org").name == "ann.lee+ci@example.org"
        assert {user.name for user in accounts.users()} == {"ann", "root", "ann.lee+ci@example.org"} | known

    def test_disabled_stays_disabled(self, accounts: AccountService) -> None:
        accounts.add_user("ann")
        first = accounts.disable_user("ann")
        assert first.disabled_us
        assert accounts.disable_user("ann") == first
        with pytest.raises(NotFound):
            accounts.disable_user("nobody")

    def test_a_disabled_user_comes_back_as_before(self, accounts: AccountService) -> None:
        ann = accounts.add_user("ann")
        accounts.put_member("ann", ProjectRole.VIEWER)
        accounts.disable_user("ann")
        assert accounts.enable_user("ann") == ann
        assert accounts.enable_user("ann") == ann
        assert accounts.members()["ann"] is ProjectRole.VIEWER
        with pytest.raises(NotFound):
            accounts.enable_user("nobody")

    def test_tokens_are_shown_once(self, accounts: AccountService) -> None:
        accounts.add_user("ann")
        made = accounts.add_token("ann", "laptop", expires_us=FAR_US)
        assert made.secret.startswith("clew_")
        assert len(made.secret) > 40
        [kept] = accounts.tokens("ann")
        assert (kept.id, kept.name, kept.hash, kept.expires_us) == (made.id, "laptop", "", FAR_US)
        with pytest.raises(Invalid, match="over already"):
            accounts.add_token("ann", "old", expires_us=5)
        with pytest.raises(NotFound):
            accounts.add_token("nobody", "laptop")

    def test_tokens_are_revoked_by_id_or_name(self, accounts: AccountService) -> None:
        accounts.add_user("ann")
        one, two, three = (accounts.add_token("ann", name) for name in ("a", "a", "b"))
        with pytest.raises(Invalid, match="2 tokens"):
            accounts.revoke_token("ann", "a")
        accounts.revoke_token("ann", one.id)
        accounts.revoke_token("ann", "a")
        revoked = {token.id for token in accounts.tokens("ann") if token.revoked_us}
        assert revoked == {one.id, two.id}
        assert three.id not in revoked
        accounts.revoke_token("ann", three.id[:24])
        assert all(token.revoked_us for token in accounts.tokens("ann"))
        with pytest.raises(NotFound):
            accounts.revoke_token("ann", "a")

    def test_members_have_one_role(self, accounts: AccountService) -> None:
        accounts.add_user("ann")
        accounts.put_member("ann", ProjectRole.VIEWER)
        accounts.put_member("ann", ProjectRole.MAINTAINER)
        assert accounts.members() == {"ann": ProjectRole.MAINTAINER}
        accounts.remove_member("ann")
        accounts.remove_member("ann")
        assert accounts.members() == {}
        with pytest.raises(NotFound):
            accounts.put_member("nobody", ProjectRole.VIEWER)

    def test_projects_are_made(self, accounts: AccountService) -> None:
        assert accounts.add_project("new").name == "new"
        with pytest.raises(Exists):
            accounts.add_project("new")
        assert "new" in {project.name for project in accounts.projects()}

    def test_projects_begin_with_that_of_the_folder(self, accounts: AccountService) -> None:
        for name in ("zebra", "a"):
            accounts.add_project(name)
        own, *others = [project.name for project in accounts.projects()]
        assert own == "late"
        assert others == sorted(others)
        assert {"a", "zebra"} <= set(others)
