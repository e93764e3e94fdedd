#!/usr/bin/env bash
# Write the lock files: build.txt is what builds packages, run.txt adds what the program and its demo need, dev.txt
# adds tests, checks and docs; mlflow.txt is an environment of its own, for tests with the real client and server.
# They hold versions and hashes for every platform, and no addresses: whoever installs uses their own index.
# Why so: docs/decisions/0002-lock-files.md. Arguments go to the resolver (--upgrade).
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # FILE ARGUMENTS...
  "${BIN:-.venv/bin}/uv" pip compile --quiet --output-file "$@" \
    --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
}

compile locks/dev.txt pyproject.toml --all-extras --group build --group test --group lint --group docs "$@"
# The resolver keeps the versions that it finds in a file, so that all files agree.
cp locks/dev.txt locks/run.txt
compile locks/run.txt pyproject.toml --all-extras --group build
cp locks/dev.txt locks/build.txt
compile locks/build.txt --group build
compile locks/mlflow.txt --group mlflow "$@"
