# What the end-to-end tests share: binaries, a scratch folder, a server on a port of its own, and a clean end.
# Sourced by every test_*.sh. Nothing here leaves the loopback interface, and only processes started here are killed.
# shellcheck shell=bash disable=SC2034 # the variables are for those who source this
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
BIN=${FORKFTP_BIN_DIR:-}
for dir in "$REPO/target/release" "$REPO/target/debug"; do
    if [ -z "$BIN" ] && [ -x "$dir/forkftpd" ]; then BIN=$dir; fi
done
FORKFTPD=$BIN/forkftpd
FORKFTP=$BIN/forkftp

SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/forkftp-e2e.XXXXXX")
LIBRARY=$SCRATCH/library
SECRET=$SCRATCH/secret
STARTED=() # process groups to end
UNDO=()    # commands to run at the end, last first
SERVERS=0
export PYTHONPATH=$HERE PYTHONDONTWRITEBYTECODE=1 FORKFTP_SECRET_FILE=$SECRET LC_ALL=C.UTF-8
umask 022

# Root serves nobody: then it is nobody who serves, and the library has to be theirs.
if [ "$(id -u)" -eq 0 ] && [ -x "$FORKFTPD" ]; then
    chmod 755 "$SCRATCH"
    cat >"$SCRATCH/forkftpd" <<WRAPPER
#!/bin/sh
case \$1 in
serve | check | session)
    [ ! -d '$LIBRARY' ] || chown -Rh nobody '$LIBRARY'
    exec '$FORKFTPD' "\$@" --user nobody ;;
esac
exec '$FORKFTPD' "\$@"
WRAPPER
    chmod 755 "$SCRATCH/forkftpd"
    FORKFTPD=$SCRATCH/forkftpd
fi

