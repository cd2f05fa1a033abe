#!/usr/bin/env bash
# The control socket: who shows every session with its bytes, kick ends those that are meant and no other, strangers are not heard, and
# no administrator holds the listener up.
. "$(dirname "$0")/lib.sh"

CONTROL=$SCRATCH/control
printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
truncate -s 64M "$LIBRARY/large"
who() { "$FORKFTPD" who --control "$CONTROL" "$@"; }
kick() { "$FORKFTPD" kick --control "$CONTROL" "$@"; }

for mode in "" "--prefork 2"; do
    # shellcheck disable=SC2086 # the option and its value are two words
    serve $mode --control "$CONTROL" --max-clients 7 --max-per-address 5
    [ "$(stat -c %a:%F "$CONTROL")" = 600:socket ] || fail "the control socket: $(stat -c %a:%F "$CONTROL")"
    expect_status 0 who
    has "$OUT" '^0 sessions.*at most 7 clients, 5 from one address'

    PORT=$PORT SERVER=$SERVER CONTROL=$CONTROL FORKFTPD=$FORKFTPD python3 - <<'PYTHON'
from raw import *
import subprocess, threading

CONTROL, SERVER = os.environ["CONTROL"], int(os.environ["SERVER"])

def command(*arguments, code=0):
    done = subprocess.run([os.environ["FORKFTPD"], arguments[0], "--control", CONTROL, *arguments[1:]], capture_output=True, text=True)
    assert done.returncode == code, done
    return done.stdout + done.stderr

def who():
    return json.loads(command("who", "--json"))

def find(connection):
    name = "%s:%d" % connection.sock.getsockname()
    found = [session for session in who()["sessions"] if session["address"] == name]
    assert len(found) <= 1, found
    return found[0] if found else None

def eventually(what, true):
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.02)

def admin(data=b"", end=True):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(CONTROL)
    try:
        sock.sendall(data)
        if end:
            sock.shutdown(socket.SHUT_WR)
    except BrokenPipeError:                         # turned away before it asked
        pass
    return sock

def answer(sock):
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return json.loads(data) if data else None

# Everybody is there, with what they are at.
idle, busy, young, far = Raw(), Raw(receive_buffer=4096), Raw(proof=False), Raw(source="127.0.0.2")
idle.get("hello.txt")
busy.send(frame("G", {"path": "large"}))
eventually("one is busy", lambda: find(busy)["state"] == "busy")
status = who()
assert (status["clients"], len(status["sessions"])) == (4, 4), status
assert (status["pid"], status["max_clients"], status["max_per_address"]) == (SERVER, 7, 5), status
eventually("warm ones", lambda: who()["warm"] == (2 if "--prefork" in open(f"/proc/{SERVER}/cmdline").read() else 0))
for connection, state in (idle, "idle"), (young, "login"), (far, "idle"):
    eventually(f"one in {state}", lambda: find(connection)["state"] == state)
