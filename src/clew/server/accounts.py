"""Users, tokens and members over HTTP."""

from __future__ import annotations

import msgspec
from litestar import Router, delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from clew.core.errors import Denied, Invalid, NotFound
from clew.core.types.account import Member, ProjectRole, Token, User
from clew.core.types.edge import node
from clew.policy.access import Action
from clew.server.caller import new_token
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


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was just made. Its secret is shown here and never again."""

    id: str
    name: str
    user: str
    secret: str


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The role that a user is to have."""

    role: ProjectRole


@get("/me", opt={"anybody": True}, sync_to_thread=False)
def me(request: AnyRequest) -> User:
    """The user whose token this is."""
    user: User = request.scope["user"].user
    return user


@post("/users", sync_to_thread=True)
def add_user(request: AnyRequest, data: JSONBody[NewUser]) -> User:
    """Make a user; admins of the server only."""
    host: Host = request.app.state.host
    if not data.name.strip() or len(data.name) > 200:
        raise Invalid(f"{data.name!r} is no name for a user")
    user = User(id=host.ids(), name=data.name.strip(), created_us=host.clock.now_us(), admin=data.admin)
    with host.ledger.write() as tx:
        tx.accounts.add_user(user)
    return user


@get("/users", sync_to_thread=True)
def list_users(request: AnyRequest) -> list[User]:
    """All users, by name; admins of the server only."""
    host: Host = request.app.state.host
    with host.ledger.read() as tx:
        return tx.accounts.users()


@post("/tokens", opt={"anybody": True}, sync_to_thread=True)
def add_token(request: AnyRequest, data: JSONBody[NewToken]) -> Secret:
    """Make a token: for oneself, or, as an admin of the server, for anybody."""
    host: Host = request.app.state.host
    user = _owner(request, data.user)
    secret, token = new_token(host, user, name=data.name, expires_us=data.expires_us)
    with host.ledger.write() as tx:
        tx.accounts.put_token(token)
    return Secret(id=token.id, name=token.name, user=user.name, secret=secret)


@get("/tokens", opt={"anybody": True}, sync_to_thread=True)
def list_tokens(request: AnyRequest, user: FromQuery[str] = "") -> list[Token]:
    """The tokens of a user, without their secrets and what would check them."""
    host: Host = request.app.state.host
    owner = _owner(request, user)
    with host.ledger.read() as tx:
        return [msgspec.structs.replace(token, hash="") for token in tx.accounts.tokens(owner.id)]


@delete("/tokens/{id:str}", opt={"anybody": True}, sync_to_thread=True)
def revoke_token(request: AnyRequest, id: FromPath[str], user: FromQuery[str] = "") -> None:
    """End a token at once."""
    host: Host = request.app.state.host
    owner = _owner(request, user)
    with host.ledger.write() as tx:
        found = next((token for token in tx.accounts.tokens(owner.id) if token.id == id), None)
        if found is None:
            raise NotFound("token", id)
        if not found.revoked_us:
            tx.accounts.put_token(msgspec.structs.replace(found, revoked_us=host.clock.now_us()))


@get(_MEMBERS, opt={"action": Action.READ}, sync_to_thread=True)
def list_members(request: AnyRequest) -> dict[str, ProjectRole]:
    """Who is what in a project, by name."""
    stores = stores_of(request)
    with stores.ledger.read() as tx:
        members = tx.accounts.members(stores.project)
        return {tx.accounts.get_user(member.user).name: member.role for member in members}


@put(_MEMBERS + "/{user:str}", opt={"action": Action.ADMINISTER}, status_code=204, sync_to_thread=True)
def put_member(request: AnyRequest, user: FromPath[str], data: JSONBody[Given]) -> None:
    """Give a user a role in a project."""
    _change_member(request, user, data.role)


@delete(_MEMBERS + "/{user:str}", opt={"action": Action.ADMINISTER}, sync_to_thread=True)
def remove_member(request: AnyRequest, user: FromPath[str]) -> None:
    """Take the role of a user in a project away."""
    _change_member(request, user, None)


def _change_member(request: AnyRequest, name: str, role: ProjectRole | None) -> None:
    stores = stores_of(request)
    with stores.ledger.write() as tx:
        user = tx.accounts.find_user(name)
        if user is None:
            raise NotFound("user", name)
        if role is None:
            tx.accounts.remove_member(stores.project, user.id)
        else:
            tx.accounts.put_member(Member(project=stores.project, user=user.id, role=role))
        stores.tell(tx, "member.changed", node("user", user.id), {"name": name, "role": role})


def _owner(request: AnyRequest, name: str) -> User:
    """Whose tokens are meant: the caller's, or anybody's for an admin of the server."""
    host: Host = request.app.state.host
    me: User = request.scope["user"].user
    if name in ("", me.name):
        return me
    if not me.admin:
        raise Denied(f"{me.name} may not see or change tokens of {name}", hint="ask an admin of the server")
    with host.ledger.read() as tx:
        found = tx.accounts.find_user(name)
    if found is None:
        raise NotFound("user", name)
    return found


accounts_router = Router(
    "/",
    route_handlers=[
        me,
        add_user,
        list_users,
        add_token,
        list_tokens,
        revoke_token,
        list_members,
        put_member,
        remove_member,
    ],
    tags=["accounts"],
)
