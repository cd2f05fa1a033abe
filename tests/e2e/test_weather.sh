#!/usr/bin/env bash
# Bad weather: without descriptors, without processes, with a broker that hangs or cannot be started, the listener tells clients that it is
# busy, does not spin, and serves again by itself. Places are neither lost nor doubled when children are killed under load, and one
# address cannot take them all.
. "$(dirname "$0")/lib.sh"

CONTROL=$SCRATCH/control
printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"

cat >"$SCRATCH/weather.py" <<'PYTHON'
from raw import *
import random, signal, subprocess, threading

SERVER, CONTROL, FORKFTPD = int(os.environ["SERVER"]), os.environ["CONTROL"], os.environ["FORKFTPD"]

def children(name="forkftpd:child"):
    found = []
    for pid in open(f"/proc/{SERVER}/task/{SERVER}/children").read().split():
        try:
            if open(f"/proc/{pid}/comm").read().strip() == name:
                found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found

def descriptors():
    return len(os.listdir(f"/proc/{SERVER}/fd"))

def cpu():
    """Seconds of processor time that the listener itself has used."""
    fields = open(f"/proc/{SERVER}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

def calm(what, seconds=2):
    before = cpu()
    time.sleep(seconds)
    used = cpu() - before
    assert used <= 0.2, f"{what}: {used} s of processor time in {seconds} s"

def comes_in(source=None, patience=20):
    """A client, None when it is told busy."""
    c = Raw(proof=False, source=source, timeout=patience)
    letter, payload = c.receive()
    if letter == "H":
        c.hello = payload
        c.prove()
        c.expect("K")
        return c
    assert letter == "E" and json.loads(payload)["code"] == "busy", (letter, payload)
    c.expect_end()
    c.sock.close()
    return None

def eventually(what, true, seconds=15):
    end = time.monotonic() + seconds
    while not (result := true()):
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.05)
    return result

def who():
    done = subprocess.run([FORKFTPD, "who", "--json", "--control", CONTROL], capture_output=True, text=True)
    assert done.returncode == 0, done
    return json.loads(done.stdout)

def soft_limit(resource, value):
    # As the server's own user: root of a container may not be allowed to.
    uid = os.stat(f"/proc/{SERVER}").st_uid
    own = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid != os.getuid() else []
    subprocess.run(own + ["prlimit", f"--pid={SERVER}", f"--{resource}={value}:"], check=True)
PYTHON

weather() { PYTHONPATH=$HERE:$SCRATCH PORT=$PORT SERVER=$SERVER CONTROL=$CONTROL FORKFTPD=$FORKFTPD python3 - "$@"; }

