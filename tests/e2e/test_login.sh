#!/usr/bin/env bash
# The login as PROTOCOL.md has it, by a client written from that page and by frames: what counts as an attempt, what ends the connection, who
# is anonymous from when, and which letter needs which right.
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
cd "$SCRATCH"
(umask 077 && printf 'correct horse\n' >password)
while read -r name rights; do
    "$FORKFTPD" user --users-file users.toml add "$name" --rights "$rights" --iterations 4096 --password-stdin <password >"$OUT"
done <<'USERS'
alice all
lister list
getter get
putter put
remover delete
renamer rename
maker mkdir
setter overwrite
USERS
export PYTHONPATH=$HERE:$SCRATCH
start() { # login
    config <<EOT
library = "library"
secret_file = "secret"
users_file = "users.toml"
max_failures = 1000
handshake_seconds = 5
[[listen]]
address = "127.0.0.1:0"
login = "$1"
[anonymous]
rights = ["list"]
EOT
    launch serve --config forkftpd.toml
}

start required
expect_status 0 python_client --user alice --password-file password get hello.txt got
same got "$LIBRARY/hello.txt"
expect_status 0 python_client --user alice --password-file password demo
printf 'correct cow\n' >wrong
expect_status 4 python_client --user alice --password-file wrong list
has "$ERR" 'login: login refused'
expect_status 4 python_client --user nobody --password-file password list
expect_status 4 python_client list
has "$ERR" 'login: log in first'

cat >login.py <<'PYTHON'
from raw import *
from drive_client import Drive, Refused
addresses = iter(range(1, 250))

def fresh():
    # Each from an address of its own: failures make the answers to one slower.
    return Raw(source=f"127.0.2.{next(addresses)}")

def drive(connection, user=None, password=b"correct horse"):
    """The client of the page on a connection that has proved the secret."""
    it = Drive.__new__(Drive)
    it.input, it.output = connection.sock.makefile("rb"), connection.sock.makefile("wb")
    if user:
        it.rights = it.login(user, password)
    return it

def code(frames, connection):
    connection.send(frames)
    letter, payload = connection.receive()
    return json.loads(payload)["code"] if letter == "E" else letter

FIRST = frame("U", {"message": "n,,n=alice,r=0123456789abcdef0123"})
LIST = frame("L", {"path": ""})
PYTHON
PORT=$PORT python3 - <<'PYTHON'
from login import *

# What is done without a login: Q, and nothing else. What is refused is not done, and a login may follow.
c = fresh()
for request in (LIST, frame("N", b"x"), frame("F", {"path": "hello.txt"}), frame("W", {}), frame("A", {})):
    assert code(request, c) == "login", request
assert drive(c, "alice").list()
c = fresh(); assert code(frame("Q", {}), c) == "K"
c = fresh(); c.send(frame("D", b"x")); c.ends_with("protocol")

# Three attempts: wrong passwords, and what is no message or no request at all, at either half.
c = fresh()
assert code(frame("U", {"message": "x"}), c) == "login"
assert code(frame("U", {"nonsense": 1}), c) == "login"
assert drive(c, "alice").list(), "the third attempt is a good one"
for bad in (frame("U", {}), frame("U", b"no JSON"), frame("U", {"message": "n,," + "x" * 60000}), frame("U", {"message": "n,,n=,r="}),
            frame("U", {"message": "p=tls-exporter,,n=alice,r=0123456789abcdef0123"}), frame("U", {"message": "n,a=bob,n=alice,r=0123456789abcdef0123"})):
    c = fresh()
    assert code(bad, c) == code(bad, c) == "login", bad
    c.send(bad)
    c.ends_with("login")
c = fresh()
for last in (frame("U", {}), frame("U", {"message": "c=biws,r=x,p=AAAA"})):
    assert code(FIRST, c) == "K"
    assert code(last, c) == "login", last
assert code(FIRST, c) == "K"
c.send(frame("U", {"message": ""}))
c.ends_with("login")
c = fresh(); assert code(FIRST, c) == "K"; c.send(LIST); c.ends_with("protocol")
c = fresh(); c.send(frame("U", b"", length=70000)); c.ends_with("protocol")

# Once is enough.
c = fresh(); it = drive(c, "alice")
assert code(FIRST, c) == "login" and it.list()

# Each right by its letters.
def allowed(user):
    it = drive(fresh(), user)
    requests = {"L": {"path": ""}, "G": {"path": "hello.txt"}, "S": {"path": "hello.txt"}, "F": {"path": "none"}, "M": {"path": "folder", "parents": True},
                "R": {"path": "none", "to": "other"}, "T": {"path": "none", "mtime": 0}}
    done = ""
    for letter, request in requests.items():
        it.send(letter, request)
        try:
            while it.expect("KDZ")[0] != ("Z" if letter in "LG" else "K"):
                pass
            done += letter
        except Refused as refused:
            done += letter if refused.code == "not-found" else ""
            assert refused.code in ("denied", "not-found"), refused
    it.output.write(put_frames(b"put by " + user.encode(), b"data"))
    try:
        it.expect("K")
        done += "P"
    except Refused as refused:
        assert refused.code == "denied", refused
    assert it.ping() is not None
    return done

found = {user: allowed(user) for user in ("lister", "getter", "putter", "remover", "renamer", "maker", "setter")}
assert found == {"lister": "LS", "getter": "GS", "putter": "P", "remover": "F", "renamer": "R", "maker": "M", "setter": "T"}, found
assert drive(fresh(), "lister").rights == ["list"]
PYTHON
# Late is late, also after the proof.
PORT=$PORT python3 - <<'PYTHON'
from login import *
c = fresh()
begun = time.monotonic()
c.ends_with("timeout")
assert 3 < time.monotonic() - begun < 9
PYTHON
stop

start optional
expect_status 0 python_client --user alice --password-file password list
expect_status 0 python_client list
expect_status 1 python_client get hello.txt none
has "$ERR" 'denied'
PORT=$PORT python3 - <<'PYTHON'
from login import *
# Whoever may do something as they are has the time there is between two requests, not that of a handshake.
slow = fresh(); time.sleep(6.5); assert drive(slow).list()
# The first letter decides, whatever comes of it.
for first in (LIST, frame("W", {}), frame("G", {"path": "hello.txt"}), frame("N", b"x")):
    c = fresh()
    c.send(first)
    while c.receive()[0] == "D":
        pass
    assert code(FIRST, c) == "login"
    assert drive(c).list(), "the session goes on"
# A failed login does not make anybody anonymous; another letter after it does.
c = fresh(); assert code(frame("U", {}), c) == "login" and drive(c, "alice").rights == ["list", "get", "put", "overwrite", "delete", "rename", "mkdir"]
c = fresh(); assert code(frame("U", {}), c) == "login" and drive(c).list() and code(FIRST, c) == "login"
PYTHON
stop

serve
PORT=$PORT python3 - <<'PYTHON'
from login import *
c = fresh()
assert json.loads(c.hello)["login"] == "none"
assert code(FIRST, c) == "login" and drive(c).list()
PYTHON
stop
