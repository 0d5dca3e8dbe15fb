#!/usr/bin/env bash
# Make .venv at the root with the program and everything its tests need. Does nothing when that is
# there already for this pyproject.toml. Called by `make setup`.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "setup: lianmai needs Python 3.11 or newer. Install it (Debian: apt-get install python3),"
    say "       or name one: make setup PYTHON=/path/to/python3"
    return 1
}

# Two makes at once (an editor's and a person's) take turns; the lock ends with this script.
if command -v flock >/dev/null; then
    exec 9<pyproject.toml
    flock 9
fi

stamp=".venv/.setup-$(cksum <pyproject.toml | tr ' ' '-')"
if [ -e "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

python=$(find_python)
say "setup: making .venv with $("$python" --version) ..."
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    say "setup: this Python cannot make virtual environments. On Debian or Ubuntu:"
    say "           apt-get install python3-venv"
    exit 1
fi
# An environment whose Python has gone (an upgrade, a moved folder) is made anew.
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -m venv --clear .venv
fi
say "setup: installing packages (a few minutes the first time) ..."
if ! .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[test]'; then
    say "setup: packages could not be installed; the lines above say why. Then: make setup"
    exit 1
fi
rm -f .venv/.setup-*
: >"$stamp"
say "setup: done. Next: make run"
