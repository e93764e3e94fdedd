#!/usr/bin/env bash
# Make a virtual environment with the first Python that will do. Usage: venv.sh FOLDER [PYTHON]
set -euo pipefail

folder=$1
seen=""
if [ $# -gt 1 ]; then candidates=("$2"); else candidates=(python3.13 python3.12 python3.11 python3.14 python3 python); fi

for python in "${candidates[@]}"; do
  # A name on PATH is not enough: version switchers put names there that run nothing.
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    seen="$seen $python is $version, which is too old;"
  elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    seen="$seen $python ($version) lacks venv (on Debian and Ubuntu: sudo apt install python$version-venv);"
  else
    echo "Making $folder with $python ($version)" >&2
    exec "$python" -m venv --clear "$folder"
  fi
done

echo "clew needs Python 3.11 or later, with its venv module:${seen:- none of ${candidates[*]} runs here;}" >&2
echo "  → install one, or name it: make PYTHON=/path/to/python3 …" >&2
exit 1
