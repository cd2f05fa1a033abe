#!/usr/bin/env bash
# A thousand requests sent without waiting are answered, each in its turn, and every byte is the right one.
. "$(dirname "$0")/lib.sh"

for n in {0..999}; do printf '%04d %s\n' "$n" "$((n * n))" >"$LIBRARY/get$n"; done
serve --durability none

PORT=$PORT LIBRARY=$LIBRARY python3 - <<'PYTHON'
from raw import *
import threading

def pipelined(connection, requests, read):
    """Sends all requests while another thread reads the answers, as the page demands."""
    sender = threading.Thread(target=lambda: connection.send(b"".join(requests)))
    sender.start()
    for n in range(1000):
        read(n)
    sender.join()

with Raw() as c:
    def got(n):
        assert c.read_get() == b"%04d %d\n" % (n, n * n), n
    pipelined(c, [frame("G", {"path": f"get{n}", "digest": "sha256"}) for n in range(1000)], got)

    content = [os.urandom(n * 37 % 3000) for n in range(1000)]
    def stored(n):
        answer = json.loads(c.expect("K"))
        assert answer["size"] == len(content[n]) and answer["digest"] == hashlib.sha256(content[n]).hexdigest(), (n, answer)
    pipelined(c, [put_frames(b"put%d" % n, content[n]) for n in range(1000)], stored)
    for n in range(1000):
        with open(f"{os.environ['LIBRARY']}/put{n}", "rb") as file:
            assert file.read() == content[n], n

    # Good and bad by turns: an error answers its own request and no other. Every fifth is the put of a name that is taken.
    def mixed(n):
        if n % 5 == 0:
            assert c.expect("N") == b"echo %d" % n
        elif n % 5 == 1:
            c.expect_code("exists")
        elif n % 5 == 2:
            assert c.read_get() is None
        elif n % 5 == 3:
            c.expect_code("letter")
        else:
            assert c.read_get() == content[n], n
    pipelined(c, [[frame("N", b"echo %d" % n), put_frames(b"put%d" % n, b"EVIL"), frame("G", {"path": f"none{n}"}),
                   frame("V", b"?"), frame("G", {"path": f"put{n}", "digest": "sha256"})][n % 5] for n in range(1000)], mixed)
    assert len(c.listing()) == 2000
    # The rest of the last put's run, an end, and all in one: nothing is lost before Q is answered.
    c.send(put_frames(b"last", b"word") + frame("Q", {}))
    c.expect("K")
    assert json.loads(c.expect("K")) == {}
    c.expect_end()
assert open(os.environ["LIBRARY"] + "/last").read() == "word"
PYTHON
stage_empty || fail "the stage is not empty"
stop
