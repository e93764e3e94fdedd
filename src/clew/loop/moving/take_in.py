"""A project that comes to a server: its rows are added in one transaction, read again, compared, and verified.

Its bytes are there already. A project that is there is replaced only by a later state of itself.
"""

from __future__ import annotations

from collections import Counter
from typing import BinaryIO

import msgspec

from clew.audit.verify import problems_in
from clew.core.contracts.stores import Stores
from clew.core.errors import Corrupt, Invalid
from clew.core.ids import Digest
from clew.core.types.project import Project
from clew.loop.moving.earlier import check_known_name, earlier_of, known_project
from clew.loop.moving.moved import not_as_they_were
from clew.loop.moving.shipment import KEPT_BACK, Bill, check_magic, read_bill, read_pages
from clew.store.ledger.sql.rows import ProjectRows
from clew.store.ledger.sql.transaction import SqlTransaction

__all__ = ["take_in"]


def take_in(stores: Stores, rows: Digest) -> Project:
    """Make the project of the rows in a stored shipment one of this ledger.

    Args:
        stores: where it is to be; its project is the one that comes.
        rows: the digest of the shipment, which is deleted; an object that is none stays.

    Raises:
        Exists: another project has its name.
        Conflict: the project is there, in a state that is not an earlier one, or under another name.
        Corrupt: the rows are not those that the shipment speaks of, or their chain of events does not hold.
        Invalid: they are of another version, or of another project.
    """
    with stores.objects.open(rows) as file:
        check_magic(file)
        try:
            bill = read_bill(file)
            if bill.project != stores.project:
                raise Invalid(f"the rows are of the project {bill.project}, not of {stores.project}")
            return _take_in(stores, bill, file)
        except msgspec.MsgspecError as error:
            hint = "look at it where it is: clew audit verify"
            raise Corrupt(f"a row cannot be read: {error}", hint=hint) from error
        finally:
            stores.objects.delete([rows])


def _take_in(stores: Stores, bill: Bill, file: BinaryIO) -> Project:
    with stores.ledger.write() as tx:
        assert isinstance(tx, SqlTransaction)
        check_known_name(tx, stores.project, bill.name)
        earlier = earlier_of(tx, stores.project)
        _replace(tx.rows_of(stores.project), bill, file)
        earlier.check(tx, stores.project)
        problems = problems_in(tx, stores.project)
        if problems:
            raise Corrupt(
                f"the events of this project do not hold: {problems[0].text}",
                hint="look at it where it is: clew audit verify",
            )
        project = known_project(tx, stores.project)
        if project is None or project.name != bill.name:
            raise Corrupt(f"there is no row of a project {bill.name!r} among the rows")
        return project


def _replace(there: ProjectRows, bill: Bill, file: BinaryIO) -> None:
    """Put rows in the place of those that are there, but for people's, and see that just these arrived."""
    members = list(there.pages("members"))
    there.clear()
    received: Counter[str] = Counter()
    for table, page in read_pages(file):
        there.add(table, page)
        received[table] += len(page)
    there.index()
    wrong = [
        table
        for table, counted in there.digests().items()
        if table not in KEPT_BACK
        and (bill.tables.get(table) != counted or received[table] != counted[0])  # another project's are not read again
    ]
    if wrong:
        raise not_as_they_were(wrong)
    for page in members:
        there.add("members", page)
