#!/usr/bin/env bash
# wget fetches what people have it fetch: files, patterns, trees of 500 files with their times, the rest of a file, only what is newer, hard
# names; passive and active, plain, explicit and implicit TLS.
. "$(dirname "$0")/ftp.sh"
need_client wget
noise 3000000 1 >"$LIBRARY/big"
touch -d '2020-02-29 UTC' "$LIBRARY/big"
mkdir "$LIBRARY/hard" "$LIBRARY/some"
for name in "${HARD_NAMES[@]}"; do
    # What it would write under another name, or reads as a pattern, is no matter of the server's.
    case $name in ' '* | *\[*) continue ;; esac
    printf '%s' "$name" >"$LIBRARY/hard/$name"
done
for i in one two three; do echo "$i" >"$LIBRARY/some/$i.txt"; done
echo other >"$LIBRARY/some/other.dat"
make_tree "$LIBRARY/tree"
# The time of day is in no listing of files of another year.
find "$LIBRARY/tree" -type f -exec sh -c 'for f; do touch -d "$(date -u -d "@$(stat -c %Y "$f")" +%F)" "$f"; done' - {} +
serve_ftp 'active = true'

at=127.0.0.1:$PORT
wget_at() { # options
    timeout 60 wget -nv --tries=2 --timeout=10 --user="$FTP_USER" --password="$FTP_PASSWORD" --ca-certificate=tls.crt "$@"
}
works() { expect_status 0 wget_at "$@"; }

round() { # name, base of the URLs, options
    local name=$1 at=$2
    shift 2
    mkdir "$name"
    works "$@" -O "$name/got" "$at/big"
    same "$name/got" "$LIBRARY/big"
    works "$@" -N -P "$name" "$at/big"
    same_mtime "$name/big" "$LIBRARY/big"
    head -c 1000000 "$LIBRARY/big" >"$name/big"
    works "$@" -c -P "$name" "$at/big"
    same "$name/big" "$LIBRARY/big"
    works "$@" -P "$name/some" "$at/some/*.txt"
    [ "$(find "$name/some" -type f -printf '%f\n' | sort)" = $'one.txt\nthree.txt\ntwo.txt' ] ||
        fail "$name: of a pattern: $(ls "$name/some")"
    # Its exit status then depends on where in the listing the file stands.
    wget_at "$@" --spider "$at/big" 2>"$ERR" || true
    has "$ERR" 'File.*big.* exists'
    expect_status 8 wget_at "$@" -O "$name/none" "$at/none"
}
round plain "ftp://$at"
round active "ftp://$at" --no-passive-ftp
round explicit "ftps://$at"
round implicit "ftps://127.0.0.1:$TLS_PORT" --ftps-implicit
round clear-data "ftps://$at" --ftps-clear-data-connection

works -r -nH -P trees "ftp://$at/tree"
same_tree "$LIBRARY/tree" trees/tree times
# What is there is not fetched again; what is newer is.
works -r -N -nH -P trees "ftp://$at/tree"
! grep -q 'file-[0-9]*.bin" \[' "$ERR" || fail "fetched again: $(grep -m 3 'file-' "$ERR")"
echo newer >"$LIBRARY/tree/folder 3/file-3.bin"
works -r -N -nH -P trees "ftp://$at/tree"
[ "$(grep -c 'file-[0-9]*.bin" \[' "$ERR")" = 1 ] || fail "not the one that is newer: $(grep 'file-' "$ERR" | head -n 3)"
same "trees/tree/folder 3/file-3.bin" "$LIBRARY/tree/folder 3/file-3.bin"

for path in "$LIBRARY/hard"/*; do
    works -O got "ftp://$at/hard/$(url_escaped "${path##*/}")"
    same got "$path"
done
# Recursively it takes percent signs of names for its own.
rm "$LIBRARY"/hard/per*
works -r -nH -P trees --restrict-file-names=nocontrol "ftp://$at/hard"
same_tree "$LIBRARY/hard" trees/hard

expect_status 6 timeout 60 wget -nv --user="$FTP_USER" --password=wrong -O none "ftp://$at/big"
wait_for 5 no_sessions
