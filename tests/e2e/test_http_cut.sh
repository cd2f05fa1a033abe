#!/usr/bin/env bash
# An upload by HTTP that fails half-way is never seen: whoever looks finds the old file byte for byte, or none where there was none,
# whatever failed, plain and under TLS; and what is kept of it for resuming is a private partial and nothing else.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH"
expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 tls.crt tls.key
config <<END
library = "library"
tls_certificate = "tls.crt"
tls_key = "tls.key"
durability = "none"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "none"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "none"
tls = true
[anonymous]
rights = ["list", "get", "put", "overwrite"]
END
launch serve --config "$SCRATCH/forkftpd.toml"
wait_for 10 port_of https
PORT=$(port_of http) TLS_PORT=$(port_of https)

# No one is to see anything else at any moment: what is looked at meanwhile is old, new or nothing.
cat >watch.py <<'PYTHON'
import sys, time
OLD, NEW = bytes(range(250)), bytes(255 - byte for byte in range(250))
while True:
    try:
        with open(sys.argv[1], "rb") as file:
            found = file.read()
    except FileNotFoundError:
        found = None
    sizes = {OLD: (500_000,), NEW: (500_000, 3_000_000)}
    if found is not None and not any(found == unit * (size // 250) for unit in sizes for size in sizes[unit]):
        with open(sys.argv[2], "ab") as report:
            report.write(b"%d bytes of something else\n" % len(found))
        break
    time.sleep(0.005)
PYTHON
start_in_background python3 watch.py "$LIBRARY/cut-target.bin" seen
WATCHER=$STARTED_PID

# The one child that serves somebody, when it has taken all that was sent.
cat >kill_child <<'SHELL'
for try in $(seq 200); do
    for pid in $(ps -o pid= --ppid "$1"); do
        case " $2 " in *" $pid "*) continue ;; esac
        [ -n "$(find "$3" -type f -size +100k)" ] && kill -KILL "$pid" && exit 0
    done
    sleep 0.05
done
exit 1
SHELL
KILL_CHILD="bash kill_child $SERVER '$HOUSEHOLD' library/.forkftp/partial"

# row MODE STATE STATUS: the row of that mode says so, and nothing of another name is left beside it.
row() {
    local found
    found=$(grep -P "^$1\t" rows) || fail "no row of $1: $(cat rows)"
    [[ $found =~ ^"$1"$'\t'$2$'\t'$3$ ]] || fail "$1 ${WAY[*]}: ${found//$'\t'/ }, not $2 with $3"
}
partials() { find library/.forkftp -type f; }

for way in '' '--tls' '--fresh' \
    '--size 3000000 --modes ok,kill,rst,half,chunk-cut,form,child' \
    '--tls --size 3000000 --modes ok,kill,half,no-notify,child'; do
    read -ra WAY <<<"$way"
    port=$PORT
    case $way in *tls*) port=$TLS_PORT ;; esac
    python3 "$HERE/http_cut.py" 127.0.0.1 "$port" library "${WAY[@]}" --kill-child "$KILL_CHILD" >rows 2>"$ERR" ||
        fail "$(cat rows "$ERR")"
    old=OLD
    case $way in *fresh*) old=GONE ;; esac
    row ok NEW 20[01]
    mapfile -t modes < <(cut -f 1 rows)
    [ ${#modes[@]} -ge 5 ] || fail "rows are missing: $(cat rows)"
    for mode in "${modes[@]}"; do
        case $mode in
        ok) ;;
        chunk-bad | form-no-end) row "$mode" "$old" 400 ;;
        *) row "$mode" "$old" - ;;
        esac
    done
    wait_for 10 no_sessions
    stage_empty || fail "the stage is not empty: $(ls -A library/.forkftp/stage)"
    [ "$(ls library)" = "$([ $old = GONE ] || echo cut-target.bin)" ] || fail "left: $(ls library)"
    # Of a process that was killed a beginning stays that is too small to be worth it; what is swept at the next start.
    [ "$(partials | wc -l)" -le 1 ] || fail "left: $(partials)"
    case $way in
    *size*) [ -n "$(find library/.forkftp/partial -type f -size +1024k)" ] || fail "nothing is kept of what could be gone on with" ;;
    *) [ -z "$(find library/.forkftp/partial -type f -size +1024k)" ] || fail "kept: $(partials)" ;;
    esac
    find library/.forkftp/partial -type f -size +1024k -delete
done
gone "$WATCHER" && fail "somebody saw something else: $(cat seen)"
kill -KILL "$WATCHER"
stop

# What the killed process left is swept when the next server starts.
launch serve --config "$SCRATCH/forkftpd.toml"
wait_for 5 test -z "$(find library/.forkftp/partial -type f -name '*.part')"
stop
