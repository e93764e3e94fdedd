"""Alerts: raised once for one finding, recorded as events, and sent to the project's webhook.

The row and the event are what counts, and stand in the transaction of whatever was found; a webhook that does not
answer is said in the log and holds nothing up.
"""

from __future__ import annotations

import http.client
import logging
import urllib.request
from collections.abc import Iterable, Sequence

import msgspec

from clew.core.contracts.ledger import Transaction
from clew.core.contracts.stores import Stores
from clew.core.types.edge import node
from clew.core.types.endpoint import Alert, Endpoint, Severity

__all__ = ["Finding", "add_alerts", "tell"]

_log = logging.getLogger("clew.alerts")
_PATIENCE_S = 5.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What may become an alert.

    `key` names it, such as `drift/VERSION/SINCE/COLUMN`: the same finding again is no second alert; its first part is
    the kind. `at_us` is the event time that it speaks of, `text` one sentence for people, `facts` JSON values for
    machines.
    """

    key: str
    severity: Severity
    at_us: int
    text: str
    facts: dict[str, object] = {}


def add_alerts(tx: Transaction, stores: Stores, endpoint: Endpoint, findings: Iterable[Finding]) -> list[Alert]:
    """Raise an alert for each finding that this endpoint has none of yet.

    Returns:
        The new ones, to `tell` once the transaction is through.
    """
    now_us = stores.clock.now_us()
    raised = []
    for finding in findings:
        alert = Alert(
            id=stores.ids(),
            endpoint=endpoint.id,
            key=finding.key,
            kind=finding.key.partition("/")[0],
            severity=finding.severity,
            at_us=finding.at_us,
            raised_us=now_us,
            text=finding.text,
            facts=finding.facts,
        )
        if not tx.alerts.raise_(alert):
            continue
        raised.append(alert)
        facts = {"key": alert.key, "text": alert.text, "severity": alert.severity.value}
        stores.tell(tx, "alert.raised", node("endpoint", endpoint.id), facts)
    return raised


def tell(endpoint: Endpoint, alerts: Sequence[Alert], *, webhook: str = "") -> None:
    """Log alerts, and send them to a webhook, as one JSON document each; after the first failure no more are sent."""
    for alert in alerts:
        level = logging.INFO if alert.severity is Severity.NOTE else logging.WARNING
        _log.log(level, "%s: %s", endpoint.name, alert.text)
    for sent, alert in enumerate(alerts if webhook else ()):
        try:
            _send(webhook, endpoint, alert)
        except (OSError, ValueError, http.client.HTTPException) as error:
            _log.warning("%d alerts could not be sent to the webhook: %s", len(alerts) - sent, error)
            return


def _send(webhook: str, endpoint: Endpoint, alert: Alert) -> None:
    body = msgspec.json.encode({**msgspec.to_builtins(alert), "endpoint": endpoint.name})
    request = urllib.request.Request(webhook, data=body, headers={"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=_PATIENCE_S):  # noqa: S310 - settings allow http and https only
        pass
