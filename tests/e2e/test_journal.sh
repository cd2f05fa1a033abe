#!/usr/bin/env bash
# systemd's journal: entries with fields from every process, those that are shut in among them; no journal, no start; a journal that
# goes away loses no line; and what a line on standard error looks like when the journal reads it.
if [ -z "${OWN_MOUNTS:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "only root can have a journal of its own in /run"; exit 77; }
    unshare -m true 2>/dev/null || { echo "cannot have mounts of our own"; exit 77; }
    OWN_MOUNTS=1 exec unshare -m bash "$0"
fi
. "$(dirname "$0")/lib.sh"

mount -t tmpfs -o mode=755 none /run
UNDO+=("umount -l /run")
JOURNAL=$SCRATCH/journal
STDERR=$SCRATCH/server.1.log
for file in hello0.txt hello1.txt hello.txt; do printf 'hello\n' >"$LIBRARY/$file"; done
cd "$SCRATCH"
add_user ann --rights list,get
serve_by_journal() {
    config <<CONFIG
library = "library"
secret_file = "secret"
users_file = "users.toml"
log_format = "journal"
log_level = "debug"
prefork = $1
[anonymous]
rights = ["list", "get"]
[[listen]]
address = "127.0.0.1:0"
login = "optional"
[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "off"
login = "optional"
CONFIG
}
# Entries in which each KEY=VALUE (an extended pattern) stands.
entries() {
    python3 - "$JOURNAL" "$@" <<'PYTHON'
import json, re, sys
wanted = [word.split("=", 1) for word in sys.argv[2:]]
found = 0
for line in open(sys.argv[1]):
    entry = json.loads(line)
    if all(re.fullmatch(pattern, str(entry.get(key, ""))) for key, pattern in wanted):
        print(line, end="")
        found += 1
sys.exit(0 if found else 1)
PYTHON
}

# Without a journal nobody is served, and nothing is written elsewhere in silence.
serve_by_journal 0
expect_status 1 timeout 20 "$FORKFTPD" serve -c "$SCRATCH/forkftpd.toml"
has "$ERR" '/run/systemd/journal/socket: No such file .*take log_format = "text"'

mkdir -p /run/systemd/journal
start_in_background python3 "$HERE/journal.py" /run/systemd/journal/socket >"$JOURNAL"
READER=$STARTED_PID
wait_for 10 entries MESSAGE=ready
for prefork in 0 1; do
    serve_by_journal "$prefork"
    start_in_background "$FORKFTPD" serve -c "$SCRATCH/forkftpd.toml" 2>"$STDERR"
    SERVER=$STARTED_PID
    wait_for 20 entries 'MESSAGE=listening on ftp://.*' FORKFTP_PROCESS=listener "_PID=$SERVER" SYSLOG_IDENTIFIER=forkftpd PRIORITY=6
    PORT=$(entries "_PID=$SERVER" 'MESSAGE=listening on drive://.*' | grep -Eo '127.0.0.1:[0-9]+' | cut -d: -f2)
    FTP=$(entries "_PID=$SERVER" 'MESSAGE=listening on ftp://.*' | grep -Eo '127.0.0.1:[0-9]+' | cut -d: -f2)
    BROKER=$(pgrep -P "$SERVER" -x forkftpd:broker)
    expect_status 0 "$FORKFTP" get "drive://127.0.0.1:$PORT/hello$prefork.txt" --overwrite -o "$SCRATCH/got"
    same "$SCRATCH/got" "$LIBRARY/hello.txt"
    # The child's own process id, as the kernel tells it, and the session that all its entries have.
    wait_for 10 entries FORKFTP_PROCESS=child "MESSAGE=get peer=.* path=hello$prefork.txt bytes=6 .*" "FORKFTP_PATH=hello$prefork.txt" \
        FORKFTP_BYTES=6 'FORKFTP_PEER=127.0.0.1:[0-9]+' 'FORKFTP_SESSION=[0-9a-f]{8}-[0-9]+'
    entries FORKFTP_PROCESS=child "FORKFTP_PATH=hello$prefork.txt" >"$OUT"
    CHILD=$(tail -n 1 "$OUT" | grep -Eo '"_PID": [0-9]+' | grep -Eo '[0-9]+')
    SESSION=$(tail -n 1 "$OUT" | grep -Eo '[0-9a-f]{8}-[0-9]+' | head -n 1)
    for message in 'connected .*' 'left .*'; do
        wait_for 10 entries "MESSAGE=$message" "_PID=$CHILD" "FORKFTP_SESSION=$SESSION"
    done
    # A data connection: the dialer holds the journal's socket, too.
    python3 - "$FTP" <<'PYTHON'
import ftplib, sys
with ftplib.FTP() as ftp:
    ftp.connect("127.0.0.1", int(sys.argv[1]), 10)
    try:
        ftp.login("ann", "wrong")
    except ftplib.error_perm:
        ftp.login()
    got = []
    ftp.retrbinary("RETR hello.txt", got.append)
    assert b"".join(got) == b"hello\n", got
PYTHON
    wait_for 10 entries 'MESSAGE=get peer=.* path=hello.txt .*' FORKFTP_PROCESS=child 'FORKFTP_PEER=127.0.0.1:[0-9]+'
    wait_for 10 entries 'MESSAGE=login refused .*' FORKFTP_PROCESS=broker "_PID=$BROKER" FORKFTP_USER=ann PRIORITY=4 'FORKFTP_SESSION=[0-9a-f]{8}-[0-9]+'
    kill -HUP "$SERVER"
    wait_for 10 entries 'MESSAGE=configuration reloaded' "_PID=$SERVER"
    [ ! -s "$STDERR" ] || fail "on standard error: $(cat "$STDERR")"
    [ "$prefork" = 1 ] || { kill "$SERVER" && wait_for 20 gone "$SERVER"; }
done

# inetd's, which has no listener.
expect_status 0 "$FORKFTPD" session -c "$SCRATCH/forkftpd.toml" </dev/null
wait_for 10 entries FORKFTP_PROCESS=child 'MESSAGE=(left|lost) peer=pipe.*' 'FORKFTP_SESSION=[0-9a-f]{8}-[0-9]+'

# Nobody reads any more: not a line is lost.
kill -KILL "$READER"
wait_for 10 gone "$READER"
expect_status 0 "$FORKFTP" get "drive://127.0.0.1:$PORT/hello.txt" --overwrite -o "$SCRATCH/got"
wait_for 10 grep -Eq '^[-0-9]+T[^ ]+ info child\[[0-9]+\] left .* session=[0-9a-f]{8}-[0-9]+$' "$STDERR"
kill "$SERVER"
wait_for 20 gone "$SERVER"
has "$STDERR" 'info listener\[[0-9]+\] ended$'

# As systemd starts it: standard error is the journal's stream, and $JOURNAL_STREAM says which.
sed -i '/^log_format/d' "$SCRATCH/forkftpd.toml"
for number in "$(: >"$STDERR" && stat -c %d:%i "$STDERR")" 1:1; do
    export JOURNAL_STREAM=$number
    : >"$STDERR"
    start_in_background "$FORKFTPD" serve -c "$SCRATCH/forkftpd.toml" 2>>"$STDERR"
    SERVER=$STARTED_PID
    wait_for 20 grep -q 'listening on ftp' "$STDERR"
    kill "$SERVER"
    wait_for 20 gone "$SERVER"
    if [ "$number" = 1:1 ]; then begin='[0-9]{4}-[0-9-]+T[^ ]+ '; else begin='<[3467]>'; fi
    ! grep -Evq "^$begin(error|warn|info|debug) (listener|broker|dialer|child)\[" "$STDERR" || fail "lines that do not begin so: $begin: $(cat "$STDERR")"
done
unset JOURNAL_STREAM
