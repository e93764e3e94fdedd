"""Users, tokens and members over HTTP."""

from __future__ import annotations

import msgspec
from litestar import Router, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from clew.core.errors import Denied
from clew.core.types.account import ProjectRole, Secret, Token, User
from clew.policy.access import Action
from clew.policy.accounts import LedgerAccounts
from clew.server.host import Host
from clew.server.request import AnyRequest, stores_of

__all__ = ["accounts_router"]

_MEMBERS = "/projects/{project:str}/members"


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user that is to be made."""

    name: str
    admin: bool = False


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is for, and when it ends; 0 for never. `user` is the caller when it is empty."""

    name: str
    user: str = ""
    expires_us: int = 0


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The role that a user is to have."""

    role: ProjectRole


def _accounts(request: AnyRequest) -> LedgerAccounts:
    host: Host = request.app.state.host
    return host.accounts(actor=request.scope["user"].user.name)


@get("/me", opt={"anybody": True}, sync_to_thread=False)
def me(request: AnyRequest) -> User:
    """The user whose token this is."""
    user: User = request.scope["user"].user
    return user


@post("/users", sync_to_thread=True)
def add_user(request: AnyRequest, data: JSONBody[NewUser]) -> User:
    """Make a user; admins of the server only."""
    return _accounts(request).add_user(data.name, admin=data.admin)


@get("/users", sync_to_thread=True)
def list_users(request: AnyRequest) -> list[User]:
    """All users, by name; admins of the server only."""
    return _accounts(request).users()


@post("/users/{user:str}/disabled", status_code=200, sync_to_thread=True)
def disable_user(request: AnyRequest, user: FromPath[str]) -> User:
    """Let a user do nothing any more; admins of the server only, and not themselves."""
    me: User = request.scope["user"].user
    if user == me.name:
        raise Denied(f"{user} would lock the door from outside", hint="another admin can do that")
    return _accounts(request).disable_user(user)


@delete("/users/{user:str}/disabled", status_code=200, sync_to_thread=True)
def enable_user(request: AnyRequest, user: FromPath[str]) -> User:
    """Let a disabled user act again; admins of the server only."""
    return _accounts(request).enable_user(user)


@post("/tokens", opt={"anybody": True}, sync_to_thread=True)
def add_token(request: AnyRequest, data: JSONBody[NewToken]) -> Secret:
    """Make a token: for oneself, or, as an admin of the server, for anybody."""
    return _accounts(request).add_token(_owner(request, data.user), data.name, expires_us=data.expires_us)


@get("/tokens", opt={"anybody": True}, sync_to_thread=True)
def list_tokens(request: AnyRequest, user: FromQuery[str] = "") -> list[Token]:
    """The tokens of a user, without their secrets and what would check them."""
    return _accounts(request).tokens(_owner(request, user))


@delete("/tokens/{id:str}", opt={"anybody": True}, sync_to_thread=True)
def revoke_token(request: AnyRequest, id: FromPath[str], user: FromQuery[str] = "") -> None:
    """End a token at once."""
    _accounts(request).revoke_token(_owner(request, user), id)


@get(_MEMBERS, opt={"action": Action.READ}, sync_to_thread=True)
def list_members(request: AnyRequest) -> dict[str, ProjectRole]:
    """Who is what in a project, by name."""
    return LedgerAccounts(stores_of(request)).members()


@put(_MEMBERS + "/{user:str}", opt={"action": Action.ADMINISTER}, status_code=204, sync_to_thread=True)
def put_member(request: AnyRequest, user: FromPath[str], data: JSONBody[Given]) -> None:
    """Give a user a role in a project."""
    LedgerAccounts(stores_of(request)).put_member(user, data.role)


@delete(_MEMBERS + "/{user:str}", opt={"action": Action.ADMINISTER}, sync_to_thread=True)
def remove_member(request: AnyRequest, user: FromPath[str]) -> None:
    """Take the role of a user in a project away."""
    LedgerAccounts(stores_of(request)).remove_member(user)


def _owner(request: AnyRequest, name: str) -> str:
    """Whose tokens are meant: the caller's, or anybody's for an admin of the server."""
    me: User = request.scope["user"].user
    if name not in ("", me.name) and not me.admin:
        raise Denied(f"{me.name} may not see or change tokens of {name}", hint="ask an admin of the server")
    return name or me.name


accounts_router = Router(
    "/",
    route_handlers=[
        me,
        add_user,
        list_users,
        disable_user,
        enable_user,
        add_token,
        list_tokens,
        revoke_token,
        list_members,
        put_member,
        remove_member,
    ],
    tags=["accounts"],
)
