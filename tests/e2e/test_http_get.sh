#!/usr/bin/env bash
# What goes out over HTTP: files whole and in part, under all conditions, with types that cannot run, by any name, and folders as archives;
# fetched by curl and wget, which go on with what broke off, plain and under TLS.
. "$(dirname "$0")/lib.sh"
need_client curl wget unzip python3
cd "$SCRATCH"
export HOME=$SCRATCH
noise 300001 1 >"$LIBRARY/file"
noise 5000000 2 >"$LIBRARY/big"
touch -d '2020-02-29 UTC' "$LIBRARY/file" "$LIBRARY/big"
: >"$LIBRARY/empty"
mkdir "$LIBRARY/folder"
echo hidden >"$LIBRARY/.hidden"
ln -s file "$LIBRARY/link"

add_user reader --rights get
add_user lister --rights list
add_user slow --rights list,get --download-rate 200000
add_user writer --rights all
expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 tls.crt tls.key
config <<END
library = "library"
users_file = "users.toml"
tls_certificate = "tls.crt"
tls_key = "tls.key"
max_failures = 1000
[anonymous]
rights = ["list", "get"]
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "none"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "required"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "none"
tls = "implicit"
END
launch serve --config "$SCRATCH/forkftpd.toml"
# In their order.
wait_for 10 port_of https
mapfile -t PORTS < <(grep -Eo 'listening on https?://[^ ]*' "$LOG" | grep -Eo '[0-9]+$')

python3 "$HERE/http_get.py" "${PORTS[0]}" "${PORTS[1]}" "$LIBRARY" s3cret.Pw || fail "see above"
has "$LOG" 'get peer=.* path=file bytes=2 from=1 session=[0-9a-f]{8}-[0-9]+$'
has "$LOG" 'zip peer=.* path=tree bytes=[0-9]+ files=304 session=[0-9a-f]{8}-[0-9]+$'
has "$LOG" 'zip peer=.* path=cut bytes=[0-9]+ files=[0-9]+ refused=changed'
has "$LOG" 'get peer=.* path=cut/one bytes=[1-9][0-9]* refused=changed'
has "$LOG" 'get peer=.* path=cut/left bytes=[1-9][0-9]* refused=cancelled'

round() { # name, base of the URLs, options of curl, options of wget
    local name=$1 at=$2
    local curl=(curl -sSf --max-time 20 --cacert tls.crt) wget=(wget -nv --tries=1 --timeout=10 --ca-certificate=tls.crt)
    mkdir "$name"
    expect_status 0 "${curl[@]}" -R -o "$name/got" "$at/big"
    same "$name/got" "$LIBRARY/big"
    [ "$(stat -c %Y "$name/got")" = "$(stat -c %Y "$LIBRARY/big")" ] || fail "curl -R: $(stat -c %y "$name/got")"
    # What broke off goes on; what is whole is not fetched again.
    head -c 1234567 "$LIBRARY/big" >"$name/got"
    expect_status 0 "${curl[@]}" -C - -o "$name/got" "$at/big"
    same "$name/got" "$LIBRARY/big"
    head -c 1234567 "$LIBRARY/big" >"$name/big"
    expect_status 0 "${wget[@]}" -c -P "$name" "$at/big"
    same "$name/big" "$LIBRARY/big"
    expect_status 0 "${wget[@]}" -c -P "$name" "$at/big"
    same "$name/big" "$LIBRARY/big"
    expect_status 0 "${wget[@]}" -N -P "$name" "$at/file"
    expect_status 0 "${wget[@]}" -N -P "$name" "$at/file"
    ! grep -q saved "$ERR" || fail "wget -N fetched again what is not newer: $(cat "$ERR")"
    expect_status 0 "${curl[@]}" -z "$name/file" -o "$name/again" "$at/file"
    absent "$name/again"
    # Several on one connection.
    expect_status 0 "${curl[@]}" -o "$name/#1" "$at/{file,big,empty}"
    same "$name/file" "$LIBRARY/file"
    # Under the name that it has there.
    mkdir "$name/named"
    expect_status 0 "${curl[@]}" -OJ --output-dir "$name/named" "$at/names/%C3%BCml%C3%A4ut.txt"
    expect_status 0 "${curl[@]}" -OJ --output-dir "$name/named" "$at/tree/?zip"
    (cd "$name" && unzip -qq named/tree.zip -d unzipped) || fail "unzip: $?"
    # Its names are told as they are, but for those that elsewhere mean something else.
    rm -f "$LIBRARY/tree/.hidden" "$LIBRARY/tree/link" "$LIBRARY/tree/x\\..\\y" "$LIBRARY/tree/"caf*
    rm -f "$name/unzipped/"x* "$name/unzipped/"caf*
    diff -r "$LIBRARY/tree" "$name/unzipped" >"$OUT" || fail "unzipped: $(head -n 5 "$OUT")"
    expect_status 22 "${curl[@]}" "$at/none"
}
round plain "http://127.0.0.1:${PORTS[0]}"
round tls "https://localhost:${PORTS[2]}"
stop
