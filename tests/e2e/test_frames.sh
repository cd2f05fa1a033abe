#!/usr/bin/env bash
# Whatever bytes come, the server answers with the code PROTOCOL.md says or hangs up, stays up, and stores nothing by accident.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
mkdir "$LIBRARY/folder"
serve --durability none

PORT=$PORT python3 - <<'PYTHON'
from raw import *
import random

# Where frames have no place, or are none: E protocol, the end.
for letter in "HKEDZ":
    with Raw() as c:
        c.send(frame(letter, {} if letter != "D" else b"data"))
        c.ends_with("protocol")
for first in b"l", b"\0", b"\xff", b" ", b"1", b"[", b"@":
    with Raw() as c:
        c.send(frame(first, b"{}"))
        c.ends_with("protocol")
for letter, length in ("L", 65537), ("G", 1 << 31), ("Q", 0xffffffff), ("N", 65537), ("W", 65537):
    with Raw() as c:
        c.send(frame(letter, b"", length))
        c.ends_with("protocol")
for length in 8388609, 0xffffffff:
    with Raw() as c:
        c.send(frame("P", {"path": "long-data"}) + frame("D", b"", length))
        c.ends_with("protocol")
for inside in frame("L", {"path": ""}), frame("N", b"x"), frame("H", {}), frame("K", {}), frame("P", {"path": "x"}):
    with Raw() as c:                                # another request inside a run
        c.send(frame("P", {"path": "interrupted"}) + frame("D", b"begun") + inside)
        c.ends_with("protocol")
for length in 65537, 0xffffffff:                    # before the proof as well
    with Raw(proof=False) as c:
        c.expect("H")
        c.send(frame("A", b"", length))
        c.ends_with("protocol", "proof")

with Raw() as c:
    # Longest payloads are taken.
    c.send(frame("N", b"n" * 65536)); assert c.expect("N") == b"n" * 65536
    c.send(frame("N")); assert c.expect("N") == b""
    c.send(frame("L", b'{"path": ""' + b" " * (65536 - 12) + b"}")); assert len(c.read_listing()) == 2
    data = os.urandom(8388608)
    c.send(frame("P", {"path": "longest", "digest": "sha256"}) + frame("D", data)
           + frame("Z", {"size": len(data), "digest": hashlib.sha256(data).hexdigest()}))
    c.expect("K")
    assert c.get("longest") == data
    # Unknown letters are skipped with what they carry.
    for letter in "BCIJOVWY":
        c.send(frame(letter, os.urandom(random.randrange(2000))))
        c.expect_code("letter")
    # A payload that is no valid request: refused, the session goes on.
    for payload in (b"", b"{", b"null", b"[]", b"[\"\"]", b"1", b"\"\"", b"{}", b"\xff\xfe", b'{"path": 1}', b'{"path": null}', b'{"path": ["x"]}',
                    b'{"path": "hello.txt", "path": "hello.txt"}', b'{"path": "hello.txt", "more": 1}', b'{"PATH": "hello.txt"}',
                    b'{"path": "hello.txt"} x', b'{"path": "hello.txt"}{}', b'{"path": "\\ud800"}', b'{"path": "\xff"}',
                    b"[" * 60000, b'{"path": ' + b'{"a":' * 10000):
        # X with an empty object asks which commands there are.
        for letter in "LGMRFST" + ("X" if payload != b"{}" else ""):
            c.send(frame(letter, payload))
            c.expect_code("request")
    for extra in ({"offset": -1}, {"offset": 1.5}, {"offset": "0"}, {"offset": 1 << 64}, {"length": -1}, {"digest": "sha1"}, {"digest": 5},
                  {"cover": "none"}, {"overwrite": True}, {"offset": True}):
        c.send(frame("G", {"path": "hello.txt"} | extra))
        c.expect_code("request")
    c.send(frame("L", {"path": "", "recursive": "yes"})); c.expect_code("request")
    c.send(frame("L", {"path": "", "recursive": 1})); c.expect_code("request")
    c.send(frame("Q", {"now": True})); c.expect_code("request")
    for offset, codes in (15, "range"), (1 << 40, "range"), ((1 << 64) - 1, "range"):
        c.send(frame("G", {"path": "hello.txt", "offset": offset})); c.expect_code("range")
    assert c.get("hello.txt", offset=14) == b""
    assert c.get("hello.txt", offset=7, length=(1 << 64) - 1) == b"drive!\n"
    assert c.get("hello.txt", offset=7, length=5) == b"drive"
    assert c.get("hello.txt", length=0) == b""
    # Kinds of things mistaken for one another.
    c.send(frame("G", {"path": "folder"})); c.expect_code("is-folder")
    c.send(frame("G", {"path": ""})); c.expect_code("is-folder", "name")
    c.send(frame("G", {"path": "hello.txt/x"})); c.expect_code("not-folder", "not-found")
    assert list(c.listing("hello.txt")) == ["hello.txt"]
    c.send(put_frames(b"folder", b"x", overwrite=True)); c.expect_code("is-folder", "exists")
    c.send(put_frames(b"no/such/x", b"x")); c.expect_code("not-found")
    # A put that is not what it said, or is given up: nothing, and the session goes on.
    whole = hashlib.sha256(b"EVIL").hexdigest()
    for end, code in (({"size": 4, "digest": "00" * 32}, "digest"), ({"size": 5, "digest": whole}, "size"),
                      ({"size": 3, "digest": whole}, "size"), ({"size": 4}, "request"), ({}, "request"),
                      ({"size": 4, "digest": whole, "x": 1}, "request"), ({"size": 4, "digest": ""}, ("digest", "request")),
                      ({"size": 4, "digest": "not hexadecimal"}, ("digest", "request"))):
        c.send(frame("P", {"path": "evil", "digest": "sha256"}) + frame("D", b"EVIL") + frame("Z", end))
        c.expect_code(*([code] if isinstance(code, str) else code))
    c.send(frame("P", {"path": "evil", "size": 9, "digest": "sha256"}) + frame("D", b"EVIL") + frame("Z", {"size": 4, "digest": whole}))
    c.expect_code("size")
    c.send(frame("P", {"path": "evil", "size": 3, "digest": "sha256"}) + frame("D", b"EVIL") + frame("Z", {"size": 4, "digest": whole}))
    c.expect_code("size")
    c.send(frame("P", {"path": "evil"}) + frame("D", b"EVIL") + frame("E", {"code": "cancelled", "message": "no"}))
    c.expect_code("cancelled")
    c.alive()
    assert sorted(c.listing()) == ["folder", "hello.txt", "longest"], c.listing()
    c.send(frame("Q", {}))
    assert json.loads(c.expect("K")) == {}
    c.expect_end()

