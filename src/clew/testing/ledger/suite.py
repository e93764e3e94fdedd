"""Everything that a ledger must do."""

from __future__ import annotations

from clew.testing.ledger.accounts import AccountsContract
from clew.testing.ledger.beats import BeatsContract
from clew.testing.ledger.datasets import DatasetsContract
from clew.testing.ledger.edges import EdgesContract
from clew.testing.ledger.endpoints import EndpointsContract
from clew.testing.ledger.events import EventsContract
from clew.testing.ledger.jobs import JobsContract
from clew.testing.ledger.logged_models import LoggedModelsContract
from clew.testing.ledger.mentions import MentionsContract
from clew.testing.ledger.models import ModelsContract
from clew.testing.ledger.projects import ProjectsContract
from clew.testing.ledger.runs import RunsContract
from clew.testing.ledger.series import SeriesContract
from clew.testing.ledger.steps import StepsContract
from clew.testing.ledger.transactions import TransactionsContract

__all__ = ["LedgerContract"]


class LedgerContract(
    TransactionsContract,
    AccountsContract,
    BeatsContract,
    DatasetsContract,
    EdgesContract,
    EndpointsContract,
    EventsContract,
    JobsContract,
    LoggedModelsContract,
    MentionsContract,
    ModelsContract,
    ProjectsContract,
    RunsContract,
    SeriesContract,
    StepsContract,
):
    """What holds for every ledger."""
