"""What a ledger must do for users and members."""

from __future__ import annotations

import msgspec
import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Exists, NotFound
from clew.core.types.account import Member, ProjectRole, Token, User

__all__ = ["AccountsContract"]


class AccountsContract:
    """What holds for `clew.core.contracts.ledger.Accounts`."""

    def test_users_and_their_tokens(self, ledger: Ledger) -> None:
        ann = User(id="u1", name="ann", created_us=1, admin=True)
        token = Token(id="t1", user="u1", name="laptop", hash="h1", created_us=2)
        with ledger.write() as tx:
            tx.accounts.add_user(ann)
            tx.accounts.put_token(token)
        gone = msgspec.structs.replace(ann, disabled_us=5)
        over = msgspec.structs.replace(token, revoked_us=6)
        with ledger.write() as tx:
            with pytest.raises(Exists):
                tx.accounts.add_user(msgspec.structs.replace(ann, id="u2"))
            with pytest.raises(NotFound):
                tx.accounts.put_user(User(id="u9", name="bob", created_us=1))
            assert tx.accounts.find_token("h1") == token
            assert tx.accounts.find_token("h2") is None
            tx.accounts.put_user(gone)
            tx.accounts.put_token(over)
        with ledger.read() as tx:
            assert tx.accounts.find_user("ann") == tx.accounts.get_user("u1") == gone
            assert tx.accounts.find_user("bob") is None
            with pytest.raises(NotFound):
                tx.accounts.get_user("u9")
            assert tx.accounts.users() == [gone]
            assert tx.accounts.tokens("u1") == [over]

    def test_members_of_projects(self, ledger: Ledger) -> None:
        ann = Member(project="p", user="u1", role=ProjectRole.VIEWER)
        bob = Member(project="p", user="u2", role=ProjectRole.ADMIN)
        with ledger.write() as tx:
            tx.accounts.put_member(bob)
            tx.accounts.put_member(ann)
            tx.accounts.put_member(msgspec.structs.replace(ann, project="q"))
        more = msgspec.structs.replace(ann, role=ProjectRole.MAINTAINER)
        with ledger.write() as tx:
            tx.accounts.put_member(more)
            assert tx.accounts.remove_member("p", "u2")
            assert not tx.accounts.remove_member("p", "u2")
        with ledger.read() as tx:
            assert tx.accounts.members("p") == [more]
            assert tx.accounts.find_member("q", "u1") == msgspec.structs.replace(ann, project="q")
            assert tx.accounts.find_member("p", "u2") is None
