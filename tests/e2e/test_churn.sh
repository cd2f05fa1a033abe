#!/usr/bin/env bash
# A thousand clients come and go in every manner; the listener is afterwards what it was: no zombie, descriptor, thread or count more.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
descriptors() { find "/proc/$SERVER/fd" -mindepth 1 | wc -l; }
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$SERVER/status"; }
churn() {
    PORT=$PORT python3 - "$1" <<'PYTHON'
import sys
from raw import *
for n in range(int(sys.argv[1])):
    kind = n % 6
    if kind == 0:                                   # silent
        Raw(proof=False).sock.close()
    elif kind == 1:                                 # a byte
        c = Raw(proof=False)
        c.send(b"A")
        c.sock.close()
    elif kind == 2:                                 # the proof, no more
        Raw().sock.close()
    elif kind == 3:                                 # reset
        c = Raw(proof=False)
        c.expect("H")
        c.reset()
    elif kind == 4:                                 # in the middle of a put
        c = Raw()
        c.send(frame("P", {"path": "cut"}) + frame("D", b"x" * 100, 200))
        c.sock.close()
    else:                                           # properly
        with Raw() as c:
            assert c.get("hello.txt") == b"Hello, drive!\n"
            c.send(frame("Q", {}))
            c.expect("K")
PYTHON
}
settled() { [ "$(children | wc -l)" -eq "$(wc -w <<<"$HOUSEHOLD")" ]; }

for mode in "" "--prefork 4"; do
    # shellcheck disable=SC2086 # the option and its value are two words
    serve $mode --max-clients 40 --max-per-address 40 --handshake-seconds 5
    churn 60 # what is allocated once is allocated now
    wait_for 10 settled
    fds=$(descriptors) rss=$(resident)
    churn 1000
    wait_for 10 settled
    [ -z "$(pgrep -P "$SERVER" -r Z)" ] || fail "there are zombies"
    [ "$(descriptors)" -eq "$fds" ] || fail "$fds descriptors before, $(descriptors) after: $(ls -l "/proc/$SERVER/fd")"
    [ "$(find "/proc/$SERVER/task" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ] || fail "the listener has threads"
    [ "$(resident)" -le $((rss + 1024)) ] || fail "the listener grew from $rss to $(resident) KiB"
    PORT=$PORT python3 -c '
from raw import *
held = [Raw() for _ in range(40)]
Raw(proof=False).ends_with("busy")
' || fail "the count of clients is not exact any more"
    stage_empty || fail "the stage is not empty"
    absent "$LIBRARY/cut"
    stop
done
