#!/usr/bin/env bash
# pyftpdlib's functional tests, the widest there are for an FTP server, find in this one what they expect, but for what is listed in
# pyftpdlib_shim.py with the paragraph that decides it.
. "$(dirname "$0")/ftp.sh"

# Its tests are in the source archive alone; kept in target/, since they do not change.
VERSION=2.2.0
KEPT=$REPO/target/e2e/pyftpdlib-$VERSION
SUM=4ba0642078792df63dd3b2e9c8f838f2a3ecf428c7518d5921c0530d53512acf
if [ ! -e "$KEPT/complete" ]; then
    rm -rf "$KEPT"
    mkdir -p "$KEPT"
    venv() { python3 -m venv --clear "$KEPT/python" >"$OUT" 2>&1; }
    if ! venv; then
        [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null ||
            { apt_get update && apt_get install -y --no-install-recommends python3-venv; } >"$OUT" 2>&1 || true
        venv || lacking "venv of Python"
    fi
    {
        timeout 90 "$KEPT/python/bin/pip" --disable-pip-version-check download -q --no-deps --no-binary :all: \
            -d "$KEPT" "pyftpdlib==$VERSION" &&
            echo "$SUM  $KEPT/pyftpdlib-$VERSION.tar.gz" | sha256sum -c --quiet &&
            timeout 90 "$KEPT/python/bin/pip" --disable-pip-version-check install -q "$KEPT/pyftpdlib-$VERSION.tar.gz" psutil pytest &&
            tar -xzf "$KEPT/pyftpdlib-$VERSION.tar.gz" -C "$KEPT"
    } >"$OUT" 2>&1 || lacking "pyftpdlib from PyPI ($(tail -n 1 "$OUT"))"
    touch "$KEPT/complete"
fi

# Their user and password; whoever is not a user reads.
PASSWORD=12345 FTP_PASSWORD=12345
add_user user --rights all
tables='[anonymous]
rights = ["list", "get"]'
export FTP_IPV6_PORT=0
ipv6=false
if python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null; then
    ipv6=true
    tables+='
[[listen]]
address = "[::1]:0"
protocol = "ftp"
tls = "optional"
login = "optional"
active = true'
fi
serve_ftp $'active = true\ndata_seconds = 4\nlogin = "optional"' '' '' "$tables"
if $ipv6; then
    v6() { grep -q 'listening on ftp://\[::1\]' "$LOG"; }
    wait_for 10 v6
    FTP_IPV6_PORT=$(grep -Eo 'listening on ftp://\[::1\]:[0-9]+' "$LOG" | grep -Eo '[0-9]+$')
fi
PYTHONPATH='' "$KEPT/python/bin/python" "$HERE/pyftpdlib_shim.py" "$KEPT/pyftpdlib-$VERSION/tests" nobody "$@"
