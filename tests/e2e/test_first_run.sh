#!/usr/bin/env bash
# The README's first five minutes: `make run-server` in a fresh copy, the printed lines in another terminal, put and get; root or not, and on
# what an earlier version left.
. "$(dirname "$0")/lib.sh"

chmod 755 "$SCRATCH"
first_run() { # folder, command that changes the user
    local folder=$1 url line http link id
    local as=("${@:2}")
    mkdir -p "$folder/target/release"
    cp -r "$REPO/Makefile" "$REPO/scripts" "$REPO/README.md" "$folder/"
    cp "$BIN/forkftpd" "$BIN/forkftp" "$folder/target/release/"
    [ ${#as[@]} -eq 0 ] || chown -R 65534:65534 "$folder"
    cd "$folder"
    read -r PORT FTP_PORT HTTP_PORT < <(python3 -c 'import socket
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]; print(*(one.getsockname()[1] for one in s))')
    # Building is `make build`, and takes a minute: here the programs are there already.
    start_in_background "${as[@]}" make run-server CARGO=true PORT="$PORT" FTP_PORT="$FTP_PORT" HTTP_PORT="$HTTP_PORT" >"$SCRATCH/make.out" 2>&1
    LOG=$SCRATCH/make.out SERVER=$STARTED_PID
    wait_for 20 grep -q '^Ctrl-C here' "$LOG"

    # Every line as it is printed: list without a login, put as trial, who; list and put by FTP; get and put by HTTP; and what of all that is in the ledger.
    grep '^  ' "$LOG" >"$SCRATCH/lines"
    [ "$(wc -l <"$SCRATCH/lines")" -eq 8 ] || fail "not eight lines to type: $(cat "$LOG")"
    line=$(sed -n 1p "$SCRATCH/lines")
    expect_status 0 env -u FORKFTP_SECRET_FILE "${as[@]}" bash -c "$line"
    has "$OUT" '^welcome.txt$'
    url=$(grep -Eo 'drive://[^ ]+$' <<<"$line")
    # A second time, too: trial may replace what is there.
    for _ in 1 2; do
        expect_status 0 env -u FORKFTP_SECRET_FILE "${as[@]}" bash -c "$(sed -n 2p "$SCRATCH/lines")"
    done
    same README.md run/library/README.md
    expect_status 0 "${as[@]}" bash -c "$(sed -n 3p "$SCRATCH/lines")"
    has "$OUT" '^0 sessions'
    expect_status 0 "${as[@]}" bash -c "$(sed -n 4p "$SCRATCH/lines")"
    has "$OUT" ' welcome.txt'
    for _ in 1 2; do
        rm run/library/README.md
        expect_status 0 "${as[@]}" bash -c "$(sed -n 5p "$SCRATCH/lines")"
        same README.md run/library/README.md
    done
    expect_status 0 "${as[@]}" bash -c "$(sed -n 6p "$SCRATCH/lines")"
    same "$OUT" run/library/welcome.txt
    for status in 201 200; do
        [ "$status" = 200 ] || rm run/library/README.md
        expect_status 0 "${as[@]}" bash -c "$(sed -n 7p "$SCRATCH/lines") -w '%{http_code}\n'"
        has "$OUT" "^$status\$"
        same README.md run/library/README.md
    done
    expect_status 0 "${as[@]}" bash -c "$(sed -n 8p "$SCRATCH/lines")"
    [ "$(grep -c ' upload .* trial .* README.md$' "$OUT")" -eq 6 ] || fail "not six uploads in the ledger: $(cat "$OUT")"
    has "$OUT" ' download .* http .* welcome.txt$'
    expect_status 0 "${as[@]}" target/release/forkftpd receipts verify --config run/forkftpd.toml
    has "$OUT" '^1 file as stored$'
    http=$(grep -Eo 'http://127[^ ]+/ ' "$LOG" | head -1)
    expect_status 0 curl -fsS "${http% }-/health"
    has "$OUT" '^ok$'
    # A link to one file, for whoever has it.
    expect_status 0 curl -fsS --user "trial:$(cat run/trial.password)" -d path=README.md "${http% }-/shares"
    link=$(cat "$OUT")
    expect_status 0 curl -fsS "$link"
    same "$OUT" README.md
    # The operator sees it, and ends it; also as root, where the server is somebody else's, who goes on with the file.
    expect_status 0 target/release/forkftpd share --config run/forkftpd.toml list
    has "$OUT" 'trial.*"README.md".*any number of times'
    id=$(cut -f 1 "$OUT")
    expect_status 1 target/release/forkftpd share --config run/forkftpd.toml revoke --user nobody
    expect_status 0 target/release/forkftpd share --config run/forkftpd.toml revoke "$id"
    expect_status 22 curl -fsS "$link"
    expect_status 0 curl -fsS --user "trial:$(cat run/trial.password)" -d path=README.md "${http% }-/shares"
    for file in secret users.toml trial.password shares.json; do
        [ "$(stat -c %a "run/$file")" = 600 ] || fail "run/$file has mode $(stat -c %a "run/$file")"
    done
    has "$LOG" "password: $(cat run/trial.password)"

    # Without a login nothing is put, replaced or removed; trial may.
    printf 'new\n' >mine
    client() { env FORKFTP_SECRET_FILE=run/secret FORKFTP_PASSWORD_FILE=run/trial.password "${as[@]}" target/release/forkftp "$@"; }
    expect_status 1 client put "$url/mine" mine
    expect_status 0 client put "${url/drive:\/\//drive://trial@}/mine" mine
    expect_status 1 client put --overwrite "$url/mine" mine
    expect_status 1 client rm "$url" mine
    expect_status 0 client rm "${url/drive:\/\//drive://trial@}" mine
    absent run/library/mine

    cat >"$SCRATCH/session" <<'SESSION'
set -e
export FORKFTP_SECRET_FILE=run/secret FORKFTP_PASSWORD_FILE=run/trial.password PATH=$PWD/target/release:$PATH
mkdir photos
head -c 300000 /dev/urandom >report.pdf
head -c 400000 /dev/urandom >photos/one.jpg
head -c 10 /dev/urandom >photos/two.jpg
forkftp put "${1/drive:\/\//drive://trial@}/" report.pdf -r photos
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

    # A second one at the same port does not come up, and prints nothing to type.
    expect_status 2 "${as[@]}" timeout 20 make run-server CARGO=true PORT="$PORT" FTP_PORT="$FTP_PORT" HTTP_PORT="$HTTP_PORT"
    ! grep -q '^  ' "$OUT" || fail "it printed lines to type, and did not come up: $(cat "$OUT")"

    # Ctrl-C ends it; what was put is still there when it is started again.
    kill -INT -- "-$SERVER"
    wait "$SERVER" || true
    ! (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null || fail "it still listens after Ctrl-C"
    start_in_background "${as[@]}" make run-server CARGO=true PORT="$PORT" FTP_PORT="$FTP_PORT" HTTP_PORT="$HTTP_PORT" >"$SCRATCH/make.out" 2>&1
    SERVER=$STARTED_PID
    wait_for 20 grep -q '^Ctrl-C here' "$LOG"
    expect_status 0 client get "${url/drive:\/\//drive://trial@}/report.pdf" -o back.pdf
    same report.pdf back.pdf
    kill -INT -- "-$SERVER"
    wait "$SERVER" || true
    # Root serves nobody: what its server stores is nobody's.
    owner=$(stat -c %u .)
    [ "$owner" != 0 ] || owner=$(id -u nobody)
    [ "$(stat -c %u run/library/report.pdf)" = "$owner" ] || fail "the files belong to somebody else"
}

# What the trial of the version without users left: its configuration is renewed, and its files stay. One's own is left alone.
upgrade() {
    local folder=$SCRATCH/as-i-am
    cd "$folder"
    rm run/users.toml run/trial.password run/port-* run/tls.*
    cat >run/forkftpd.toml <<'TOML'
# The trial set-up of `make run-server`. Paths are relative to this folder; `forkftpd config` prints every key.
library = "library"
secret_file = "secret"

[[listen]]
address = "127.0.0.1:8888"
TOML
    before=$(sum run/secret)
    start_in_background make run-server CARGO=true PORT="$PORT" FTP_PORT="$FTP_PORT" HTTP_PORT="$HTTP_PORT" >"$SCRATCH/make.out" 2>&1
    SERVER=$STARTED_PID
    wait_for 20 grep -q '^Ctrl-C here' "$LOG"
    has "$LOG" 'now run/forkftpd.toml.old'
    expect_status 0 bash -c "$(grep '^ .*trial@' "$LOG")"
    [ "$(sum run/secret)" = "$before" ] || fail "the secret is another"
    kill -INT -- "-$SERVER"
    wait "$SERVER" || true
    sed -i '/^users_file/d; s/^login.*//; /^# FTP/,$d' run/forkftpd.toml
    before=$(sum run/forkftpd.toml)
    start_in_background make run-server CARGO=true PORT="$PORT" FTP_PORT="$FTP_PORT" HTTP_PORT="$HTTP_PORT" >"$SCRATCH/make.out" 2>&1
    SERVER=$STARTED_PID
    wait_for 20 grep -q '^Ctrl-C here' "$LOG"
    has "$LOG" 'names no users_file'
    [ "$(grep -c '^  ' "$LOG")" -eq 3 ] || fail "not three lines to type: $(cat "$LOG")"
    while read -r line; do expect_status 0 bash -c "$line"; done < <(grep '^  ' "$LOG")
    [ "$(sum run/forkftpd.toml)" = "$before" ] || fail "my own configuration was changed"
    kill -INT -- "-$SERVER"
    wait "$SERVER" || true
}

first_run "$SCRATCH/as-i-am"
upgrade
[ "$(id -u)" -ne 0 ] || first_run "$SCRATCH/as-nobody" setpriv --reuid 65534 --regid 65534 --clear-groups
