#!/usr/bin/env bash
# Logging in over HTTP: the page and its cookie for browsers, Basic for programs, whose a connection is, and what another site's page
# cannot do.
. "$(dirname "$0")/lib.sh"
need_client curl jq

cd "$SCRATCH"
printf 'of everybody who is in\n' >"$LIBRARY/a.txt"
printf 'correct horse\n' >password
printf 'battery+staple & co\n' >other
for user in alice bob; do
    "$FORKFTPD" user --users-file users.toml add "$user" --rights all --iterations 4096 --password-stdin \
        <"$([ "$user" = alice ] && echo password || echo other)" >"$OUT"
done
expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 tls.crt tls.key
config <<END
library = "library"
users_file = "users.toml"
tls_certificate = "tls.crt"
tls_key = "tls.key"
max_failures = 8
ban_seconds = 600
[anonymous]
rights = ["list"]
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "required"
session_hours = 2
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "optional"
tls = true
hsts_seconds = 60
END
launch serve --config forkftpd.toml
wait_for 10 port_of https
HTTP=http://127.0.0.1:$PORT HTTPS=https://127.0.0.1:$(port_of https)
HTML='Accept: text/html' JSON='Accept: application/json'

# ask STATUS CURL-ARGUMENT...: the head is in HEAD without its carriage returns, the content in BODY.
HEAD=$SCRATCH/head BODY=$SCRATCH/body
ask() {
    local want=$1 got
    shift
    got=$(curl -sS --cacert tls.crt -D head.crlf -o "$BODY" -w '%{http_code}' --max-time 20 "$@") || fail "curl: $*"
    tr -d '\r' <head.crlf >"$HEAD"
    [ "$got" = "$want" ] || fail "$got instead of $want: $* $(cat "$HEAD" "$BODY")"
}
says() { has "$HEAD" "^$1\$"; }
says_not() { ! grep -Eiq "^$1" "$HEAD" || fail "the answer has $1: $(cat "$HEAD")"; }
# sign_in ORIGIN JAR [USER PASSWORD-FILE]
sign_in() { ask 303 "$1/-/login" -c "$2" --data-urlencode "user=${3:-alice}" --data-urlencode "password=$(cat "${4:-password}")"; }
cookie() { awk '$6 ~ /forkftp$/ { print $7 }' "$1"; }

# Who does not say who they are is asked, each in their way.
ask 303 -H "$HTML" "$HTTP/a.txt?download"
says 'Location: /-/login\?to=/a.txt%3Fdownload'
ask 401 -H "$JSON" "$HTTP/a.txt"
says 'WWW-Authenticate: Cookie'
[ "$(jq -r .error "$BODY")" = login ] || fail "the refusal: $(cat "$BODY")"
ask 401 "$HTTP/a.txt"
says 'WWW-Authenticate: Basic realm="forkftp", charset="UTF-8"'
# Another site's link: our cookie does not come along, but it does to the page that this leads to.
ask 200 -H "$HTML" -H 'Sec-Fetch-Site: cross-site' "$HTTP/a.txt"
has "$BODY" 'refresh" content="0;url=/-/login\?to=/a.txt"'

# The form says where it leads, and nothing else of what it was given.
ask 200 "$HTTP/-/login?to=/a%2522%253Cb"
has "$BODY" 'name="to" value="/a%22%3Cb"'
says 'Cache-Control: no-store'
for to in '//evil.example' '/\evil.example' 'https://evil.example/' 'javascript:1' $'/\t/evil.example' ''; do
    ask 303 "$HTTP/-/login" --data-urlencode user=alice --data-urlencode "password@password" --data-urlencode "to=$to" \
        --data-urlencode 'password=correct horse' -H 'X-Unused: 1' || true
done 2>/dev/null || true
