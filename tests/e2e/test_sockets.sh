#!/usr/bin/env bash
# One server, many doors: IPv4, IPv6, a Unix socket, and a session on a pair of pipes as inetd would start it.
. "$(dirname "$0")/lib.sh"

noise 1000000 1 >"$LIBRARY/file"
noise 500000 2 >"$SCRATCH/mine"
listen=(--listen "unix:$SCRATCH/socket" --listen 127.0.0.1:0)
ip6=$(python3 -c 'import socket; s = socket.socket(socket.AF_INET6); s.bind(("::1", 0)); print("yes")' 2>/dev/null || true)
[ -z "$ip6" ] || listen+=(--listen "[::1]:0")
launch serve --library "$LIBRARY" --secret-file "$SECRET" "${listen[@]}"

urls=("$URL")
if [ -n "$ip6" ]; then
    port6=$(grep -Eo 'listening on drive://\[::1\]:[0-9]+' "$LOG" | grep -Eo '[0-9]+$')
    urls+=("drive://[::1]:$port6")
else
    echo "no IPv6 here: not tested"
fi
n=0
for url in "${urls[@]}"; do
    n=$((n + 1))
    expect_status 0 "$FORKFTP" put "$url/put$n" "$SCRATCH/mine"
    same "$SCRATCH/mine" "$LIBRARY/put$n"
    expect_status 0 "$FORKFTP" get "$url/file" -o "$SCRATCH/got$n"
    same "$LIBRARY/file" "$SCRATCH/got$n"
done

cat >"$SCRATCH/over.py" <<'PYTHON'
# The Python client over a Unix socket, or over the pipes of a session it starts.
import io, os, socket, subprocess, sys
from drive_client import Drive, Refused
library, mine, secret = sys.argv[1], sys.argv[2], open(os.environ["FORKFTP_SECRET_FILE"], "rb").read().rstrip()
if sys.argv[3] == "unix":
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(sys.argv[4])
    drive, process = Drive(sock.makefile("rb"), sock.makefile("wb"), secret), None
else:
    process = subprocess.Popen(sys.argv[4:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    drive = Drive(process.stdout, process.stdin, secret)
name = os.fsencode(os.path.basename(sys.argv[3]) + str(os.getpid()))
data, target = open(mine, "rb").read(), io.BytesIO()
drive.put(io.BytesIO(data), name, size=len(data))
assert open(os.path.join(os.fsencode(library), name), "rb").read() == data
drive.get(b"file", target)
assert target.getvalue() == open(library + "/file", "rb").read()
assert (name, "file", len(data)) in drive.list()
drive.quit()
assert process is None or process.wait(10) == 0
PYTHON
python3 "$SCRATCH/over.py" "$LIBRARY" "$SCRATCH/mine" unix "$SCRATCH/socket"
stop
python3 "$SCRATCH/over.py" "$LIBRARY" "$SCRATCH/mine" pipe "$FORKFTPD" session --protocol drive --library "$LIBRARY" --secret-file "$SECRET" \
    2>"$SCRATCH/session.log" || fail "a session on pipes: $(cat "$SCRATCH/session.log")"
python3 "$SCRATCH/over.py" "$LIBRARY" "$SCRATCH/mine" open "$FORKFTPD" session --protocol drive --library "$LIBRARY" --no-secret \
    2>"$SCRATCH/session.log" || fail "a session without a secret: $(cat "$SCRATCH/session.log")"

# A socket left behind by a crash is no obstacle; a living server's is.
launch serve --library "$LIBRARY" --secret-file "$SECRET" --listen "unix:$SCRATCH/socket" --listen 127.0.0.1:0
expect_status 1 "$FORKFTPD" serve --library "$LIBRARY" --secret-file "$SECRET" --listen "unix:$SCRATCH/socket"
expect_status 1 "$FORKFTPD" serve --library "$LIBRARY" --secret-file "$SECRET" --listen "127.0.0.1:$PORT"
has "$ERR" "127\.0\.0\.1:$PORT"
kill -KILL "$SERVER"
wait "$SERVER" 2>/dev/null || true
[ -S "$SCRATCH/socket" ] || fail "the test has no socket left behind"
launch serve --library "$LIBRARY" --secret-file "$SECRET" --listen "unix:$SCRATCH/socket" --listen 127.0.0.1:0
python3 "$SCRATCH/over.py" "$LIBRARY" "$SCRATCH/mine" unix "$SCRATCH/socket"
stop
