#!/usr/bin/env bash
# Who does not know the secret gets nothing: wrong, missing, replayed, reflected, borrowed, cut and repeated proofs end the connection.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
serve

PORT=$PORT python3 - <<'PYTHON'
from raw import *

def refused(connection, data):
    connection.send(data)
    connection.ends_with("proof")
    connection.sock.close()

addresses = iter(range(1, 250))

def fresh():
    # Each from an address of its own: failures make the answers to one slower, and then ban it.
    connection = Raw(proof=False, source=f"127.0.1.{next(addresses)}")
    connection.hello = connection.expect("H")
    return connection

hellos = [json.loads(Raw(proof=False).expect("H")) for _ in range(20)]
assert len({hello["nonce"] for hello in hellos}) == 20, "a nonce came twice"
assert all(len(bytes.fromhex(hello["nonce"])) == 32 for hello in hellos)
assert hellos[0]["macs"] == ["hmac-sha256", "hmac-md5"], hellos[0]

for mac in "hmac-sha256", "hmac-md5":
    good = fresh()                                  # the right one is taken, and answered with the server's own
    nonce = os.urandom(32)
    good.send(good.proof(mac=mac, nonce=nonce))
    answer = json.loads(good.expect("K"))["proof"]
    assert answer == mac_of(secret(), mac, b"server", good.hello, nonce), "the server's proof is wrong"
    good.alive()

    c = fresh(); refused(c, c.proof(mac=mac, key=b"another secret of the right length"))
    c = fresh(); refused(c, c.proof(mac=mac, role=b"server"))
    c = fresh(); refused(c, c.proof(mac=mac, hello=fresh().hello))
    c = fresh(); refused(c, frame("A", {"nonce": "11" * 32, "mac": mac, "proof": mac_of(secret(), mac, b"client", c.hello, bytes(32))}))
    c = fresh(); first = c.proof(mac=mac); c.send(first); c.expect("K")
    d = fresh(); refused(d, first)                  # replayed on another connection
    c = fresh(); right = json.loads(c.proof(mac=mac)[5:])
    refused(c, frame("A", right | {"proof": right["proof"][:-2]}))
    c = fresh(); refused(c, c.proof(mac=mac, proof=""))
    c = fresh(); refused(c, c.proof(mac=mac, proof="zz" * 32))
    c = fresh(); refused(c, c.proof(mac=mac, proof="00" * 32))

# A reflected proof: what the server says on one connection is no use on another.
a, b = fresh(), fresh()
nonce = bytes.fromhex(json.loads(b.hello)["nonce"])
a.send(a.proof(nonce=nonce))
answer = json.loads(a.expect("K"))["proof"]
refused(b, frame("A", {"nonce": json.loads(a.hello)["nonce"], "mac": "hmac-sha256", "proof": answer}))

# The MAC that was computed is the one that must be named; one that was not offered is none.
c = fresh(); refused(c, frame("A", json.loads(c.proof(mac="hmac-md5")[5:]) | {"mac": "hmac-sha256"}))
c = fresh(); c.send(frame("A", {"nonce": "00" * 32, "mac": "none", "proof": ""})); c.ends_with("proof", "request")

# One attempt: a second, right one behind the wrong one is not looked at.
c = fresh()
c.send(c.proof(key=b"another secret of the right length") + c.proof())
c.ends_with("proof")

# No proof at all: every request before it ends the connection and is not done.
for request in (frame("L", {"path": ""}), frame("G", {"path": "hello.txt"}), put_frames(b"evil", b"EVIL"), frame("N", b"x"),
                frame("Q", {}), frame("W", {})):
    refused(fresh(), request)
PYTHON
[ "$(ls "$LIBRARY")" = hello.txt ] || fail "something was stored without a proof"
has "$LOG" '127\.0\.1\.[0-9]+:[0-9]+.*proof|proof.*127\.0\.1\.[0-9]+:[0-9]+'

printf 'fedcba9876543210fedcba9876543210\n' >"$SCRATCH/wrong"
chmod 600 "$SCRATCH/wrong"
expect_status 4 "$FORKFTP" --secret-file "$SCRATCH/wrong" list "$URL/"
expect_status 4 "$FORKFTP" --secret-file "$SCRATCH/wrong" get "$URL/hello.txt" -o "$SCRATCH/got"
[ ! -e "$SCRATCH/got" ] || fail "a file appeared without a proof"
expect_status 4 env -u FORKFTP_SECRET_FILE HOME="$SCRATCH" "$FORKFTP" list "$URL/"
expect_status 0 "$FORKFTP" list "$URL/"
! grep -q 0123456789abcdef0123456789abcdef "$LOG" || fail "the secret is in the log"
stop
