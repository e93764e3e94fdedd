"""Jobs over HTTP: `clew.core.contracts.services.JobService`."""

from __future__ import annotations

from litestar import Router, get, post
from litestar.params import FromPath, FromQuery

from clew.core.types.job import Job, JobState
from clew.policy.access import Action
from clew.server.request import AnyRequest, checked_limit, services_of

__all__ = ["jobs_router"]


@get("/jobs", opt={"action": Action.READ}, sync_to_thread=True)
def list_jobs(
    request: AnyRequest, of_state: FromQuery[JobState | None] = None, limit: FromQuery[int] = 100
) -> list[Job]:
    """Jobs, newest first; of one state, where one is given."""
    return services_of(request).jobs.list(state=of_state, limit=checked_limit(limit))


@post("/jobs/{id:str}/cancel", opt={"action": Action.MANAGE}, status_code=200, sync_to_thread=True)
def cancel_job(request: AnyRequest, id: FromPath[str]) -> Job:
    """Take a job that nobody has begun out of the queue."""
    return services_of(request).jobs.cancel(id)


jobs_router = Router("/", route_handlers=[list_jobs, cancel_job], tags=["jobs"])
