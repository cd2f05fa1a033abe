#!/usr/bin/env bash
# An ordinary user's server, whoever runs the tests: its children can make no descriptor before their client is let in, forked or warm, and
# serve all the same.
if [ "$(id -u)" -eq 0 ]; then
    # Nobody may look into root's folders: what is needed goes where anybody may.
    . "$(dirname "$0")/lib.sh"
    chmod 755 "$SCRATCH"
    mkdir "$SCRATCH/programs"
    install -m 755 -t "$SCRATCH/programs" "$BIN/forkftpd" "$BIN/forkftp" "$0" "$(dirname "$0")/lib.sh"
    install -m 644 -t "$SCRATCH" "$HERE/../patience.sh"
    setpriv --reuid 65534 --regid 65534 --clear-groups \
        env HOME=/nonexistent FORKFTP_BIN_DIR="$SCRATCH/programs" bash "$SCRATCH/programs/${0##*/}"
    exit
fi
. "$(dirname "$0")/lib.sh"

printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
for mode in "" "--prefork 3"; do
    # shellcheck disable=SC2086 # the option and its value are two words
    serve $mode
    has "$LOG" 'sandbox of the children level=full landlock=yes uid=own'
    for n in 1 2 3 4 5 6 7 8; do
        expect_status 0 "$FORKFTP" get "$URL/hello.txt" -o "$SCRATCH/got" --overwrite
        same "$LIBRARY/hello.txt" "$SCRATCH/got"
        expect_status 0 "$FORKFTP" put "$URL/put" "$SCRATCH/got" --overwrite
    done
    # Many at once, so that every warm child is somebody's.
    for n in {1..20}; do
        "$FORKFTP" list "$URL/" >"$SCRATCH/list.$n" 2>&1 &
        pids[n]=$!
    done
    for n in {1..20}; do
        wait "${pids[n]}" || fail "one of many was not served: $(cat "$SCRATCH/list.$n")"
        has "$SCRATCH/list.$n" '^hello.txt$'
    done
    ! grep -q 'cannot be served' "$LOG" || fail "somebody was not served: $(grep 'cannot be served' "$LOG")"
    stop
done
# The same under TLS, whose handshake wants a signature of the broker before anybody is let in.
cd "$SCRATCH"
"$FORKFTPD" cert new --host 127.0.0.1 crt key >"$OUT"
print=$(grep -Eo 'sha256:[0-9a-f]{64}' "$OUT")
for prefork in 0 2; do
    config <<EOT
library = "library"
secret_file = "secret"
tls_certificate = "crt"
tls_key = "key"
prefork = $prefork
[[listen]]
address = "127.0.0.1:0"
tls = true
EOT
    launch serve --config forkftpd.toml
    for n in 1 2 3; do
        expect_status 0 "$FORKFTP" get --pin "$print" "drives://127.0.0.1:$PORT/hello.txt" -o got --overwrite
    done
    same "$LIBRARY/hello.txt" got
    stop
done
expect_status 0 "$FORKFTPD" check --library "$LIBRARY" --secret-file "$SECRET" --listen 127.0.0.1:0
has "$OUT" 'children: this user'
has "$OUT" 'mount of its own: no'
