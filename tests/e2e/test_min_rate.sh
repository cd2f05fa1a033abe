#!/usr/bin/env bash
# min_rate: whoever makes the server wait for too few bytes is ended, in both directions; whoever is fast enough is not, and nor is a
# client that waits for the server.
. "$(dirname "$0")/lib.sh"

truncate -s 64M "$LIBRARY/large"
truncate -s 3G "$LIBRARY/huge"
config <<'CONFIG'
library = "library"
secret_file = "secret"
stall_seconds = 2
min_rate = "64 KiB"
[[listen]]
address = "127.0.0.1:0"
CONFIG

launch serve -c "$SCRATCH/forkftpd.toml"
PORT=$PORT python3 - <<'PYTHON'
from raw import *

def put_at(rate, seconds):
    """Puts at so many bytes a second, in pieces; how long it was heard."""
    c = Raw()
    c.send(frame("P", {"path": f"at-{rate}"}))
    start = time.monotonic()
    piece = bytes(rate // 10)
    while time.monotonic() - start < seconds:
        try:
            c.send(frame("D", piece))
        except OSError:
            break
        time.sleep(0.1)
    return c, time.monotonic() - start

def puts_too_slowly():
    c, took = put_at(16 << 10, 20)
    assert 1.9 < took < 8, f"ended after {took} s"

def puts_fast_enough():
    c, took = put_at(256 << 10, 8)
    assert took >= 8, f"ended after {took} s"
    c.send(frame("E", {"code": "cancelled", "message": "enough"}))
    c.expect_code("cancelled")
    c.alive()

def get_at(rate, seconds):
    """Gets at so many bytes a second; how many came, and how long they came."""
    c = Raw(receive_buffer=8192)
    c.send(frame("G", {"path": "large"}))
    start, total = time.monotonic(), 0
    while time.monotonic() - start < seconds:
        try:
            got = len(c.sock.recv(rate // 10))
        except OSError:
            break
        if not got:
            break
        total += got
        time.sleep(max(0, start + total / rate - time.monotonic()))
    return total, time.monotonic() - start

def gets_too_slowly():
    # The kernel delivers what it had taken when the session was ended, and at this rate that goes on: the log tells.
    get_at(16 << 10, 12)

def gets_fast_enough():
    total, took = get_at(256 << 10, 12)
    assert took >= 12, f"ended after {took} s and {total} bytes"

def waits_for_a_digest():
    """One byte, and the digest of three gigabytes before it: longer than the time, and not the client's doing."""
    c = Raw(timeout=120)
    start = time.monotonic()
    c.send(frame("G", {"path": "huge", "offset": (3 << 30) - 1, "digest": "md5", "cover": "file"}))
    c.expect("K")
    c.expect("D")
    c.expect("Z")
    assert time.monotonic() - start > 2.5, "the digest was too fast to show anything"
    c.alive()

def is_idle():
    c = Raw()
    time.sleep(8)
    c.alive()

checks = Checks(puts_too_slowly, puts_fast_enough, gets_too_slowly, gets_fast_enough, waits_for_a_digest, is_idle)
checks.finish()
PYTHON
[ "$(grep -c 'deadline=min_rate' "$LOG")" -eq 2 ] || fail "not the two slow ones were ended: $(grep 'deadline' "$LOG")"
has "$LOG" 'deadline passed, child killed'
stop

# Without it, whatever moves may go on.
sed -i '/^min_rate/d' "$SCRATCH/forkftpd.toml"
launch serve -c "$SCRATCH/forkftpd.toml"
PORT=$PORT python3 - <<'PYTHON'
from raw import *
c = Raw()
c.send(frame("P", {"path": "drip"}))
for _ in range(60):
    c.send(frame("D", b"x"))
    time.sleep(0.1)
c.send(frame("E", {"code": "cancelled", "message": "enough"}))
c.expect_code("cancelled")
c.alive()
PYTHON
stop
