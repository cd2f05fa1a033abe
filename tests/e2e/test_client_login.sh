#!/usr/bin/env bash
# The client logs in with a password from a file or from the terminal, and believes no server that only says it knows the user. The other side is
# written in Python from the RFC, and holds a verifier that forkftpd user made.
. "$(dirname "$0")/lib.sh"

users=$SCRATCH/users.toml
"$FORKFTPD" user --users-file "$users" add alice --password-stdin <<<'correct horse' >"$OUT"
verifier=$(sed -n 's/^password = "\(.*\)"$/\1/p' "$users")
[ -n "$verifier" ] || fail "no verifier: $(cat "$users")"
printf 'correct horse\n' >"$SCRATCH/right"
printf 'correct cow' >"$SCRATCH/wrong"
chmod 600 "$SCRATCH/right" "$SCRATCH/wrong"

server() { # what it asks for; sets HOST and SAW
    SAW=$SCRATCH/saw.$1
    start_in_background python3 "$HERE/login_server.py" "$1" alice "$verifier" >"$SAW"
    wait_for 5 test -s "$SAW"
    HOST=127.0.0.1:$(head -n 1 "$SAW")
}
saw() { [ "$(tail -n +2 "$SAW" | tr '\n' ' ')" = "$1" ] || fail "the server saw: $(cat "$SAW")"; }
ping() { expect_status "$1" timeout 20 "$FORKFTP" ping -c 1 "${@:2}" </dev/null; }

server required
ping 0 --password-file "$SCRATCH/right" "drive://alice@$HOST"
has "$OUT" 'logged in as alice \(list\)'
FORKFTP_PASSWORD_FILE=$SCRATCH/right ping 0 "drive://alice@$HOST"
saw 'right echo right echo '
ping 4 --password-file "$SCRATCH/wrong" "drive://alice@$HOST"
has "$ERR" 'refused the login'
ping 4 --password-file "$SCRATCH/right" "drive://bob@$HOST"
has "$ERR" 'refused the login'
# Nobody named; and what stands in a password's way.
ping 4 "drive://$HOST"
has "$ERR" 'drive://USER@HOST'
ping 2 "drive://alice:pw@$HOST"
has "$ERR" 'FORKFTP_PASSWORD_FILE'
chmod 640 "$SCRATCH/right"
ping 4 --password-file "$SCRATCH/right" "drive://alice@$HOST"
has "$ERR" 'chmod 600'
chmod 600 "$SCRATCH/right"
ping 4 --password-file "$SCRATCH/none" "drive://alice@$HOST"
has "$ERR" 'none'
expect_status 4 setsid -w timeout 20 "$FORKFTP" ping "drive://alice@$HOST" </dev/null
has "$ERR" '--password-file'

server optional
ping 0 "drive://$HOST"
has "$OUT" 'anonymous'
ping 0 --password-file "$SCRATCH/right" "drive://alice@$HOST"
has "$OUT" 'logged in as alice'
server none
ping 4 --password-file "$SCRATCH/right" "drive://alice@$HOST"
has "$ERR" 'no users'

# It lets everybody in: the client says nothing more to it.
server lying
ping 4 --password-file "$SCRATCH/right" "drive://alice@$HOST"
has "$ERR" 'could not show that it knows'
saw 'right gone '

# On a terminal: typed once for the client, twice for a new password; nothing of it is shown.
server required
python3 - "$FORKFTP" "$FORKFTPD" "$HOST" "$users" <<'PYTHON'
import os, pty, sys, termios, time

def talk(command, *said):
    """Runs it on a terminal of its own, and types each line after the next prompt. Returns what was shown, and the status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    shown, left = b"", list(said)
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if left and shown.count(b": ") > len(said) - len(left) and shown.endswith(b": "):
            # The prompt comes just before the echo is switched off; people are slower than this.
            end = time.monotonic() + 10
            while termios.tcgetattr(terminal)[3] & termios.ECHO:
                assert time.monotonic() < end, "the terminal still echoes"
                time.sleep(0.005)
            os.write(terminal, left.pop(0).encode())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert b"horse" not in shown and b"cow" not in shown, shown
    return shown.decode(), status

forkftp, forkftpd, host, users = sys.argv[1:]
os.environ.pop("FORKFTP_PASSWORD_FILE", None)
shown, status = talk([forkftp, "ping", "-c", "1", f"drive://alice@{host}"], "correct horse\n")
assert status == 0 and "Password of alice: " in shown and "logged in as alice" in shown, (status, shown)
shown, status = talk([forkftp, "ping", "-c", "1", f"drive://alice@{host}"], "correct cow\n")
assert status == 4, (status, shown)
shown, status = talk([forkftp, "ping", "-c", "1", f"drive://alice@{host}"], "\x03")
assert status in (130, -2), (status, shown)
shown, status = talk([forkftpd, "user", "--users-file", users, "add", "bob"], "one horse\n", "one cow\n")
assert status == 1 and "two different" in shown, (status, shown)
shown, status = talk([forkftpd, "user", "--users-file", users, "add", "bob"], "one horse\n", "one horse\n")
assert status == 0 and "bob added" in shown, (status, shown)
shown, status = talk([forkftpd, "user", "--users-file", users, "check", "bob"], "one horse\n")
assert status == 0, (status, shown)
PYTHON
