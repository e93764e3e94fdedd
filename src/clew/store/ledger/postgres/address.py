"""Where a PostgreSQL database is, and how to speak of it without saying its password."""

from __future__ import annotations

from urllib.parse import quote

from clew.core.errors import Invalid
from clew.core.extras import require

__all__ = ["FORM", "Address"]

FORM = "postgresql://USER@HOST/DATABASE"

# A server that vanished is noticed within half a minute; what the address itself says comes first.
_DEFAULTS = {
    "application_name": "clew",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class Address:
    """A parsed address; `str()` of it holds no secret.

    Args:
        url: `postgresql://USER@HOST/DATABASE`, as libpq reads it; what it leaves out comes from the `PG*` variables
            and `~/.pgpass`.

    Raises:
        Invalid: it is no such address. The text is not repeated, since it may hold a password.
        MissingExtra: psycopg is not installed.
    """

    def __init__(self, url: str) -> None:
        psycopg = require("psycopg")
        if not url.startswith(("postgresql://", "postgres://")):
            raise Invalid("the ledger's address does not begin with postgresql://", hint=f"for example: {FORM}")
        try:
            self.parts: dict[str, str] = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            raise Invalid(
                "the ledger's address cannot be read",
                hint=f"write it as {FORM}, with special characters as percent codes (@ is %40)",
            ) from None

    @property
    def options(self) -> dict[str, str]:
        """Every option of the connection, those with the password too."""
        return {**_DEFAULTS, **self.parts}

    def __str__(self) -> str:
        user, host, port = (self.parts.get(name, "") for name in ("user", "host", "port"))
        place = (f"{user}@" if user else "") + ("" if host.startswith("/") else host) + (f":{port}" if port else "")
        query = f"?host={host}" if host.startswith("/") else ""
        return f"postgresql://{place}/{quote(self.parts.get('dbname', ''))}{query}"
