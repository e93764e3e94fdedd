#!/usr/bin/env bash
# Write the lock files: run.txt is what the program and its demo need, dev.txt adds tests, checks and docs.
# They hold versions and hashes for every platform, and no addresses: whoever installs uses their own index.
# Why so: docs/decisions/0002-lock-files.md. Arguments go to the resolver (--upgrade).
set -euo pipefail
cd "$(dirname "$0")/.."

compile() { # FILE GROUP...
  local file=$1 groups=()
  shift
  for group in "$@"; do groups+=(--group "$group"); done
  "${BIN:-.venv/bin}/uv" pip compile pyproject.toml --quiet --all-extras "${groups[@]}" \
    --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --output-file "$file" "${flags[@]}"
}

flags=("$@")
compile locks/dev.txt build test lint docs
flags=()
cp locks/dev.txt locks/run.txt # the resolver keeps the versions that it finds there, so that the two agree
compile locks/run.txt build
