#!/usr/bin/env bash
# The README's first five minutes: `make run-server` in a fresh copy, the printed line in another terminal, put and get; root or not.
. "$(dirname "$0")/lib.sh"

chmod 755 "$SCRATCH"
first_run() { # folder, command that changes the user
    local folder=$1 url line
    local as=("${@:2}")
    mkdir -p "$folder/target/release"
    cp -r "$REPO/Makefile" "$REPO/scripts" "$REPO/README.md" "$folder/"
    cp "$BIN/forkftpd" "$BIN/forkftp" "$folder/target/release/"
    [ ${#as[@]} -eq 0 ] || chown -R 65534:65534 "$folder"
    cd "$folder"
    PORT=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    # Building is `make build`, and takes a minute: here the programs are there already.
    start_in_background "${as[@]}" make run-server CARGO=true PORT="$PORT" >"$SCRATCH/make.out" 2>&1
    LOG=$SCRATCH/make.out SERVER=$STARTED_PID
    wait_for 20 grep -q 'listening on' "$LOG"

    line=$(grep -E '^ .*forkftp list drive://' "$LOG")
    expect_status 0 env -u FORKFTP_SECRET_FILE "${as[@]}" bash -c "$line"
    has "$OUT" '^welcome.txt$'
    url=$(grep -Eo 'drive://[^ ]+$' <<<"$line")
    [ "$(stat -c %a run/secret)" = 600 ] || fail "run/secret has mode $(stat -c %a run/secret)"

    cat >"$SCRATCH/session" <<'SESSION'
set -e
export FORKFTP_SECRET_FILE=run/secret PATH=$PWD/target/release:$PATH
mkdir photos
head -c 300000 /dev/urandom >report.pdf
head -c 400000 /dev/urandom >photos/one.jpg
head -c 10 /dev/urandom >photos/two.jpg
forkftp put "$1/" report.pdf -r photos
forkftp get "$1/photos" -r -o copy
forkftp list -r "$1"
forkftp get "$1/welcome.txt"
SESSION
    expect_status 0 "${as[@]}" bash "$SCRATCH/session" "$url"
    same report.pdf run/library/report.pdf
    diff -r photos run/library/photos || fail "the folder put is not the folder"
    same photos/one.jpg "$(find copy -name one.jpg)"
    same photos/two.jpg "$(find copy -name two.jpg)"
    same welcome.txt run/library/welcome.txt
    for name in welcome.txt report.pdf photos/one.jpg; do has "$OUT" "^$name\$"; done

    # Ctrl-C ends it; what was put is still there when it is started again.
    kill -INT -- "-$SERVER"
    wait "$SERVER" || true
    ! (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null || fail "it still listens after Ctrl-C"
    start_in_background "${as[@]}" make run-server CARGO=true PORT="$PORT" >"$SCRATCH/make.out" 2>&1
    SERVER=$STARTED_PID
    wait_for 20 grep -q 'listening on' "$LOG"
    expect_status 0 env FORKFTP_SECRET_FILE=run/secret "${as[@]}" target/release/forkftp get "$url/report.pdf" -o back.pdf
    same report.pdf back.pdf
    kill -INT -- "-$SERVER"
    wait "$SERVER" || true
    # Root serves nobody: what its server stores is nobody's.
    owner=$(stat -c %u .)
    [ "$owner" != 0 ] || owner=$(id -u nobody)
    [ "$(stat -c %u run/library/report.pdf)" = "$owner" ] || fail "the files belong to somebody else"
}

first_run "$SCRATCH/as-i-am"
[ "$(id -u)" -ne 0 ] || first_run "$SCRATCH/as-nobody" setpriv --reuid 65534 --regid 65534 --clear-groups
