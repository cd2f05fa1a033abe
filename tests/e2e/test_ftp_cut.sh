#!/usr/bin/env bash
# An upload that fails half-way is never seen: whoever looks finds the old file byte for byte, or none where there was none, whatever
# failed, plain and under TLS; and what is kept of it for resuming is a private partial and nothing else.
. "$(dirname "$0")/ftp.sh"
# Whoever has not connected after 1 s is not going to.
serve_ftp 'data_seconds = 1'

# No one is to see anything else at any moment: what is looked at meanwhile is OLD, NEW or nothing.
cat >watch.py <<'PYTHON'
import sys, time
from ftp_cut import NEW, OLD
seen = {None}
while True:
    try:
        with open(sys.argv[1], "rb") as file:
            found = file.read()
    except FileNotFoundError:
        found = None
    if found not in (None, OLD, NEW):
        with open(sys.argv[2], "ab") as report:
            report.write(b"%d bytes of something else\n" % len(found))
        break
    time.sleep(0.002)
PYTHON
start_in_background python3 watch.py "$LIBRARY/cut-target.bin" seen
WATCHER=$STARTED_PID

cut() { python3 "$HERE/ftp_cut.py" 127.0.0.1 "$PORT" "$FTP_USER" "$FTP_PASSWORD" "$LIBRARY" "$@" >rows 2>"$ERR" || fail "$(cat rows "$ERR")"; }

# row MODE STATE REPLY: the row of that mode says so, and nothing of another name is left beside it.
row() {
    local found
    found=$(grep -P "^$1\t" rows) || fail "no row of $1: $(cat rows)"
    [[ $found =~ ^"$1"$'\t'$2$'\t'$3$ ]] || fail "$1 ${WAY[*]}: ${found//$'\t'/ }, not $2 with $3"
}

for way in '' '--tls' '--fresh' '--tls --fresh'; do
    read -ra WAY <<<"$way"
    modes=ok,kill,kill-control-first,rst,rst-both,nodata,abor,allo
    case $way in *tls*) modes+=,no-notify ;; esac
    cut "${WAY[@]}" --modes "$modes"
    case $way in *fresh*) old=GONE ;; *) old=OLD ;; esac
    row ok NEW 226
    row kill "$old" -
    row kill-control-first "$old" -
    row rst "$old" 426
    row rst-both "$old" -
    row nodata "$old" 425
    row abor "$old" '426\+226'
    row allo "$old" 426
    case $way in *tls*) row no-notify "$old" 426 ;; esac
    wait_for 10 no_sessions
    stage_empty || fail "the stage is not empty: $(ls -A "$LIBRARY/.forkftp/stage")"
    # So small a beginning is not kept for resuming.
    partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp" -type f)"
    OLD_IS=$old python3 - <<'PYTHON'
import os
from ftp_cut import OLD
from ftp_raw import Ftp
with Ftp(int(os.environ["PORT"]), user=os.environ["FTP_USER"], password=os.environ["FTP_PASSWORD"]) as ftp:
    ftp.expect("TYPE I", 200)
    if os.environ["OLD_IS"] == "OLD":
        assert ftp.expect("SIZE cut-target.bin", 213).lines == [b"213 500000"] and ftp.get("cut-target.bin") == OLD
        assert list(ftp.names()) == [b"cut-target.bin"], ftp.names()
    else:
        ftp.expect("SIZE cut-target.bin", 550)
        assert not ftp.names() and ftp.retrieve("NLST -a") == b"", ftp.names()
    ftp.quit()
PYTHON
done

kill -0 "$WATCHER" 2>/dev/null || fail "somebody saw something else: $(cat seen)"
kill -KILL "$WATCHER"
wait "$WATCHER" 2>/dev/null || true

# A client that ends a transfer early, orderly and alive, and had announced nothing, has sent a shorter file: nothing says otherwise.
for way in '' --tls; do
    # shellcheck disable=SC2086
    cut $way --modes early
    row early TRUNC 226
done
