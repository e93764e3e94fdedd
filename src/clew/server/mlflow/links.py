"""Where the links lead that MLflow's clients print of runs and models: to the command that shows the same.

Not the page of clew; a browser keeps what stands behind the `#` to itself, so that the answer has to look there.
"""

from __future__ import annotations

import base64
import hashlib

__all__ = ["HEADERS", "PAGE"]

_SCRIPT = """
const place = decodeURIComponent(location.hash);
const run = place.match(/runs\\/([0-9a-f]{32})/), version = place.match(/models\\/([^/]+)\\/versions\\/(\\d+)/);
const command = run ? `clew runs show ${run[1]}` : version ? `clew model show '${version[1]}@${version[2]}'`
  : place.includes("models") ? "clew model list" : "clew runs list";
document.getElementById("command").textContent = command;
const base = location.pathname.replace(/\\/+$/, "");
document.getElementById("server").textContent =
  location.origin + (base.includes("/projects/") ? base : base + "/projects/NAME");
"""
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; }
code { overflow-wrap: anywhere; }
pre { padding: .75rem 1rem; border: 1px solid; border-radius: 6px; overflow-x: auto; }
"""
PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>clew</title>
<style>{_STYLE}</style>
<p>This is a server of clew; it has no page here. In the project's folder, or in any folder after
<code>clew login</code> and with <code>CLEW_SERVER=<span id="server">URL/projects/NAME</span></code>:
<pre id="command">clew runs list</pre>
<script>{_SCRIPT}</script></html>
""".encode()


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


HEADERS = [
    (
        b"content-security-policy",
        f"default-src 'none'; script-src 'sha256-{_digest(_SCRIPT)}'; style-src 'sha256-{_digest(_STYLE)}'".encode(),
    )
]
