"""Looks for secrets in what would be stored, by name and by content.

A tripwire, not proof: it knows the shapes of common keys. What it finds is left out and named, never shown.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from fnmatch import fnmatch
from itertools import chain

__all__ = ["find_secret", "mask_words", "strip_userinfo"]

_NAMES = (
    ".env .env.* *.pem *.key *.p12 *.pfx *.jks *.keystore *.kdbx id_rsa id_dsa id_ecdsa id_ed25519 .netrc _netrc "
    ".pypirc .npmrc .pgpass .htpasswd credentials .secrets kubeconfig *credentials*.json service-account*.json "
    "service_account*.json secrets.json secrets.toml secrets.yaml secrets.yml"
)
_SAFE_NAMES = (".env.example", ".env.sample", ".env.template")
# Kind, a part that every one of the kind contains (looking for it is cheap), and the shape.
_SHAPES = [
    ("a private key", b"PRIVATE KEY", rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("an AWS key", b"AKIA", rb"\bAKIA[0-9A-Z]{16}\b"),
    ("an AWS key", b"ASIA", rb"\bASIA[0-9A-Z]{16}\b"),
    ("a GitHub token", b"gh", rb"\bgh[pousr]_[A-Za-z0-9]{36,}"),
    ("a GitHub token", b"github_pat_", rb"\bgithub_pat_[A-Za-z0-9_]{50,}"),
    ("a GitLab token", b"glpat-", rb"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", b"xox", rb"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    ("an API key", b"sk-", rb"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{24,}"),
    ("a Google key", b"AIza", rb"\bAIza[0-9A-Za-z_-]{35}"),
    ("a Hugging Face token", b"hf_", rb"\bhf_[A-Za-z0-9]{30,}"),
    ("a signed token", b"eyJ", rb"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("a password in an address", b"://", rb"://[^\s/:@'\"{}<>\[\]]{1,100}:[^\s/@'\"{}<>\[\]]{4,100}@"),
]
_ASSIGNED = re.compile(
    rb"(?:key|secret|passwd|password|token)[\w.\-]{0,30}['\"]?\]?\s*[:=]\s*['\"]([^'\"\s]{16,200})['\"]", re.IGNORECASE
)
_EXPORTED = re.compile(
    rb"^[ \t]{0,40}(?:%(?:set_)?env|!?export)[ \t]{1,4}\w{0,40}(?:key|secret|passwd|password|token)\w{0,40}"
    rb"[ \t]{0,4}[= \t][ \t]{0,4}['\"]?([^'\"\s${}]{16,200})",
    re.IGNORECASE | re.MULTILINE,
)
"""In cells of notebooks and scripts of shells; what they take from elsewhere, `$NAME` or `{name}`, is no secret."""
_FLAG = re.compile(r"(?i)(?:^|[-_])(?:key|secret|passwd|password|token|credentials?)$")
_BITS_PER_CHARACTER = 3.5


def find_secret(path: str, data: bytes) -> str:
    """What kind of secret a file seems to hold, and where; empty when none was found.

    Args:
        path: its name; some names are enough.
        data: its bytes.
    """
    name = path.rpartition("/")[2].lower()
    if name not in _SAFE_NAMES and any(fnmatch(name, pattern) for pattern in _NAMES.split()):
        return "its name is one of a file of secrets"
    for kind, part, shape in _SHAPES:
        found = re.search(shape, data) if part in data else None
        if found is not None:
            return f"line {_line(data, found.start())} seems to hold {kind}"
    for assigned in chain(_ASSIGNED.finditer(data), _EXPORTED.finditer(data)):
        if _is_random(assigned[1]):
            return f"line {_line(data, assigned.start())} seems to assign a secret"
    return ""


def mask_words(words: list[str]) -> list[str]:
    """A command line in which the values of `--token` and the like, and anything shaped like a secret, are `***`."""
    masked, hide = [], False
    for word in words:
        flag, equals, value = word.partition("=")
        names_secret = _FLAG.search(flag) is not None
        if hide or find_secret("", word.encode(errors="replace")):
            masked.append("***")
        elif equals and names_secret and value:
            masked.append(f"{flag}=***")
        else:
            masked.append(word)
        hide = word.startswith("-") and not equals and names_secret
    return masked


def strip_userinfo(address: str) -> str:
    """An address without the user and password in it."""
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/@]*@", r"\1", address)


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def _is_random(word: bytes) -> bool:
    """Whether a word looks drawn rather than written: letters and digits, and many bits in each."""
    if not (re.search(rb"[0-9]", word) and re.search(rb"[A-Za-z]", word)):
        return False
    counts = Counter(word).values()
    bits = -sum(n / len(word) * math.log2(n / len(word)) for n in counts)
    return bits >= _BITS_PER_CHARACTER
