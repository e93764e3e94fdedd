"""Projects of a server: made by an admin, seen by members."""

from __future__ import annotations

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody

from clew.core.types.account import ProjectRole
from clew.core.types.project import Project
from clew.policy.access import Action
from clew.server.caller import Caller, projects_of
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
    """The projects in which the caller has a role: that of the server's folder first, the others by name."""
    host: Host = request.app.state.host
    found = projects_of(host, request.scope["user"].user)
    return [MyProject(id=each.id, name=each.name, created_us=each.created_us, role=role) for each, role in found]


@get("/{project:str}", opt={"action": Action.READ}, sync_to_thread=True)
def get_project(request: AnyRequest) -> Project:
    """One project."""
    caller: Caller = request.scope["user"]
    assert caller.project is not None  # the guard has looked it up
    return caller.project


projects_router = Router("/projects", route_handlers=[create_project, list_projects, get_project], tags=["projects"])
