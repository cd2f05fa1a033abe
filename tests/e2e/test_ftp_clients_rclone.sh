#!/usr/bin/env bash
# rclone copies, checks, moves and deletes: trees of 500 files both ways with several sessions at once, times set by MFMT and by MDTM, a
# copy that was killed and is made again; plain, explicit and implicit TLS of both versions.
. "$(dirname "$0")/ftp.sh"
need_client rclone
# Its connections share the sessions of TLS, so that the data connection of one may offer that of another, which is nobody's here: with
# several connections the server has to be told not to ask for it.
serve_ftp '' '' '' '[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "optional"
data_tls_reuse = "prefer"'
three() { [ "$(grep -c 'listening on ftps\?://' "$LOG")" -ge 3 ]; }
wait_for 10 three
PREFER_PORT=$(grep -Eo 'listening on ftp://127.0.0.1:[0-9]+' "$LOG" | sed -n 2p | grep -Eo '[0-9]+$')
make_tree tree
noise 3000000 1 >big

export RCLONE_CONFIG=$SCRATCH/rclone.conf RCLONE_CACHE_DIR=$SCRATCH/cache
password=$(rclone obscure "$FTP_PASSWORD")
remote() { # name, port, further keys
    printf '[%s]\ntype = ftp\nhost = 127.0.0.1\nport = %s\nuser = %s\npass = %s\n' "$1" "$2" "$FTP_USER" "$password"
    printf '%s\n' "${@:3}"
}
{
    remote plain "$PORT"
    remote mdtm "$PORT" 'writing_mdtm = true' 'disable_mlsd = true'
    remote explicit "$PORT" 'concurrency = 1' 'explicit_tls = true' 'no_check_certificate = true'
    remote explicit12 "$PORT" 'concurrency = 1' 'explicit_tls = true' 'no_check_certificate = true' 'disable_tls13 = true' 'tls_cache_size = 32'
    remote prefer "$PREFER_PORT" 'explicit_tls = true' 'no_check_certificate = true'
    remote implicit "$TLS_PORT" 'concurrency = 1' 'tls = true' 'no_check_certificate = true'
} >rclone.conf
rclone_at() { timeout 60 rclone --retries 2 --low-level-retries 2 --timeout 15s --contimeout 10s "$@"; }
works() { expect_status 0 rclone_at "$@"; }

round() { # remote, of how much, connections
    works copy --transfers "$3" --checkers "$3" "$2" "$1:up-$1"
    same_tree "$2" "$LIBRARY/up-$1" times
    works check --checkers "$3" --download "$2" "$1:up-$1"
    works copy --transfers "$3" --checkers "$3" "$1:up-$1" "back-$1"
    same_tree "$2" "back-$1" times
    works copy --checkers "$3" -v "$2" "$1:up-$1"
    ! grep -q 'Copied' "$ERR" || fail "copied again: $(grep -m 3 Copied "$ERR")"
    works purge "$1:up-$1"
    absent "$LIBRARY/up-$1"
}
manage() { # remote
    works copyto big "$1:single/big"
    works lsl "$1:single"
    has "$OUT" '^ *3000000 .* big$'
    works moveto "$1:single/big" "$1:single/moved"
    works cat "$1:single/moved"
    same "$OUT" big
    works cat --offset 1000 --count 500 "$1:single/moved"
    cmp "$OUT" <(tail -c +1001 big | head -c 500) || fail "$1: a range came as something else"
    works mkdir "$1:single/folder"
    works rmdir "$1:single/folder"
    works deletefile "$1:single/moved"
    works rmdir "$1:single"
    absent "$LIBRARY/single"
}
mkdir few
cp -rp "tree/folder 1" "tree/folder 2" few
mkdir few/names
# rclone writes some characters as others of its own before anything is sent: these it leaves alone.
for name in 'with space' 'ümläut' '日本' 'hash#tag' 'per%cent' 'a+b&c=d' 'semi;colon' "apo'strophe"; do
    printf '%s' "$name" >"few/names/$name"
done
round mdtm few 4
round explicit12 few 1
round explicit few 1
round implicit few 1
round prefer few 4
cp -rp few/names tree
round plain tree 4
manage plain
manage explicit

# Killed in mid-copy: what is there is whole, and the next copy makes up the rest.
start_in_background rclone copy --bwlimit 1M --transfers 1 big plain:killed
wait_for 15 kept 1200000
kill -KILL "$STARTED_PID"
wait "$STARTED_PID" 2>/dev/null || true
wait_for 10 no_sessions
absent "$LIBRARY/killed/big"
works copy big plain:killed
same "$LIBRARY/killed/big" big
works check --download big plain:killed
partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp")"

! rclone_at lsf plain:none >"$OUT" 2>&1 || fail "listed a folder that is not there"
wait_for 5 no_sessions
