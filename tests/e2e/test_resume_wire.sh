#!/usr/bin/env bash
# The protocol's side of resuming: what a cut put leaves, what is offered, what is not; gets from an offset; files that change while they are sent.
. "$(dirname "$0")/lib.sh"

noise 30000000 1 >"$LIBRARY/file"
cp "$LIBRARY/file" "$LIBRARY/grows"
cp "$LIBRARY/file" "$LIBRARY/shrinks"
serve

PORT=$PORT LIBRARY=$LIBRARY python3 - <<'PYTHON'
from raw import *

data = open(os.environ["LIBRARY"] + "/file", "rb").read()
sha = lambda part: hashlib.sha256(part).hexdigest()
stored = lambda name: open(os.environ["LIBRARY"] + "/" + name, "rb").read()
request = lambda name, **more: frame("P", {"path": name, "digest": "sha256"} | more)
pieces = lambda part: b"".join(frame("D", part[at:at + 1000000]) for at in range(0, len(part), 1000000))
end = frame("Z", {"size": len(data), "digest": sha(data)})
give_up = frame("E", {"code": "cancelled", "message": "for now"})

def offered(c, name, **more):
    """What the server has of that name, once nobody else writes it; it has to be the beginning of our data. The put is open then."""
    deadline = time.monotonic() + 10
    while True:
        c.send(request(name, resume=True, **more))
        letter, payload = c.receive()
        answer = json.loads(payload)
        if letter == "K" or answer.get("code") != "in-use" or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    assert letter == "K", (letter, answer)
    assert answer["digest"] == sha(data[:answer["offset"]]), answer
    return answer["offset"]

def kept(name):
    with Raw() as c:
        offset = offered(c, name)
        c.send(give_up)
        c.expect_code("cancelled")
        return offset

def written():
    """Bytes of what is under way."""
    found = os.walk(os.environ["LIBRARY"] + "/.forkftp")
    return max((os.stat(f"{folder}/{name}").st_size for folder, _, names in found for name in names), default=0)

# Cut by a reset within a frame, twice; then completed. Nothing is visible before.
with Raw() as c:
    c.send(request("cut", size=len(data)) + pieces(data[:12000000]) + frame("D", data[12000000:12300000], 1000000))
    deadline = time.monotonic() + 10
    while written() < 12000000 and time.monotonic() < deadline:
        time.sleep(0.02)
    c.reset()
with Raw() as c:
    offset = kept("cut")
    assert 12000000 <= offset <= 12300000, offset
    assert c.get("cut") is None
    offset = offered(c, "cut")
    c.send(pieces(data[offset:20000000]))
    c.sock.close()
with Raw() as c:
    offset = offered(c, "cut")
    assert offset == 20000000, offset
    c.send(pieces(data[offset:]) + end)
    assert json.loads(c.expect("K"))["digest"] == sha(data)
    assert stored("cut") == data
    c.send(request("cut", resume=True)); c.expect_code("exists")
    assert kept("other") == 0

    # Given up by us: kept. Announced as small: not. Refused for its digest: not, nobody wants to go on with that.
    c.send(request("given-up") + pieces(data[:3000000]) + give_up); c.expect_code("cancelled")
    assert kept("given-up") == 3000000
    c.send(request("small", size=500000) + pieces(data[:300000]) + give_up); c.expect_code("cancelled")
    assert kept("small") == 0
    c.send(request("wrong") + pieces(data[:3000000]) + frame("Z", {"size": 3000000, "digest": sha(b"")})); c.expect_code("digest")
    assert kept("wrong") == 0
    # More kept than the file is to have: not offered. A put without resume begins anew and takes what was kept along.
    assert offered(c, "given-up", size=1000) == 0
    c.send(frame("D", data[:1000]) + frame("Z", {"size": 1000, "digest": sha(data[:1000])})); c.expect("K")
    assert stored("given-up") == data[:1000]
    c.send(request("anew") + pieces(data[:3000000]) + give_up); c.expect_code("cancelled")
    c.send(put_frames(b"anew", b"something else")); c.expect("K")
    assert stored("anew") == b"something else"
    c.send(request("anew", resume=True, overwrite=True))
    assert json.loads(c.expect("K"))["offset"] == 0, "what was kept of a name outlives a whole file of that name"
    c.send(give_up); c.expect_code("cancelled")

    # Gets: every part of the file, and the digest of the whole with a part.
    for offset in 0, 1, 4095, 29999999, 30000000:
        assert c.get("file", offset=offset) == data[offset:]
        c.send(frame("G", {"path": "file", "offset": offset, "digest": "sha256", "cover": "file"}))
        head, body = json.loads(c.expect("K")), b""
        assert (head["size"], head["offset"], head["length"]) == (len(data), offset, len(data) - offset), head
        while (answer := c.receive())[0] == "D":
            body += answer[1]
        assert answer[0] == "Z" and json.loads(answer[1])["digest"] == sha(data) and body == data[offset:]

# A file that changes while it is sent: the frames stay whole, the answer is E, the session lives.
for name, change in ("shrinks", lambda path: os.truncate(path, 1000)), ("grows", lambda path: open(path, "r+b").write(b"changed")):
    with Raw(receive_buffer=8192) as c:
        c.send(frame("G", {"path": name, "digest": "sha256"}))
        c.expect("K")
        time.sleep(0.2)
        change(os.environ["LIBRARY"] + "/" + name)
        while (answer := c.receive())[0] == "D":
            pass
        assert answer[0] == "E" and json.loads(answer[1])["code"] in ("changed", "io"), answer[:200]
        c.alive()
PYTHON

wait_for 5 no_sessions
stage_empty || fail "the stage is not empty"
# All that is kept is what was cut and then replaced by a small file: looking for it at every small put would cost too much.
[ "$(find "$LIBRARY/.forkftp/partial" -type f | wc -l)" -le 1 ] || fail "partials are left: $(ls -l "$LIBRARY/.forkftp/partial")"
stop