cleanup() {
    local status=$? pid i
    trap - EXIT
    set +e
    exec 2>/dev/null
    for pid in "${STARTED[@]}"; do kill -KILL -- "-$pid"; done
    wait
    for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do eval "${UNDO[i]}"; done
    if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
        for log in "$SCRATCH"/server.*.log; do
            [ -e "$log" ] && { echo "-- ${log##*/}"; tail -n 15 "$log"; }
        done
    fi
    rm -rf "$SCRATCH"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM INT HUP

. "$HERE/../patience.sh"

skip() {
    echo "$*"
    exit 77
}

# need_client PROGRAM[=PACKAGE]...: installs what is not there where it may (root, a distribution with apt, a network); otherwise this
# test is skipped, or has failed where FORKFTP_E2E_NO_SKIP=1 says that nothing may be missing.
need_client() {
    local program missing=()
    for program; do command -v "${program%=*}" >/dev/null || missing+=("${program#*=}"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        {
            apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"
        } >"$SCRATCH/apt" 2>&1 || lacking "${missing[*]} (apt-get: $(tail -n 1 "$SCRATCH/apt"))"
    fi
    for program; do command -v "${program%=*}" >/dev/null || lacking "${program%=*}"; done
}
apt_get() { DEBIAN_FRONTEND=noninteractive timeout 90 apt-get -q -o DPkg::Lock::Timeout=60 "$@"; }
lacking() {
    [ "${FORKFTP_E2E_NO_SKIP:-0}" = 0 ] || fail "not installed, and nothing may be skipped here: $1"
    skip "not installed: $1"
}

[ -x "$FORKFTPD" ] || skip "no forkftpd: build it, or set FORKFTP_BIN_DIR"

# Fails unless the command ends with that status. Its output is in $OUT and $ERR.
OUT=$SCRATCH/out ERR=$SCRATCH/err
expect_status() {
    local want=$1 got=0
    shift
    "$@" >"$OUT" 2>"$ERR" || got=$?
    [ "$got" -eq "$want" ] || {
        tail -n 20 "$OUT" "$ERR" >&2
        fail "status $got instead of $want: $*"
    }
}

# Fails unless both files hold the same bytes.
same() {
    cmp -- "$1" "$2" || fail "$1 and $2 differ"
}

# Fails if a pattern (extended) is not in a file.
has() {
    grep -Eq -e "$2" -- "$1" || {
        tail -n 20 "$1" >&2
        fail "${1##*/} does not say: $2"
    }
}

# Fails if one of these is there.
absent() {
    local path
    for path in "$@"; do [ ! -e "$path" ] || fail "$path is there"; done
}

sum() { sha256sum <"$1" | cut -d' ' -f1; }

gone() { ! kill -0 "$1" 2>/dev/null; }

# Like `not`: the shell's own ! does not pass through wait_for.
not() { ! "$@"; }

# start_in_background COMMAND...: in a process group of its own, with the signals of a login shell; sets STARTED_PID.
start_in_background() {
    setsid env --default-signal=INT,QUIT "$@" &
    STARTED_PID=$!
    STARTED+=("$STARTED_PID")
}

# launch ARGUMENT...: forkftpd with these arguments; waits until it listens; sets SERVER, LOG, and PORT and URL of its first listener.
launch() {
    SERVERS=$((SERVERS + 1))
    LOG=$SCRATCH/server.$SERVERS.log
    start_in_background "${RUN_AS[@]}" "$FORKFTPD" "$@" 2>"$LOG"
    SERVER=$STARTED_PID
    wait_for 20 listens_or_ended
    PORT=$(port_of '(drive|ftp|http)s?') || fail "the server did not start: $(tail -n 5 "$LOG")"
    URL=drive://127.0.0.1:$PORT
    HOUSEHOLD=$(children | tr '\n' ' ')
}
# port_of SCHEME: the port of the first loopback listener of that scheme (an extended pattern).
port_of() { grep -Eo "listening on $1://(127\.0\.0\.1|\[::1\]):[0-9]+" "$LOG" | head -n 1 | grep -Eo '[0-9]+$'; }
RUN_AS=() # for example: runuser -u nobody --

listens_or_ended() { gone "$SERVER" || grep -q 'listening on' "$LOG"; }

# serve OPTION...: the usual server on $LIBRARY with $SECRET.
serve() {
    launch serve --library "$LIBRARY" --listen 127.0.0.1:0 --secret-file "$SECRET" "$@"
}

# add_user NAME OPTION...: into ./users.toml, with the password that all have there, and a verifier that is quickly checked.
PASSWORD=s3cret.Pw
add_user() {
    printf '%s\n' "$PASSWORD" >password
    expect_status 0 "$FORKFTPD" user add --users-file users.toml --password-stdin --iterations 4096 "$@" <password
}

# A server described by a configuration: config <<'...' writes it.
config() {
    cat >"$SCRATCH/forkftpd.toml"
    chmod 600 "$SCRATCH/forkftpd.toml"
}

# stop: SIGTERM, and the server has to end well.
stop() {
    kill -TERM "$SERVER" 2>/dev/null || true
    local status=0
    wait "$SERVER" || status=$?
    [ "$status" -eq 0 ] || fail "the server ended with $status after SIGTERM"
}

# The processes below the listener; those that serve a client; whether none does.
children() { ps -o pid= --ppid "$SERVER" | tr -d ' ' || true; }
sessions() {
    local pid
    for pid in $(children); do
        case " $HOUSEHOLD " in *" $pid "*) ;; *) echo "$pid" ;; esac
    done
}
no_sessions() { [ -z "$(sessions)" ]; }

# Nothing of an unfinished upload is left (kept partials are another matter).
stage_empty() { [ -z "$(ls -A "$LIBRARY/.forkftp/stage" 2>/dev/null)" ]; }

# Files of a given size: bytes that no compressor and no accident reproduces, different for each key.
noise() {
    head -c "$1" /dev/zero | openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' "$2")" -iv 0 2>/dev/null
}

python_client() { python3 "$HERE/drive_client.py" --secret-file "$SECRET" 127.0.0.1 "$PORT" "$@"; }

mkdir "$LIBRARY"
printf '0123456789abcdef0123456789abcdef\n' >"$SECRET"
chmod 600 "$SECRET"
