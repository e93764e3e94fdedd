"""Alerts: raised once for one finding, recorded as events, and sent to the project's webhook.

The row and the event are what counts; a webhook that does not answer is said in the log and holds nothing up.
"""

from __future__ import annotations

import logging
import urllib.error
import urllib.request

import msgspec

from clew.core.contracts.stores import Stores
from clew.core.types.edge import node
from clew.core.types.endpoint import Alert, Endpoint, Severity
from clew.core.types.event import Event

__all__ = ["raise_alert"]

_log = logging.getLogger("clew.alerts")
_PATIENCE_S = 5.0


def raise_alert(
    stores: Stores,
    endpoint: Endpoint,
    *,
    key: str,
    severity: Severity,
    at_us: int,
    text: str,
    facts: dict[str, object],
    webhook: str = "",
) -> bool:
    """Raise an alert; False when this endpoint has one with the key already.

    Args:
        stores: the project.
        endpoint: what it is about.
        key: names the finding, such as `drift/2013-02-01/v7`; its first part is the kind.
        severity: how much it matters.
        at_us: event time of the finding.
        text: one sentence for people.
        facts: JSON values for machines.
        webhook: where to send it, or empty.
    """
    alert = Alert(
        id=stores.ids(),
        endpoint=endpoint.id,
        key=key,
        kind=key.partition("/")[0],
        severity=severity,
        at_us=at_us,
        raised_us=stores.clock.now_us(),
        text=text,
        facts=facts,
    )
    with stores.ledger.write() as tx:
        if not tx.alerts.raise_(alert):
            return False
        tx.events.add(
            Event(
                id=stores.ids(),
                project=stores.project,
                at_us=alert.raised_us,
                actor=stores.actor,
                kind="alert.raised",
                subject=node("endpoint", endpoint.id),
                facts={"key": key, "text": text, "severity": severity.value},
            )
        )
    _log.log(logging.WARNING if severity is not Severity.NOTE else logging.INFO, "%s: %s", endpoint.name, text)
    if webhook:
        _send(webhook, endpoint, alert)
    return True


def _send(webhook: str, endpoint: Endpoint, alert: Alert) -> None:
    body = msgspec.json.encode({"endpoint": endpoint.name, **msgspec.to_builtins(alert)})
    request = urllib.request.Request(webhook, data=body, headers={"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S):  # noqa: S310 - settings allow http and https only
            pass
    except (urllib.error.URLError, OSError) as error:
        _log.warning("the alert %s could not be sent to the webhook: %s", alert.key, error)
