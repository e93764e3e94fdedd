"""What names and values may be, with the messages of MLflow's own server."""

from __future__ import annotations

import json
import posixpath
import re
from functools import lru_cache
from urllib.parse import SplitResult

from clew.server.mlflow.refusal import invalid

__all__ = [
    "bad_value",
    "check_batch",
    "check_batch_bytes",
    "check_experiment_name",
    "check_experiment_tag",
    "check_host",
    "check_length",
    "check_model_name",
    "check_name",
    "check_registry_tag",
    "checked_param",
    "checked_tag",
    "experiment_number",
    "version_number",
]

_BATCH_BYTES = 1_000_000
_METRICS, _PARAMS, _ENTITIES = 1000, 100, 1000
_KEY, _PARAM, _TAG, _EXPERIMENT_TAG, _REGISTRY_TAG, _EXPERIMENT_NAME = 250, 6000, 8000, 20_000, 100_000, 500
_NAME = re.compile(r"[/\w.\- :]*")
_BAD = (
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:)"
    " and slashes (/)."
)


def bad_value(path: str, value: object, why: str = "") -> str:
    """The message about one value."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"Invalid value {shown} for parameter '{path}' supplied{': ' + why if why else '.'}"


@lru_cache(maxsize=4096)
def _why_bad(name: str) -> str:
    """Why a name of a metric, parameter or tag is refused; empty when it is not."""
    if not _NAME.fullmatch(name):
        return _BAD
    plain = posixpath.normpath(name)
    if plain != name or plain == "." or plain.startswith(("..", "/")):
        return (
            "Names may be treated as files in certain cases, and must not resolve to other names"
            f" when treated as such. This name would resolve to {plain!r}"
        )
    return ""


def check_name(name: str, path: str) -> None:
    """Refuse what cannot name a metric, parameter or tag."""
    why = _why_bad(name)
    if why:
        raise invalid(bad_value(path, name, why))


def check_length(what: str, most: int, value: str) -> None:
    """Refuse a text that is too long."""
    if len(value) > most:
        raise invalid(f"'{what}' exceeds the maximum length of {most} characters")


def checked_param(key: str, value: str, path: str = "") -> tuple[str, str]:
    """A parameter, its value cut where it is too long."""
    check_name(key, f"{path}.key" if path else "key")
    check_length("Param key", _KEY, key)
    return key, value[:_PARAM]


def checked_tag(key: str, value: str, path: str = "") -> tuple[str, str]:
    """A tag of a run, its value cut where it is too long."""
    where = f"{path}.key" if path else "key"
    check_name(key, where)
    check_length(where, _KEY, key)
    return key, value[:_TAG]


def check_experiment_tag(key: str, value: str) -> None:
    """Refuse what is no tag of an experiment."""
    check_name(key, "key")
    check_length("key", _KEY, key)
    check_length("value", _EXPERIMENT_TAG, value)


def check_registry_tag(key: str, value: str) -> None:
    """Refuse what is no tag of a model or of a version."""
    check_name(key, "key")
    check_length("key", _KEY, key)
    check_length("value", _REGISTRY_TAG, value)


def check_host(parts: SplitResult, field: str) -> None:
    """Refuse an address of files at another host that clients would send their token of this server to."""
    if parts.scheme in ("http", "https") or (parts.scheme == "mlflow-artifacts" and parts.netloc):
        raise invalid(
            f"'{field}' cannot use the '{parts.scheme}' scheme: clients that read it would send their token of this "
            "server to the host that it names."
        )


def check_experiment_name(name: str) -> None:
    """Refuse what is no name of an experiment."""
    if not name:
        raise invalid(f"Invalid experiment name: '{name}'")
    check_length("name", _EXPERIMENT_NAME, name)


def check_model_name(name: str, field: str = "name") -> None:
    """Refuse what is no name of a registered model."""
    if not name.strip():
        raise invalid(f"Missing value for required parameter '{field}'.")
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    why = _why_bad(name)
    if why and why != _BAD:
        raise invalid(bad_value("name", name, why))
    if "@" in name or name.startswith("~") or len(name) > 256:
        raise invalid(f"Invalid model name '{name}'. Names cannot contain '@', begin with '~', or pass 256 characters.")


def experiment_number(id: str) -> int:
    """The number of an experiment."""
    try:
        return int(id)
    except ValueError:
        raise invalid(f"Invalid experiment ID '{id}'. Experiment ID must be a valid integer.") from None


def version_number(version: str) -> int:
    """The number of a model version."""
    try:
        return int(version)
    except ValueError:
        raise invalid(f"Parameter 'version' must be an integer, got '{version}'.") from None


def check_batch(metrics: int, params: int, tags: int) -> None:
    """Refuse too much in one batch."""
    for what, most, count in (
        ("metrics", _METRICS, metrics),
        ("params", _PARAMS, params),
        ("tags", _PARAMS, tags),
        ("metrics, params, and tags", _ENTITIES, metrics + params + tags),
    ):
        if count > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {what}. Got {count} {what}. "
                f"Please split up {what} across multiple requests and try again."
            )


def check_batch_bytes(body: bytes) -> None:
    """Refuse a batch that is too long."""
    if len(body) > _BATCH_BYTES:
        raise invalid(
            f"Batched logging API requests must be at most {_BATCH_BYTES} bytes, got a request of size {len(body)}."
        )
