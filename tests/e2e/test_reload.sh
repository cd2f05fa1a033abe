#!/usr/bin/env bash
# SIGHUP: new settings and a new secret hold for new clients, old sessions go on, and a broken file changes nothing but is named.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
configure() { # max_clients, and a line more
    config <<END
library = "library"
secret_file = "secret"
max_clients = $1
$2
[[listen]]
address = "127.0.0.1:0"
END
}
reload() {
    local before
    before=$(grep -c "$1" "$LOG" || true)
    kill -HUP "$SERVER"
    wait_for 5 said_again "$1" "$before"
}
said_again() { [ "$(grep -c "$1" "$LOG")" -gt "$2" ]; }

for prefork in 0 2; do
    rm -f "$SCRATCH/hold"
    mkfifo "$SCRATCH/hold"
    printf '0123456789abcdef0123456789abcdef\n' >"$SECRET"
    configure 2 "prefork = $prefork"
    launch serve --config "$SCRATCH/forkftpd.toml"

    # A session from before the changes: it answers at the end as at the beginning.
    PORT=$PORT start_in_background python3 -c '
import sys
from raw import *
c = Raw()
print("in", flush=True)
open(sys.argv[1]).read()
assert c.get("hello.txt") == b"Hello, drive!\n"
' "$SCRATCH/hold" >"$SCRATCH/old-session" 2>&1
    old=$STARTED_PID
    wait_for 5 grep -q in "$SCRATCH/old-session"

    fills() { # exactly so many more clients come in
        PORT=$PORT python3 - "$1" <<'PYTHON'
import sys
from raw import *
held = [Raw() for _ in range(int(sys.argv[1]))]
for _ in range(3):
    Raw(proof=False).ends_with("busy")
for c in held:
    c.alive()
PYTHON
    }
    fills 1
    configure 4 "prefork = $prefork"
    reload 'reloaded'
    wait_for 5 fills 3

    # Broken: said with its place, and nothing changes.
    configure 1 "prefrok = 3"
    reload 'forkftpd.toml:4'
    wait_for 5 fills 3
    configure 1 "max_per_address = \"many\""
    reload 'forkftpd.toml:4'
    wait_for 5 fills 3
    mv "$SECRET" "$SCRATCH/elsewhere"
    configure 1 ""
    reload 'secret'
    FORKFTP_SECRET_FILE=$SCRATCH/elsewhere wait_for 5 fills 3
    mv "$SCRATCH/elsewhere" "$SECRET"

    # A new secret: for those who come now.
    printf 'the second secret of this server\n' >"$SCRATCH/second"
    chmod 600 "$SCRATCH/second"
    expect_status 4 "$FORKFTP" --secret-file "$SCRATCH/second" list "$URL/"
    cp "$SECRET" "$SCRATCH/first"
    cp "$SCRATCH/second" "$SECRET"
    configure 4 "prefork = $prefork"
    reload 'reloaded'
    wait_for 5 "$FORKFTP" --secret-file "$SCRATCH/second" list "$URL/"
    for _ in 1 2 3 4 5; do
        expect_status 0 "$FORKFTP" --secret-file "$SCRATCH/second" get "$URL/hello.txt" -o - >/dev/null
        same "$LIBRARY/hello.txt" "$OUT"
        expect_status 4 "$FORKFTP" --secret-file "$SCRATCH/first" list "$URL/"
    done

    echo >"$SCRATCH/hold"
    wait "$old" || fail "the old session did not go on: $(cat "$SCRATCH/old-session")"
    stop
done
