#!/usr/bin/env bash
# A server that lies cannot write outside the target, leave wrong bytes, use up memory, or speak to the terminal.
. "$(dirname "$0")/lib.sh"

lie() { # the way of lying; sets URL
    start_in_background python3 "$HERE/fake_server.py" "$1" >"$SCRATCH/port"
    wait_for 5 test -s "$SCRATCH/port"
    URL=drive://127.0.0.1:$(cat "$SCRATCH/port")
    rm -rf "$SCRATCH/deep"
    mkdir -p "$SCRATCH/deep/er/target"
    cd "$SCRATCH/deep/er/target"
}
nothing_evil() {
    [ -z "$(find "$SCRATCH" -iname '*evil*')" ] || fail "the server wrote $(find "$SCRATCH" -iname '*evil*')"
    absent /tmp/evil-absolute "$SCRATCH/evil"
}
nothing_here() { [ -z "$(ls -A .)" ] || fail "left behind: $(ls -A .)"; }

# The honest part of the fake works, otherwise nothing below proves anything.
lie none
expect_status 0 "$FORKFTP" get --digest sha256 "$URL/good"
[ "$(wc -c <good)" -eq 22000 ] || fail "the fake server is no server"
expect_status 0 "$FORKFTP" get --digest sha256 -r "$URL/" -o all
[ -n "$(find all -name good -size 22000c)" ] || fail "the fake server does not serve a tree"

for way in escape list-escape; do
    lie $way
    ! timeout 20 "$FORKFTP" get --digest sha256 -r "$URL/" -o . >"$OUT" 2>"$ERR" || fail "$way: names out of the folder are taken for good"
    nothing_evil
    ln -s "$SCRATCH/deep" out
    timeout 20 "$FORKFTP" get --digest sha256 -r "$URL/" -o . >"$OUT" 2>"$ERR" || true
    nothing_evil
    "$FORKFTP" list -r "$URL/" >"$OUT" 2>"$ERR" || true
    [ "$(grep -c '^line' "$OUT")" -eq 0 ] || fail "$way: a name forged a line"
done

lie digest
expect_status 5 "$FORKFTP" get --digest sha256 "$URL/good"
nothing_here
expect_status 5 "$FORKFTP" get --digest sha256 "$URL/good" -o -
for way in short long; do
    lie $way
    status=0
    timeout 20 "$FORKFTP" get --digest sha256 "$URL/good" >"$OUT" 2>"$ERR" || status=$?
    case $status in 3 | 5) ;; *) fail "$way: status $status" ;; esac
    nothing_here
done

lie huge
expect_status 3 bash -c 'ulimit -v 2000000; exec timeout 20 "$@"' bash "$FORKFTP" get --digest sha256 "$URL/good"
nothing_here
lie garbage
expect_status 3 timeout 20 "$FORKFTP" list "$URL/"
lie proof
expect_status 4 timeout 20 "$FORKFTP" list "$URL/"

# On a terminal: neither names nor messages bring control characters, nor a line of their own.
for way in terminal message; do
    lie $way
    for command in "list '$URL/'" "list -l '$URL/'" "get --digest sha256 '$URL/good'" "get --digest sha256 -r '$URL/' -o all"; do
        script -qec "'$FORKFTP' $command" /dev/null >"$OUT" </dev/null || true
        ! LC_ALL=C grep -aP '\xc2[\x80-\x9f]|\x20[\x80-\x9f]|\xe2\x80\xae|\e\[31m|^forged' "$OUT" || fail "$way: raw on the terminal: $command"
    done
done

# Who says nothing, or something else, is no server: an end within reason, and no file.
start_in_background python3 -c '
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    sock, _ = listener.accept()
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
    sock.close()
' >"$SCRATCH/port2"
wait_for 5 test -s "$SCRATCH/port2"
expect_status 3 timeout 20 "$FORKFTP" list "drive://127.0.0.1:$(cat "$SCRATCH/port2")/"