# One session, cut at every byte: by an end and by a reset. The put in it is whole at its very end, or not at all.
def script(c, name):
    return b"".join([c.proof(), frame("L", {"path": ""}), frame("N", b"echo"), frame("G", {"path": "hello.txt"}), put_frames(name, b"whole!")])

probe = Raw(proof=False); probe.hello = probe.expect("H")
total = len(script(probe, b"cut"))
for cut in range(total):
    with Raw(proof=False) as c:
        c.hello = c.expect("H")
        c.send(script(c, b"cut")[:cut])
        if cut % 2:
            c.reset()
        else:
            c.sock.shutdown(socket.SHUT_WR)
            until_end(c.sock, 10) is not None or sys.exit(f"cut at {cut}: the server does not hang up")
with Raw() as c:
    assert c.get("cut") is None, "a put that was cut has been stored"

# The same in pieces: one byte at a time, and all in one packet.
for pieces in (1, total):
    with Raw(proof=False) as c:
        c.hello = c.expect("H")
        name = b"pieces%d" % pieces
        data = script(c, name)
        for at in range(0, len(data), pieces):
            c.send(data[at:at + pieces])
            if at < len(c.proof()) and pieces == 1:
                time.sleep(0.0005)
        c.expect("K"); c.read_listing(); assert c.expect("N") == b"echo"
        c.expect("K"); assert c.expect("D") == b"Hello, drive!\n"; c.expect("Z"); c.expect("K")
        assert c.get(name.decode()) == b"whole!"

# Garbage, the same every time, before and after the proof; and other protocols.
source = random.Random(8888)
for n in range(120):
    with Raw(proof=n % 2 == 0) as c:
        try:
            if n % 3:
                c.send(source.randbytes(source.randrange(1, 4000)))
            else:
                c.send(b"".join(frame(chr(source.randrange(65, 91)), source.randbytes(source.randrange(40))) for _ in range(30)))
            c.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert until_end(c.sock, 10) is not None, f"garbage {n}: the server does not hang up"
for other in b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"USER anonymous\r\n", b"SSH-2.0-x\r\n":
    with Raw(proof=False) as c:
        c.expect("H")
        c.send(other)
        c.ends_with("protocol", "proof")
with Raw() as c:
    assert sorted(c.listing()) == ["folder", "hello.txt", "longest", "pieces1", f"pieces{total}"], c.listing()
PYTHON

kill -0 "$SERVER" || fail "the listener is gone"
wait_for 5 no_sessions
stage_empty || fail "the stage is not empty: $(ls -A "$LIBRARY/.forkftp/stage")"
! grep -Eiq 'panic|signal 11|core dumped' "$LOG" || fail "a child crashed"
stop
