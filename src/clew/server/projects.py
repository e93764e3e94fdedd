"""Projects of a server: made by an admin, seen by members."""

from __future__ import annotations

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody

from clew.core.types.account import ProjectRole
from clew.core.types.project import Project
from clew.policy.access import Action
from clew.server.caller import Caller
from clew.server.host import Host
from clew.server.request import AnyRequest

__all__ = ["projects_router"]


class NewProject(msgspec.Struct, frozen=True, kw_only=True):
    """The name of a project that is to be made."""

    name: str


class MyProject(msgspec.Struct, frozen=True, kw_only=True):
    """A project, and what the caller is in it."""

    id: str
    name: str
    created_us: int
    role: ProjectRole


@post("/", sync_to_thread=True)
def create_project(request: AnyRequest, data: JSONBody[NewProject]) -> Project:
    """Make a project; admins of the server only."""
    host: Host = request.app.state.host
    caller: Caller = request.scope["user"]
    return host.accounts(actor=caller.user.name).add_project(data.name)


@get("/", opt={"anybody": True}, sync_to_thread=True)
def list_projects(request: AnyRequest) -> list[MyProject]:
    """The projects in which the caller has a role, by name."""
    host: Host = request.app.state.host
    user = request.scope["user"].user
    found = []
    with host.ledger.read() as tx:
        for project in tx.projects.list():
            member = tx.accounts.find_member(project.id, user.id)
            role = ProjectRole.ADMIN if user.admin else member.role if member is not None else None
            if role is not None:
                found.append(MyProject(id=project.id, name=project.name, created_us=project.created_us, role=role))
    return found


@get("/{project:str}", opt={"action": Action.READ}, sync_to_thread=True)
def get_project(request: AnyRequest) -> Project:
    """One project."""
    caller: Caller = request.scope["user"]
    assert caller.project is not None  # the guard has looked it up
    return caller.project


projects_router = Router("/projects", route_handlers=[create_project, list_projects, get_project], tags=["projects"])