for connection in idle, busy, young, far:
    session = find(connection)
    assert session["protocol"] == "drive" and session["user"] is None, session
    children = open(f"/proc/{SERVER}/task/{SERVER}/children").read().split()
    assert str(session["pid"]) in children, (session, children)
    since = time.mktime(time.strptime(session["since"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(time.time() - since) < 30, session
# Bytes are counted, in each direction for itself.
before = find(idle)
idle.send(frame("N", b"x" * 5000))
idle.expect("N")
after = find(idle)
assert after["received"] - before["received"] == 5005 and after["sent"] - before["sent"] == 5005, (before, after)
total = 0
while total < 8 << 20:
    total += len(busy.sock.recv(1 << 20))
assert find(busy)["sent"] >= total - (1 << 20), (find(busy), total)
table = command("who")
assert table.count("\n") == 6 and f"127.0.0.1:{idle.sock.getsockname()[1]}" in table, table

# One is ended by its pid, and only that one.
assert "1 session ended" in command("kick", "--pid", str(find(idle)["pid"]))
idle.expect_end()
eventually("it is gone", lambda: find(idle) is None)
far.alive()
# No process that is not a child with a client: neither the listener, nor another, nor a warm child.
for pid in [SERVER, os.getpid(), 1, 0, -1, 2**31 - 1] + [int(pid) for pid in children if int(pid) not in [s["pid"] for s in who()["sessions"]]]:
    assert answer(admin(b'{"kick":{"pid":%d}}\n' % pid)).keys() == {"refused"}, pid
    if pid > 1:
        assert "pid" in command("kick", "--pid", str(pid), code=1)
# A session that has ended cannot be ended again, whoever has its number now.
pid = find(far)["pid"]
far.send(frame("Q", {}))
far.expect("K")
eventually("it has left", lambda: find(far) is None)
command("kick", "--pid", str(pid), code=1)
# All from an address.
more = [Raw(source="127.0.0.2") for _ in range(3)]
assert "no session from 127.0.0.9" in command("kick", "--address", "127.0.0.9", code=1)
assert "3 sessions ended" in command("kick", "--address", "127.0.0.2")
for connection in more:
    connection.expect_end()
assert find(young) is not None
command("kick", "--user", "anna", code=1)
assert "2 sessions ended" in command("kick", "--address", "127.0.0.1")
eventually("nobody is there", lambda: who()["sessions"] == [] and who()["clients"] == 0)

# Nonsense is refused, and a part of a request is waited for.
for nonsense in b"\n", b"\0\xff\n", b"[1]\n", b'{"who":{}} {"who":{}}\n', b'{"kick":{}}\n', b"x" * 4000 + b"\n", b'{"who":', b"x" * 5000:
    assert answer(admin(nonsense)).keys() == {"refused"}, nonsense
assert answer(admin()) is None, "nothing was asked"
sock = admin(end=False)
for byte in b'{"who":{}}\n':
    sock.send(bytes([byte]))
    time.sleep(0.01)
assert answer(sock).keys() == {"who"}

# Silent and slow administrators take the four places for five seconds; clients are served all the while.
held = [admin(end=False) for _ in range(4)]
time.sleep(0.2)
assert answer(admin(b'{"who":{}}\n', end=False)) == {"refused": {"message": "others are being answered; try again"}}
start = time.monotonic()
with Raw() as c:
    c.alive()
    assert time.monotonic() - start < 4, "a client waited for an administrator"
    # Nothing of them is left in a child, once it has begun: one that was forked this moment has yet to close them.
    ours = {line.split()[6] for line in open("/proc/net/unix") if line.rstrip().endswith(CONTROL)}
    assert len(ours) == 5, ours
    def holders():
        found = []
        for pid in [str(SERVER)] + open(f"/proc/{SERVER}/task/{SERVER}/children").read().split():
            try:
                links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except FileNotFoundError:
                continue
            found += [pid for link in links if link[8:-1] in ours and link.startswith("socket:")]
        return found
    # What a process has open that was shut in, or drops privileges, root alone may see.
    if os.getuid() == 0:
        eventually("the listener alone has them", lambda: holders() == [str(SERVER)] * 5)
for sock in held:
    assert answer(sock) is None
assert 4 < time.monotonic() - start < 20, time.monotonic() - start
assert who()["sessions"] is not None
PYTHON

    # Strangers: the mode keeps them out, and the listener asks the kernel who it was.
    if [ "$(id -u)" -eq 0 ]; then
        chmod 666 "$CONTROL"
        expect_status 1 setpriv --reuid 4242 --regid 4242 --clear-groups "$BIN/forkftpd" who --control "$CONTROL"
        has "$ERR" "only root and the server's own user"
        chmod 600 "$CONTROL"
        expect_status 1 setpriv --reuid 4242 --regid 4242 --clear-groups "$BIN/forkftpd" who --control "$CONTROL"
        has "$ERR" 'permission denied'
    fi
    has "$LOG" 'session ended by an administrator .*asked="address 127.0.0.2" uid=[0-9]+ pid=[0-9]+'
    stop
    absent "$CONTROL"
done

# Large answers: more sessions than a socket holds the answer of, and an administrator who takes it slowly.
serve --control "$CONTROL" --max-clients 1600 --max-per-address 1600
PORT=$PORT CONTROL=$CONTROL python3 - <<'PYTHON'
from raw import *
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = [Raw(proof=False) for _ in range(1500)]
sock = socket.socket(socket.AF_UNIX)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
sock.settimeout(20)
sock.connect(os.environ["CONTROL"])
sock.sendall(b'{"who":{}}\n')
data = sock.recv(8192)
# While the administrator takes no more, clients are served.
for _ in range(3):
    c = Raw(proof=False)
    c.expect("H")
    c.sock.close()
while piece := sock.recv(8192):
    data += piece
sessions = json.loads(data)["who"]["sessions"]
assert len(sessions) > 1000 and len(data) > 180_000, (len(data), len(sessions))
assert len({session["pid"] for session in sessions}) == len(sessions)
PYTHON
stop

# Other ways to ask, and what is said when nobody answers.
config <<CONFIG
library = "library"
secret_file = "secret"
control = "control"
[[listen]]
address = "127.0.0.1:0"
CONFIG
launch serve -c "$SCRATCH/forkftpd.toml"
expect_status 0 "$FORKFTPD" who -c "$SCRATCH/forkftpd.toml"
# The same socket after a reload; another one when another is named; the old one when the new cannot be made.
kill -HUP "$SERVER"
wait_for 5 grep -q 'configuration reloaded' "$LOG"
expect_status 0 who
sed -i 's/^control = .*/control = "missing\/control"/' "$SCRATCH/forkftpd.toml"
kill -HUP "$SERVER"
wait_for 5 grep -q 'folder is missing' "$LOG"
expect_status 0 who
sed -i 's/^control = .*/control = "other"/' "$SCRATCH/forkftpd.toml"
kill -HUP "$SERVER"
wait_for 5 test -S "$SCRATCH/other"
expect_status 0 "$FORKFTPD" who -c "$SCRATCH/forkftpd.toml"
absent "$CONTROL"
expect_status 1 who
has "$ERR" 'it is not there'
# A killed server leaves its socket; that it is dead shows, and the next one takes the name.
kill -KILL "$SERVER"
wait "$SERVER" || true
expect_status 1 "$FORKFTPD" who -c "$SCRATCH/forkftpd.toml"
has "$ERR" 'no server answers there'
launch serve -c "$SCRATCH/forkftpd.toml"
expect_status 0 "$FORKFTPD" who -c "$SCRATCH/forkftpd.toml"
expect_status 1 timeout 10 "$FORKFTPD" serve -c "$SCRATCH/forkftpd.toml"
has "$ERR" 'another server has it'
expect_status 0 "$FORKFTPD" who -c "$SCRATCH/forkftpd.toml"
stop
sed -i '/^control/d' "$SCRATCH/forkftpd.toml"
expect_status 1 "$FORKFTPD" who -c "$SCRATCH/forkftpd.toml"
has "$ERR" 'names no control socket: set control'
expect_status 2 "$FORKFTPD" kick --control "$CONTROL"
expect_status 2 "$FORKFTPD" kick --control "$CONTROL" --pid 1 --user anna
expect_status 1 "$FORKFTPD" serve -c "$SCRATCH/forkftpd.toml" --control "$SCRATCH/missing/control"
has "$ERR" 'its folder is missing'
