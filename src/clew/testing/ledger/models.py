"""What a ledger must do for models and their aliases."""

from __future__ import annotations

import pytest

from clew.core.contracts.ledger import Ledger
from clew.core.errors import Conflict, Exists, NotFound
from clew.core.types.model import Model
from clew.testing.ledger.examples import a_model_version, a_move, change

__all__ = ["ModelsContract"]


class ModelsContract:
    """What holds for `clew.core.contracts.ledger.Models`."""

    def test_models_and_aliases(self, ledger: Ledger) -> None:
        with ledger.write() as tx:
            tx.models.add(Model(id="m", project="p", name="delay", created_us=1))
            for number in (1, 2):
                tx.models.add_version(a_model_version(number))
            with pytest.raises(Conflict):
                tx.models.add_version(a_model_version(2))
            assert tx.models.newest("m") == a_model_version(2)
            assert tx.models.find_version("m", 1) == tx.models.version("v1") == a_model_version(1)
            assert [version.number for version in tx.models.versions("m").items] == [2, 1]
            tx.models.move_alias(a_move(1, 1))
            tx.models.move_alias(a_move(2, 2))
            tx.models.move_alias(a_move(1, 1, alias="baseline"))
            with pytest.raises(Conflict):
                tx.models.move_alias(a_move(2, 1))
            assert [(move.alias, move.number) for move in tx.models.aliases("m")] == [("baseline", 1), ("champion", 2)]
            assert [move.number for move in tx.models.moves("m", "champion")] == [1, 2]
            assert tx.models.move("m", "champion", 2) == a_move(2, 2)
            with pytest.raises(NotFound):
                tx.models.move("m", "champion", 3)
            tx.models.move_alias(change(a_move(3, 0), version=""))
            assert [move.alias for move in tx.models.aliases("m")] == ["baseline"]
            assert [move.number for move in tx.models.moves("m", "champion")] == [1, 2, 0]

    def test_models_change_and_go(self, ledger: Ledger) -> None:
        model = Model(id="m", project="p", name="delay", created_us=1)
        with ledger.write() as tx:
            tx.models.add(model)
            tx.models.add(Model(id="n", project="p", name="other", created_us=1))
            with pytest.raises(Exists):
                tx.models.put(change(model, name="other"))
            tx.models.add_version(a_model_version(1))
            tx.models.put_version(change(a_model_version(1), tags={"a": "b"}))
            assert tx.models.version("v1").tags == {"a": "b"}
            with pytest.raises(NotFound):
                tx.models.put_version(a_model_version(2))
            tx.models.put(change(model, name="~m", deleted_us=5))
            assert [each.name for each in tx.models.list("p")] == ["other"]
            assert tx.models.find("p", "delay") is None
            tx.models.add(change(model, id="m2"))
