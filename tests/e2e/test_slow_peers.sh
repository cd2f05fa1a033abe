#!/usr/bin/env bash
# Nobody holds a session by doing nothing: silent, dripping, idle and stalled peers are ended in time, and others are served meanwhile.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
truncate -s 1G "$LIBRARY/large"
serve --handshake-seconds 2 --idle-seconds 3 --stall-seconds 3

PORT=$PORT python3 - <<'PYTHON'
from raw import *

def ends_between(connection, earliest, latest, start):
    took = until_end(connection.sock, latest + 5)
    took = None if took is None else time.monotonic() - start
    assert took is not None and earliest <= took <= latest, f"ended after {took} s instead of {earliest} to {latest}"

def silent():
    start = time.monotonic()
    ends_between(Raw(proof=False), 1.5, 5, start)

def dripping():                                     # a byte now and then buys no time
    start = time.monotonic()
    c = Raw(proof=False)
    c.hello = c.expect("H")
    data = c.proof()
    for at in range(len(data)):
        try:
            c.send(data[at:at + 1])
        except OSError:
            break
        c.sock.settimeout(0.2)
        try:
            if c.sock.recv(100) == b"":
                break
        except TimeoutError:
            pass
        except OSError:
            break
        assert time.monotonic() - start < 8, "a dripping peer is still there after 8 s"
    assert time.monotonic() - start > 1.5

def idle():
    c = Raw()
    start = time.monotonic()
    error = json.loads(c.expect("E"))
    assert error["code"] == "timeout", error
    c.expect_end()
    assert 2 < time.monotonic() - start < 8, time.monotonic() - start

def dripping_request():                             # half a frame is not a request
    c = Raw()
    start = time.monotonic()
    for byte in frame("N", b"x" * 200):
        try:
            c.send(bytes([byte]))
        except OSError:
            break
        c.sock.settimeout(0.2)
        try:
            c.sock.recv(1000)
            break
        except TimeoutError:
            pass
        except OSError:
            break
        assert time.monotonic() - start < 12, "a dripping request is still there after 12 s"

def busy_stays():                                   # who asks now and then is not idle
    c = Raw()
    for _ in range(8):
        time.sleep(1)
        c.alive()

def never_reads():
    c = Raw(receive_buffer=4096)
    c.send(frame("G", {"path": "large"}))
    start = time.monotonic()
    time.sleep(10)                                  # 3 s of stall and some grace
    total = 0
    c.sock.settimeout(5)
    try:
        while piece := c.sock.recv(1 << 20):
            total += len(piece)
            assert total < 256 << 20, "the get went on after it had stalled"
    except ConnectionError:
        pass

def stalled_put():
    c = Raw()
    c.send(frame("P", {"path": "stalled"}) + frame("D", b"x" * 1000, 2000))
    start = time.monotonic()
    ends_between(c, 2, 9, start)

def reads_slowly_stays():                           # slow is not stalled
    c = Raw(receive_buffer=65536)
    c.send(frame("G", {"path": "large", "length": 12 << 20, "digest": "sha256"}))
    c.expect("K")
    total, start = 0, time.monotonic()
    while True:
        letter, payload = c.receive()
        if letter == "Z":
            break
        assert letter == "D", (letter, payload[:200])
        total += len(payload)
        time.sleep(len(payload) / (2 << 20))
    assert total == 12 << 20 and time.monotonic() - start > 5

checks = Checks(silent, dripping, idle, dripping_request, busy_stays, never_reads, stalled_put, reads_slowly_stays)
while checks.running():
    start = time.monotonic()
    with Raw() as c:
        assert c.get("hello.txt") == b"Hello, drive!\n"
    assert time.monotonic() - start < 2, "others wait for the slow"
    time.sleep(0.2)
checks.finish()
PYTHON

wait_for 5 no_sessions
stage_empty || fail "the stage is not empty"
[ ! -e "$LIBRARY/stalled" ] || fail "half a put has appeared"
stop
