#!/usr/bin/env bash
# max_clients and max_per_address are exact, also after children were killed, and who is too many is told so politely.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
for mode in "" "--prefork 3"; do
    # shellcheck disable=SC2086 # the option and its value are two words
    serve $mode --max-clients 5 --max-per-address 3
    PORT=$PORT SERVER=$SERVER FORKFTP=$FORKFTP python3 - <<'PYTHON'
from raw import *
import signal, subprocess

def comes_in(source):
    """A client, or None when it is told busy."""
    c = Raw(proof=False, source=source)
    letter, payload = c.receive()
    if letter == "H":
        c.hello = payload
        c.prove()
        c.expect("K")
        return c
    assert letter == "E" and json.loads(payload)["code"] == "busy", (letter, payload)
    c.expect_end()
    return None

def fill(source, most, seconds=5):
    """As many as come in from one address; fewer at first are waited for."""
    held, end = [], time.monotonic() + seconds
    while len(held) < most and time.monotonic() < end:
        c = comes_in(source)
        held += [c] if c else []
        c or time.sleep(0.05)
    assert len(held) == most, f"{len(held)} came in from {source}, {most} should"
    for _ in range(3):
        assert comes_in(source) is None, f"more than {most} came in from {source}"
    return held

def client(code):
    status = subprocess.run([os.environ["FORKFTP"], "list", f"drive://127.0.0.1:{PORT}/"], capture_output=True)
    assert status.returncode == code, status

for round in range(4):
    first = fill("127.0.0.1", 3)                    # the limit of an address
    client(7)
    second = fill("127.0.0.2", 2)                   # what is left of the limit of all
    assert comes_in("127.0.0.3") is None
    for c in first + second:
        c.alive()
    # Ended in every way there is, the places are free again, each exactly once.
    if round == 0:
        for c in first + second:
            c.sock.close()
    elif round == 1:
        for c in first + second:
            c.reset()
    elif round == 2:
        for c in first + second:
            c.send(frame("Q", {}))
    else:
        # Those with a client and the warm ones, which may be leaving.
        children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", os.environ["SERVER"]], capture_output=True, text=True)
        for child, name in map(str.split, children.stdout.splitlines()):
            if name == "forkftpd:child":
                try:
                    os.kill(int(child), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        for c in first + second:
            c.expect_end()
fill("127.0.0.2", 3)
fill("127.0.0.1", 3)
time.sleep(0.5)
client(0)
PYTHON
    stop
done
