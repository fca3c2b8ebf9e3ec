#!/bin/sh
# Installs what the peers need beside their languages: Express with npm, FastAPI with pip, both in folders here. The
# receivers as usually written and the tuned ones share them: uvicorn's extras are there for both, and only the tuned
# one is told to use them.
# nginx and php-fpm come from the system's packages (Debian: nginx-light php-fpm php8.x-opcache php-apcu).
set -eu
cd "$(dirname "$0")"
if command -v npm >/dev/null; then
    (cd express && npm ci --no-audit --no-fund)
else
    echo "npm is missing: no Express" >&2
fi
if command -v python3 >/dev/null; then
    python3 -m venv fastapi/.venv
    fastapi/.venv/bin/pip install --quiet --disable-pip-version-check -r fastapi/requirements.txt
else
    echo "python3 is missing: no FastAPI" >&2
fi
