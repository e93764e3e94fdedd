"""The ledger: rows, in transactions, one small repository per aggregate. Design: docs/design/ledger.md.

Stores are embedded or server side only. What user code acts through are the services
(`clew.core.contracts.services`), which capabilities implement over a ledger and a client implements over HTTP.

Verbs: `get` raises `NotFound`, `find` may return None, `list` pages, newest first unless it says otherwise, `add`
makes something new (`Exists` when its unique name is taken), `put` is idempotent and replaces.
"""

from __future__ import annotations

from clew.core.contracts.ledger.accounts import Accounts
from clew.core.contracts.ledger.beats import Beats
from clew.core.contracts.ledger.datasets import Datasets, Logs
from clew.core.contracts.ledger.edges import Edges
from clew.core.contracts.ledger.endpoints import Alerts, Endpoints, Trials, Windows
from clew.core.contracts.ledger.events import Events
from clew.core.contracts.ledger.jobs import Jobs
from clew.core.contracts.ledger.ledger import Durability, Ledger
from clew.core.contracts.ledger.logged_models import LoggedModels, RunInputs
from clew.core.contracts.ledger.mentions import Mentions
from clew.core.contracts.ledger.models import Models
from clew.core.contracts.ledger.projects import Projects
from clew.core.contracts.ledger.runs import Artifacts, Experiments, Runs
from clew.core.contracts.ledger.series import SeriesBlocks
from clew.core.contracts.ledger.steps import Steps
from clew.core.contracts.ledger.transaction import Transaction

__all__ = [
    "Accounts",
    "Alerts",
    "Artifacts",
    "Beats",
    "Datasets",
    "Durability",
    "Edges",
    "Endpoints",
    "Events",
    "Experiments",
    "Jobs",
    "Ledger",
    "LoggedModels",
    "Logs",
    "Mentions",
    "Models",
    "Projects",
    "RunInputs",
    "Runs",
    "SeriesBlocks",
    "Steps",
    "Transaction",
    "Trials",
    "Windows",
]
