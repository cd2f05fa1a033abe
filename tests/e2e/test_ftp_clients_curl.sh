#!/usr/bin/env bash
# curl does everything it can do with a server: up, down, ranges, lists, folders, renaming, deleting, resuming both ways after it was
# killed, times, hard names; plain, passive old and new, active, explicit and implicit TLS of both versions.
. "$(dirname "$0")/ftp.sh"
need_client curl
serve_ftp 'active = true'
noise 3000000 1 >big
printf 'one\ntwo\n' >small
touch -d '2020-02-29 12:34:56 UTC' small

curl_at() { # options of a way, after which come those of the case
    curl -sS --show-error --max-time 20 --globoff --user "$FTP_USER:$FTP_PASSWORD" "$@"
}
works() { expect_status 0 curl_at "${WAY[@]}" "$@"; }

round() { # name, base of the URLs, options
    local name=$1 at=$2
    WAY=("${@:3}")
    works --ftp-create-dirs -T big "$at/$name/big"
    same "$LIBRARY/$name/big" big
    works -o got "$at/$name/big"
    same got big
    works -T small "$at/$name/" # the name is the file's own
    works -r 1000-1999 -o got "$at/$name/big"
    cmp got <(tail -c +1001 big | head -c 1000) || fail "$name: a range came as something else"
    works -l "$at/$name/"
    # Of a folder that is named with it (nocwd), names are told with it.
    sed -i "s:^$name/::" "$OUT"
    [ "$(sort "$OUT")" = $'big\nsmall' ] || fail "$name: names: $(cat "$OUT")"
    works "$at/$name/"
    has "$OUT" '^-rw.* 3000000 .* big'
    works -I "$at/$name/big"
    has "$OUT" 'Content-Length: 3000000'
    touch -d '2020-02-29 12:34:56 UTC' "$LIBRARY/$name/small"
    works -R -o got "$at/$name/small"
    same_mtime got small
    works -l "$at/$name/" -Q "RNFR /$name/big" -Q "RNTO /$name/huge" -Q "MKD /$name/folder" -Q "DELE /$name/small"
    sed -i "s:^$name/::" "$OUT"
    [ "$(sort "$OUT")" = $'folder\nhuge' ] || fail "$name: after renaming: $(cat "$OUT")"
    same "$LIBRARY/$name/huge" big
    works -l "$at/$name/" -Q "-RMD /$name/folder" -Q "-DELE /$name/huge"
    [ -z "$(ls "$LIBRARY/$name")" ] || fail "$name: left: $(ls "$LIBRARY/$name")"
}

resume() { # name, base of the URLs, options
    local name=$1 at=$2
    WAY=("${@:3}")
    head -c 1000000 big >part
    works -T big "$at/whole"
    works -C - -o part "$at/whole"
    same part big
    # Killed in mid-upload: nothing is there, and what came is gone on with.
    rm -f pipe "$LIBRARY/cut"
    mkfifo pipe
    start_in_background curl -sS --user "$FTP_USER:$FTP_PASSWORD" "${WAY[@]}" -T pipe "$at/cut"
    local killed=$STARTED_PID
    exec 9>pipe
    head -c 1500000 big >&9
    wait_for 10 kept 1200000
    kill -KILL "$killed"
    wait "$killed" 2>/dev/null || true
    exec 9>&-
    wait_for 10 no_sessions
    absent "$LIBRARY/cut"
    works -I "$at/cut"
    has "$OUT" 'Content-Length: 1[0-9]{6}'
    works -v -C - -T big "$at/cut"
    same "$LIBRARY/cut" big
    has "$ERR" '(APPE|REST)'
    partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp")"
    # Added to what is published.
    works --append -T small "$at/cut"
    cmp "$LIBRARY/cut" <(cat big small) || fail "appending gave something else"
    rm "$LIBRARY/cut" "$LIBRARY/whole"
}

plain=ftp://127.0.0.1:$PORT
round plain "$plain"
round pasv "$plain" --disable-epsv
round active "$plain" --ftp-port -
round port "$plain" --ftp-port - --disable-eprt
works -l "$plain/" -Q "MKD /nocwd"
round nocwd "$plain" --ftp-method nocwd
for version in 1.2 1.3; do
    round "explicit-$version" "$plain" --ssl-reqd --cacert tls.crt "--tlsv$version" --tls-max "$version"
    round "implicit-$version" "ftps://127.0.0.1:$TLS_PORT" --cacert tls.crt "--tlsv$version" --tls-max "$version"
done
resume plain "$plain"
resume tls "$plain" --ssl-reqd --cacert tls.crt

WAY=()
mkdir names
for name in "${HARD_NAMES[@]}"; do
    printf '%s' "$name" >"names/x"
    works --ftp-create-dirs -T names/x "$plain/hard/$(url_escaped "$name")"
    same "$LIBRARY/hard/$name" names/x
    works -o got "$plain/hard/$(url_escaped "$name")"
    same got names/x
done
works -l "$plain/hard/"
[ "$(tr -d '\r' <"$OUT" | sort)" = "$(printf '%s\n' "${HARD_NAMES[@]}" | sort)" ] || fail "hard names: $(cat "$OUT")"

# A hundred files over one control connection: sessions and tickets do not run out.
for i in $(seq 100); do echo "$i" >"names/$i"; done
rm names/x
{ for i in $(seq 100); do printf 'upload-file = "names/%s"\nurl = "%s/many/%s"\n' "$i" "$plain" "$i"; done; } >many
hundred() { # options
    works --ssl-reqd --cacert tls.crt --ftp-create-dirs "$@" -v
    same_tree names "$LIBRARY/many"
    [ "$(grep -c '< 220 ' "$ERR")" -le 2 ] || fail "$(grep -c '< 220 ' "$ERR") sessions for a hundred files"
    rm -r "$LIBRARY/many"
}
hundred --tls-max 1.2 -K many

# Refused: exit codes tell why.
expect_status 67 curl -sS --user "$FTP_USER:wrong" "$plain/"
expect_status 78 curl -sS --user "$FTP_USER:$FTP_PASSWORD" "$plain/none"
expect_status 9 curl -sS --user "$FTP_USER:$FTP_PASSWORD" "$plain/none/"
wait_for 5 no_sessions

# Under TLS 1.3 curl resumes by the ticket of the data connection before, and has closed that of a small file before the ticket
# comes, whatever the server: it then begins a session of its own, where the server takes one.
serve_ftp 'data_tls_reuse = "prefer"'
sed "s|$plain|ftp://127.0.0.1:$PORT|" many >many.again
hundred --tlsv1.3 -K many.again
wait_for 5 no_sessions
