"""Secrets are found by name and by shape; code about secrets is not one."""

from __future__ import annotations

import pytest

from clew.tracking.capture.secrets import find_secret, mask_words, strip_userinfo

# Put together here, so that this file is no secret itself.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
RANDOM = "q7Rz0PxLw2" + "Vb9TkYh4Nd"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        (f"x\ny = '{AWS}'", "line 2 seems to hold an AWS key"),
        (f"token {GITHUB}", "GitHub"),
        ("sk-" + "proj-" + RANDOM * 2, "API key"),
        ("hf_" + RANDOM * 2, "Hugging Face"),
        ("AIza" + "S" * 35, "Google"),
        ("postgres://user:" + "hunter22" + "@host/db", "password in an address"),
        (f'API_KEY = "{RANDOM}"', "assign"),
        (f'{{"client_secret": "{RANDOM}"}}', "assign"),
        (f"password: '{RANDOM}'", "assign"),
        (f'os.environ["API_KEY"] = "{RANDOM}"', "assign"),
        (f"x = 1\n%env API_KEY={RANDOM}", "line 2 seems to assign"),
        (f"%set_env API_TOKEN {RANDOM}", "assign"),
        (f"!export DB_PASSWORD='{RANDOM}'", "assign"),
    ],
)
def test_shapes_are_found(text: str, kind: str) -> None:
    assert kind in find_secret("train.py", text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "def token(secret_key: str) -> str: return os.environ['API_TOKEN']",
        'password = "the-name-of-a-variable"',
        'key = "aaaaaaaaaaaaaaaa1111111111111111"',
        "risk-adjusted",
        "see https://example.org:8080/a@b",
        'cache_key = f"{project}/{name}"',
        "%env API_KEY=${NAME_OF_1_VARIABLE_9}",
        "export API_KEY={key_of_1234567890}",
        f"%env MODEL={RANDOM}",
        "",
    ],
)
def test_ordinary_code_is_not_a_secret(text: str) -> None:
    assert find_secret("train.py", text.encode()) == ""


@pytest.mark.parametrize("name", [".env", "a/.env.local", "server.pem", "id_rsa", ".netrc", "my-credentials-1.json"])
def test_names_are_enough(name: str) -> None:
    assert "its name" in find_secret(name, b"")


@pytest.mark.parametrize("name", [".env.example", "secrets.py", "credentials.md", "key.py", "monkey.py"])
def test_names_of_code_are_not(name: str) -> None:
    assert find_secret(name, b"") == ""


def test_words_of_a_command_are_masked() -> None:
    words = ["train.py", "--token", "abc", "--api-key=xyz", "--lr", "0.1", AWS, "password=hunter", "--keys", "a"]
    assert mask_words(words) == [
        "train.py", "--token", "***", "--api-key=***", "--lr", "0.1", "***", "password=***", "--keys", "a",
    ]  # fmt: skip


def test_addresses_lose_user_and_password() -> None:
    assert strip_userinfo("https://me:secret@host/a.git") == "https://host/a.git"
    assert strip_userinfo("git@host:a/b.git") == "git@host:a/b.git"
