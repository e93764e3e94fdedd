"""Who calls: the token of a request, looked up, and what its user may do. Deny by default.

A handler says in `opt={"action": …}` what it does; one that says nothing needs an admin of the server. A token comes
as `Authorization: Bearer TOKEN`, or as the password of `Basic`, which is how clients of other trackers send one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler

from clew.core.errors import Denied, Invalid, NotFound
from clew.core.hashing import hash_bytes
from clew.core.ids import is_id
from clew.core.loopback import is_foreign
from clew.core.types.account import ProjectRole, User
from clew.core.types.edge import node
from clew.core.types.project import Project
from clew.policy.access import Action, may
from clew.server.host import Host

__all__ = ["Caller", "admit", "authenticate", "guard", "project_for", "projects_of"]

_MOST_SHOWN = 20
_Connection = ASGIConnection[Any, Any, Any, Any]
_ANYBODY = User(id="", name="anybody", created_us=0, admin=True)


class Caller(msgspec.Struct, frozen=True):
    """The user behind a request, and the project that its path names."""

    user: User
    project: Project | None = None


def authenticate(host: Host, authorization: str, *, address: str = "", foreign: bool = False) -> User:
    """The user whose token this is.

    Nothing secret is compared here: what is looked up is the digest of 256 random bits, and how far a look-up of a
    digest got says nothing about them.

    Args:
        host: the projects.
        authorization: the header.
        address: where the request came from; one that shows many wrong tokens has to wait.
        foreign: whether a browser sent it for somebody else, as `clew.core.loopback` tells.

    Raises:
        NotAuthorizedException: there is no token, or it is unknown, revoked, over, or of a disabled user.
        HTTPException: 429, the address has to wait.
        Denied: nobody needs a token here, and the request is foreign.
    """
    if host.open:
        if foreign:
            raise Denied(
                "this server asks nobody for a token: it answers programs of this machine, and no page but its own",
                hint="call it as localhost, or start it without --open",
            )
        return _ANYBODY
    secret = _secret_of(authorization)
    if not secret:
        raise _unknown("a token is needed: Authorization: Bearer TOKEN")
    digest = hash_bytes(secret.encode("utf-8", "surrogateescape"))
    waits_s = host.doorkeeper.waits_s(address, digest)
    if waits_s:
        headers = {"retry-after": str(int(waits_s) + 1)}
        raise HTTPException("too many wrong tokens from this address", status_code=429, headers=headers)
    with host.ledger.read() as tx:
        token = tx.accounts.find_token(digest)
        if token is None or token.revoked_us or 0 < token.expires_us <= host.clock.now_us():
            raise _unknown("this token is unknown, revoked or over")
        user = tx.accounts.get_user(token.user)
    if user.disabled_us:
        raise _unknown("this user is disabled")
    host.doorkeeper.good(digest)
    return user


def guard(connection: _Connection, handler: BaseRouteHandler) -> None:
    """Let a request through to its handler, or refuse it; what is refused to a known user is an event."""
    host: Host = connection.app.state.host
    action, name = handler.opt.get("action"), connection.path_params.get("project")
    address = connection.client.host if connection.client is not None else ""
    user = admit(host, connection.headers, address, project=name)
    if action is None or name is None:
        if not (user.admin or handler.opt.get("anybody")):
            raise Denied(f"{user.name} does not run this server", hint="ask who does")
        connection.scope["user"] = Caller(user, _arriving(connection.path_params.get("arriving")))
        return
    project = project_for(host, user, name, action)
    connection.scope["user"] = Caller(user, project)


def admit(host: Host, headers: Mapping[str, str], address: str, *, project: str | None) -> User:
    """The user behind a request; an address that showed too many wrong tokens is an event.

    Args:
        host: the projects.
        headers: `authorization`, `host` and `origin` among them.
        address: where the request came from.
        project: what it is about, if it names one.
    """
    foreign = is_foreign(headers.get("host", ""), headers.get("origin", ""))
    try:
        return authenticate(host, headers.get("authorization", ""), address=address, foreign=foreign)
    except NotAuthorizedException:
        if host.doorkeeper.refused(address):
            _tell_refused(host, project, address)
        raise


def project_for(host: Host, user: User, name: str, action: Action) -> Project:
    """The project of a name, if the user may do this in it; what is refused is an event.

    Raises:
        NotFound: there is none, or none that the user has a role in.
        Denied: the user's role does not allow it.
    """
    project, member = host.find_project(name), None
    if project is not None and not user.admin:
        with host.ledger.read() as tx:
            member = tx.accounts.find_member(project.id, user.id)
    role = ProjectRole.ADMIN if user.admin else member.role if member is not None else None
    if project is None or role is None:
        if project is not None:
            _deny(host, project, user, action)
        raise _no_project(host, user, name)  # whoever has no role does not learn whether it exists
    if not may(role, action):
        _deny(host, project, user, action)
        raise Denied(f"{user.name} is {role} of {name} and may not {action}", hint="ask an admin of the project")
    return project


def projects_of(host: Host, user: User) -> list[tuple[Project, ProjectRole]]:
    """The projects in which a user has a role, and the roles: that of the server's folder first, the others by name."""
    with host.ledger.read() as tx:
        projects = sorted(tx.projects.list(), key=lambda project: project.id != host.own)
        if user.admin:
            return [(project, ProjectRole.ADMIN) for project in projects]
        members = [(project, tx.accounts.find_member(project.id, user.id)) for project in projects]
    return [(project, member.role) for project, member in members if member is not None]


def _no_project(host: Host, user: User, name: str) -> NotFound:
    known = [project.name for project, _ in projects_of(host, user)]
    shown = ", ".join([*known[:_MOST_SHOWN], *(["…"] if len(known) > _MOST_SHOWN else [])])
    hint = f"the address ends in /projects/NAME; yours here: {shown}" if known else "ask an admin for a role in one"
    return NotFound("project", name, near=get_close_matches(name, known, n=3), hint=hint)


def _arriving(id: str | None) -> Project | None:
    """The project of an id, for who runs the server: it may not be there yet.

    Raises:
        Invalid: that is no id.
    """
    if id is None:
        return None
    if not is_id(id):
        raise Invalid(f"{id!r} is no id of a project", hint="32 hex digits")
    return Project(id=id, name="", created_us=0)


def _tell_refused(host: Host, name: str | None, address: str) -> None:
    """Say in the project that was asked for that a token was refused: once a minute and address, or whoever has none
    could fill the ledger."""
    project = host.find_project(name) if name else None
    if project is None:
        return
    stores = host.stores(project, actor="nobody")
    with host.ledger.write() as tx:
        stores.tell(tx, "access.refused", node("project", project.id), {"address": address})


def _deny(host: Host, project: Project, user: User, action: Action) -> None:
    if not host.doorkeeper.refused(f"{user.id} {project.id} {action}"):
        return  # told within the last minute
    stores = host.stores(project, actor=user.name)
    with host.ledger.write() as tx:
        stores.tell(tx, "access.denied", node("user", user.id), {"action": action})


def _secret_of(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _unknown(said: str) -> NotAuthorizedException:
    return NotAuthorizedException(said, headers={"WWW-Authenticate": 'Basic realm="clew"'})