# A broker that dies, and whose successor hangs before it is set up: after half a minute that is the end, and not before; with a clear
# line, and nothing left behind. Beside everything else, since it takes its time.
serve --control "$SCRATCH/hanging"
HANGING_LOG=$LOG
CONTROL=$SCRATCH/hanging weather <<'PYTHON' &
from weather import *
def is_broker(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read().split("\0")[1:2] == ["broker"]
    except (FileNotFoundError, ProcessLookupError):
        return False

def catch():
    """Ends the broker, and stops its successor as soon as that runs: it takes some milliseconds to set itself up."""
    time.sleep(2.5)                                 # a broker that lives shorter died young
    old, new = children("forkftpd:broker"), []
    os.kill(old[0], signal.SIGKILL)
    while not new:
        there = open(f"/proc/{SERVER}/task/{SERVER}/children").read().split()
        new = [int(pid) for pid in there if int(pid) not in old and is_broker(pid)]
    os.kill(new[0], signal.SIGSTOP)
    return new

def answers():
    """The listener does not wait for the broker."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(1)
        sock.connect(CONTROL)
        sock.sendall(b'{"who":{}}\n')
        try:
            return bool(sock.recv(1))
        except TimeoutError:
            return False

held = comes_in()
for _ in range(10):
    new = catch()
    if not answers():
        break
    os.kill(new[0], signal.SIGCONT)                 # too late: it was set up
else:
    raise AssertionError("no broker was caught in time")
start = time.monotonic()
held.alive()
time.sleep(20)
held.alive()
held.expect_end()
assert 20 < time.monotonic() - start < 40, time.monotonic() - start
eventually("the broker is ended", lambda: not os.path.exists(f"/proc/{new[0]}"))
PYTHON
HANGING=$!

for mode in "" "--prefork 3"; do
    # Descriptors: the limit falls to just above what is in use.
    # shellcheck disable=SC2086 # the option and its value are two words
    serve $mode --control "$CONTROL" --handshake-seconds 3
    weather <<'PYTHON'
from weather import *
held = [comes_in() for _ in range(5)]
assert all(held)
time.sleep(0.3)
# Above the highest number in use; the gaps below are few.
soft_limit("nofile", max(int(fd) for fd in os.listdir(f"/proc/{SERVER}/fd")) + 1)
refused, more = 0, []
end = time.monotonic() + 10
while refused < 8:
    assert time.monotonic() < end, f"after 10 s {refused} were told busy, {len(more)} came in"
    c = comes_in()
    if c:
        more.append(c)
    else:
        refused += 1
assert len(more) < 40, f"{len(more)} came in"
for c in held:
    c.alive()
# While clients wait, and while none does.
waiting = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(30)]
calm("out of descriptors, clients waiting")
for sock in waiting:
    sock.settimeout(5)
    assert sock.recv(100)[:1] == b"E", "a waiting client was not told"
    sock.close()
calm("out of descriptors")
# An administrator is heard even now.
assert who()["clients"] == len(held) + len(more), who()
# Who leaves makes room.
for c in held + more:
    c.sock.close()
soft_limit("nofile", 4096)
c = eventually("service again", comes_in)
c.alive()
assert descriptors() < 60, "descriptors have leaked"
PYTHON
    stop

    # A broker that hangs: its channel fills, and clients hear that the server is busy instead of nothing. It wakes, and all is well.
    # shellcheck disable=SC2086
    serve $mode --control "$CONTROL" --handshake-seconds 3 --max-clients 3000 --max-per-address 3000
    weather <<'PYTHON'
from weather import *
import resource, select
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
[broker] = children("forkftpd:broker")
held = comes_in()
os.kill(broker, signal.SIGSTOP)
poll, by_number = select.poll(), {}
try:
    socks, busy, end = [], 0, time.monotonic() + 20
    while not busy:
        assert time.monotonic() < end and len(socks) < 2500, f"{len(socks)} wait, and none was told busy"
        sock = socket.create_connection(("127.0.0.1", PORT))
        socks.append(sock)
        poll.register(sock, select.POLLIN)
        by_number[sock.fileno()] = sock
        for number, _ in poll.poll(0):
            poll.unregister(number)
            first = by_number[number].recv(5)[:1]
            assert first in (b"E", b""), first
            busy += first == b"E"
    print(len(socks), "clients before the first was told busy")
    held.alive()
    for sock in socks:
        sock.close()
    eventually("deadlines end those that wait for the broker", lambda: who()["clients"] == 1)
    calm("the broker hangs")
finally:
    os.kill(broker, signal.SIGCONT)
c = eventually("service again", comes_in)
c.alive()
held.alive()
PYTHON
    stop
done

# Processes: a server of its own user, whose limit of processes falls to what is there.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    user=48151 # nobody else's
    chown -R $user "$LIBRARY" "$SECRET"
    chmod 777 "$SCRATCH"
    for mode in "" "--prefork 3"; do
        RUN_AS=(setpriv --reuid "$user" --regid "$user" --clear-groups)
        plain=$FORKFTPD
        FORKFTPD=$BIN/forkftpd
        # shellcheck disable=SC2086
        serve $mode --control "$CONTROL" --sandbox full
        weather <<'PYTHON'
from weather import *
held = [comes_in() for _ in range(5)]
assert all(held)
time.sleep(0.3)
soft_limit("nproc", 1)
more = []
while c := comes_in():                              # who was warm already
    more.append(c)
    assert len(more) <= 3
for _ in range(5):
    assert comes_in() is None
for c in held + more:
    c.alive()
waiting = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(30)]
calm("out of processes, clients waiting")
for sock in waiting:
    sock.settimeout(5)
    assert sock.recv(100)[:1] == b"E", "a waiting client was not told"
calm("out of processes")
# The broker dies just now, and cannot be started again: it is missed, not the end.
[broker] = children("forkftpd:broker")
time.sleep(2)
os.kill(broker, signal.SIGKILL)
time.sleep(2.5)
assert children("forkftpd:broker") == [] and comes_in() is None
for c in held + more:
    c.alive()
calm("without a broker")
soft_limit("nproc", 4096)
c = eventually("service again", comes_in)
c.alive()
assert len(children("forkftpd:broker")) == 1
PYTHON
        has "$LOG" 'the broker cannot be started, and is tried again'
        stop
        FORKFTPD=$plain
        RUN_AS=()
    done
fi

for mode in "" "--prefork 4"; do
    # Children killed at random while clients come and go: never more than the limits, and no place lost or doubled in the end.
    # shellcheck disable=SC2086
    serve $mode --control "$CONTROL" --max-clients 12 --max-per-address 8
    weather <<'PYTHON'
from weather import *
warm, killed, over, failures, done = (4 if "--prefork" in open(f"/proc/{SERVER}/cmdline").read() else 0), 0, [], [], threading.Event()

def client(source):
    while not done.is_set():
        try:
            c = comes_in(source)
            if c:
                c.alive()
                time.sleep(random.random() / 20)
                c.sock.close()
            else:
                time.sleep(0.01)
        except (OSError, EOFError):
            pass                                    # its child was killed
        except BaseException as error:
            failures.append(repr(error))
            return

def watch():
    while not done.is_set():
        status = who()
        by_address = {}
        for session in status["sessions"]:
            address = session["address"].rpartition(":")[0]
            by_address[address] = by_address.get(address, 0) + 1
        if status["clients"] > 12:
            over.append(status)
        time.sleep(0.05)

threads = [threading.Thread(target=client, args=(source,)) for source in ["127.0.0.2", "127.0.0.3"] for _ in range(10)] + [threading.Thread(target=watch)]
for thread in threads:
    thread.start()
end = time.monotonic() + 60
while killed < 200 and time.monotonic() < end:
    there = children()
    assert len(there) <= 12 + 2 * warm + 20, there  # some are being told to go
    for pid in random.sample(there, min(3, len(there))):
        try:
            os.kill(pid, signal.SIGKILL)
            killed += 1
        except ProcessLookupError:
            pass
    time.sleep(0.02)
done.set()
for thread in threads:
    thread.join()
assert killed >= 200 and not failures and not over, (killed, failures[:3], over[:1])
eventually("all have left", lambda: who()["clients"] == 0 and len(children()) == warm)
# Exactly as many as before: eight of one address, four of another.
def fill(source, most):
    held = []
    def one():
        c = comes_in(source)
        held.extend([c] if c else [])
        return len(held) == most
    eventually(f"{most} of {source}", one)
    assert comes_in(source) is None
    return held
held = fill("127.0.0.2", 8) + fill("127.0.0.3", 4)
assert comes_in("127.0.0.4") is None and who()["clients"] == 12
for c in held:
    c.alive()
PYTHON
    stop

    # A flood from one address, connecting as fast as it can and holding what it gets: another address is served all the while.
    # shellcheck disable=SC2086
    serve $mode --control "$CONTROL" --max-clients 20 --max-per-address 10
    weather <<'PYTHON'
from weather import *
done, attempts = threading.Event(), [0]

def flood():
    held = []
    while not done.is_set():
        try:
            sock = socket.socket()
            sock.bind(("127.0.0.2", 0))
            sock.settimeout(5)
            sock.connect(("127.0.0.1", PORT))
            attempts[0] += 1
            held.append(sock)
            held = held[-40:]
        except OSError:
            pass

threads = [threading.Thread(target=flood) for _ in range(4)]
for thread in threads:
    thread.start()
time.sleep(1)
try:
    slowest = 0
    for _ in range(60):
        start = time.monotonic()
        c = comes_in("127.0.0.3", patience=10)
        assert c, "the other address was told busy"
        assert c.get("hello.txt") == b"Hello, drive!\n"
        c.sock.close()
        slowest = max(slowest, time.monotonic() - start)
    held = [comes_in("127.0.0.3", patience=10) for _ in range(9)]
    assert all(held), "the other address did not get its share"
    assert slowest < 5, f"the other address waited {slowest} s"
finally:
    done.set()
    for thread in threads:
        thread.join()
assert attempts[0] > 200, attempts
PYTHON
    stop
done

wait "$HANGING" || fail "a broker that hangs"
has "$HANGING_LOG" 'the broker was not set up within 30 seconds'
