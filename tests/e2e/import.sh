# What the tests of imported configurations share: a machine with the users and homes that a container image has, the import of its
# configuration, and the scripts of real clients at the server that it became. Sourced by test_import_*.sh.
# shellcheck shell=bash disable=SC2034 # the variables are for those who source this
if [ -z "${OWN_HOME:-}" ]; then # a /home and a /etc/passwd of our own, as the image has them
    [ "$(id -u)" -eq 0 ] || { echo "only root has a /home of its own and somebody to serve"; exit 77; }
    unshare -m true 2>/dev/null || { echo "cannot have mounts of our own"; exit 77; }
    OWN_HOME=1 exec unshare -m bash "$0"
fi
. "$(dirname "${BASH_SOURCE[0]}")/ftp.sh"
IMAGES=$REPO/src/cli/import/images
need_client curl perl
mount -t tmpfs -o size=64m,mode=755 none /home
noise 100000 1 >big
printf '%s\n' "$FTP_PASSWORD" >password

# users_are LINE...: of /etc/passwd, beside root and nobody.
users_are() {
    printf '%s\n' root:x:0:0:root:/root:/bin/bash nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin "$@" >passwd
    mount --bind passwd /etc/passwd
}
hash() { openssl passwd "$@" "$FTP_PASSWORD"; }
# shadow_of HASH: with the user, and root, who never logs in.
shadow_of() { printf '%s:%s:19000:0:99999:7:::\n' root "$1" "$FTP_USER" "$1" >shadow; }

# import FOLDER ARGUMENT...: nothing that protected is lost, and forkftpd check finds it sound. What it said is in FOLDER.said.
import() {
    local folder=$1
    shift
    expect_status 0 "$BIN/forkftpd" import "$1" --to "$folder" "${@:2}"
    cp "$OUT" "$folder.said"
    has "$folder.said" '^  configuration ok$'
    expect_status 0 "$BIN/forkftpd" check --config "$folder/forkftpd.toml"
}

# curl_at CURL-ARGUMENT... PATH: as the user who was imported, from the server that serves it.
curl_at() { curl -sS --max-time 20 -u "$FTP_USER:$FTP_PASSWORD" "${@:1:$#-1}" "ftp://127.0.0.1:$PORT/${*: -1}"; }
# round CURL-ARGUMENT...: put, list, get, rename, remove; and nobody comes in with another password.
round() {
    curl_at "$@" --ftp-create-dirs -T big folder/big
    same big "$LIBRARY/folder/big"
    curl_at "$@" -o got folder/big
    same big got
    curl_at "$@" folder/ >"$OUT"
    has "$OUT" ' 100000 .* big$'
    curl_at "$@" -Q '-RNFR folder/big' -Q '-RNTO folder/moved' '' >"$OUT"
    same big "$LIBRARY/folder/moved"
    curl_at "$@" -Q 'DELE folder/moved' -Q 'RMD folder' '' >"$OUT"
    absent "$LIBRARY/folder"
    local status=0
    curl -sS --max-time 20 -u "$FTP_USER:wrong" "$@" "ftp://127.0.0.1:$PORT/" >"$OUT" 2>&1 || status=$?
    [ "$status" -eq 67 ] || fail "a wrong password: $status"
    has users.toml '^password = "SCRAM-SHA-256' # what was hashed there is ours now
}

# passes FOLDER CLIENT...: curl's round, and then the whole script of each of these clients, each with a server of its own. Each image has some
# of them, so that each takes seconds; FTP_CLIENTS="curl ftplib lftp ncftp rclone tnftp wget" has all of them at one. Not at
# stilliard: rclone takes more than the five connections that this image lets in, and all at a time more than its ten ports.
passes() {
    local client clients
    local -A scripts=()
    read -ra clients <<<"${FTP_CLIENTS:-${*:2}}"
    FTP_IMPORTED=$SCRATCH/$1
    serve_imported
    round
    stop
    for client in "${clients[@]}"; do
        start_in_background env FTP_IMPORTED="$FTP_IMPORTED" FORKFTP_BIN_DIR="$BIN" bash "$HERE/test_ftp_clients_$client.sh" >"$client.script" 2>&1
        scripts[$client]=$STARTED_PID
    done
    for client in "${!scripts[@]}"; do
        local status=0
        wait "${scripts[$client]}" || status=$?
        [ "$status" -ne 77 ] || lacking "$client, for its script"
        [ "$status" -eq 0 ] || fail "$client at what was imported from $1: $(tail -n 20 "$client.script")"
    done
}
