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
max_failures = 2
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

# TLS from the first byte, and what is spoken in it is agreed on (ALPN).
openssl s_client -connect "${HTTPS#https://}" -CAfile tls.crt -verify_return_error -alpn h2,http/1.1 </dev/null >"$OUT" 2>"$ERR" ||
    fail "no TLS: $(tail -n 3 "$ERR")"
has "$OUT" 'ALPN protocol: http/1\.1'

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

# The form says where it leads, and nothing of what it was given ends what it stands in.
ask 200 "$HTTP/-/login?to=/a%22%3Cb%26"
has "$BODY" 'name="to" value="/a%22%3Cb&amp;"'
says 'Cache-Control: no-store'
says 'Content-Security-Policy: .*default-src .none.*'

# A login leads on to where it came from, on this server; each has a session of its own.
n=0
for to in /a.txt '/a b/?x=1' //evil.example '/\evil.example' https://evil.example/ "$(printf '/\t/evil.example')" ''; do
    n=$((n + 1))
    ask 303 "$HTTP/-/login" --data-urlencode user=alice --data-urlencode "password=$(cat password)" --data-urlencode "to=$to"
    case $n in
    1) says 'Location: /a.txt' ;;
    2) says 'Location: /a%20b/\?x=1' ;;
    *) says 'Location: /' ;;
    esac
done
sign_in "$HTTP" jar
says 'Set-Cookie: forkftp=[0-9a-f]{64}; Path=/; Max-Age=7200; HttpOnly; SameSite=Strict'
ask 200 -b jar "$HTTP/a.txt"
same "$BODY" "$LIBRARY/a.txt"
sign_in "$HTTPS" jar.tls bob other
says 'Set-Cookie: __Host-forkftp=[0-9a-f]{64}; Path=/; Max-Age=[0-9]+; HttpOnly; SameSite=Strict; Secure'
says 'Strict-Transport-Security: max-age=60'
ask 200 -b jar.tls "$HTTPS/a.txt"
# In the clear its name is another, and HSTS is nothing that could be said there.
ask 401 -H "Cookie: __Host-forkftp=$(cookie jar.tls)" "$HTTP/a.txt"
says_not Strict-Transport-Security
ask 200 -H "$JSON" "$HTTP/-/login" --data-urlencode user=bob --data-urlencode "password=$(cat other)"
[ "$(jq -r .user "$BODY")" = bob ] || fail "the answer to bob: $(cat "$BODY")"
# Whoever has a session already is led on at once.
ask 303 -b jar "$HTTP/-/login?to=/a.txt"
says 'Location: /a.txt'

# A cookie from before the login is worth nothing after it, whoever set it.
sign_in "$HTTP" planted
planted=$(cookie planted)
ask 303 -H "Cookie: forkftp=$planted" -c mine "$HTTP/-/login" -d user=alice --data-urlencode "password=$(cat password)"
[ "$(cookie mine)" != "$planted" ] || fail "the login kept the token that it was given"
ask 200 -b mine "$HTTP/a.txt"
ask 303 -H "$HTML" -H "Cookie: forkftp=$planted" "$HTTP/a.txt"
says 'Set-Cookie: forkftp=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict'
made_up=$(printf 'ab%.0s' {1..32})
ask 303 -H "Cookie: forkftp=$made_up" -c made "$HTTP/-/login" -d user=alice --data-urlencode "password=$(cat password)"
[ "$(cookie made)" != "$made_up" ] || fail "the login took a token that was made up"
ask 401 -H "Cookie: forkftp=$made_up" "$HTTP/a.txt"

# Basic, for programs.
ask 200 -u alice:"$(cat password)" "$HTTP/a.txt"
ask 200 -u bob:"$(cat other)" -H 'Cookie: forkftp=stale' "$HTTP/a.txt"
ask 401 -H 'Authorization: Basic ???' "$HTTP/a.txt"
ask 401 -H 'Authorization: Bearer abc' "$HTTP/a.txt"

# Wrong: the form again, and a scheme that no browser asks its user for; programs are asked anew.
ask 401 --interface 127.0.0.7 "$HTTP/-/login" -d user=alice -d password=wrong -d to=/a.txt
has "$BODY" 'value="/a.txt"'
has "$BODY" 'role="alert"'
says 'WWW-Authenticate: Cookie'
says_not Set-Cookie
ask 401 --interface 127.0.0.7 -u nobody:wrong "$HTTP/a.txt"
says 'WWW-Authenticate: Basic .*'
ask 415 "$HTTP/-/login" -H 'Content-Type: application/json' -d '{}'
ask 413 "$HTTP/-/login" -d "password=$(printf 'x%.0s' {1..9000})"

# What another site's page asks for is not done; programs say nothing of the kind.
for from in 'Sec-Fetch-Site: cross-site' 'Sec-Fetch-Site: same-site' 'Origin: https://evil.example' 'Origin: null' "Origin: $HTTP.evil.example" \
    'Origin: http://127.0.0.1'; do
    ask 403 -b jar -H "$from" -X DELETE "$HTTP/a.txt"
    ask 403 -H "$from" "$HTTP/-/login" -d user=alice --data-urlencode "password=$(cat password)"
    says_not Set-Cookie
    ask 403 -b jar -H "$from" -X POST "$HTTP/-/logout"
done
ask 200 -b jar -H 'Sec-Fetch-Site: cross-site' "$HTTP/a.txt"
ask 303 -H "Origin: $HTTP" -H 'Sec-Fetch-Site: same-origin' "$HTTP/-/login" -d user=alice --data-urlencode "password=$(cat password)"
ask 403 -b jar.tls -H "Origin: ${HTTPS/https/http}" -X DELETE "$HTTPS/a.txt"

# A connection is one visitor's.
two() { # STATUSES CURL-ARGUMENT...: two requests on one connection
    local want=$1 got
    shift
    got=$(curl -sS --cacert tls.crt -o "$BODY" -w '%{http_code}/%{num_connects} ' --max-time 20 "$@") || fail "curl: $*"
    [ "$got" = "$want" ] || fail "$got instead of $want: $*"
}
here=(-o "$BODY" -w '%{http_code}/%{num_connects} ' --cacert tls.crt)
two '200/1 307/0 ' -b jar "$HTTP/a.txt" --next "${here[@]}" -u bob:"$(cat other)" "$HTTP/a.txt"
two '200/1 200/0 ' -b jar "$HTTP/a.txt" --next "${here[@]}" -b mine "$HTTP/a.txt"
two '200/1 200/0 ' -u bob:"$(cat other)" "$HTTP/a.txt" --next "${here[@]}" -u bob:"$(cat other)" "$HTTP/a.txt"
two '200/1 307/0 ' -u bob:"$(cat other)" "$HTTP/a.txt" --next "${here[@]}" "$HTTP/a.txt"
two '403/1 307/0 ' "$HTTPS/a.txt" --next "${here[@]}" -b jar.tls "$HTTPS/a.txt"
two '403/1 307/0 ' "$HTTPS/a.txt" --next "${here[@]}" -b jar.tls "$HTTPS/-/login"
two '403/1 403/0 ' "$HTTPS/a.txt" --next "${here[@]}" -H "Cookie: __Host-forkftp=$made_up" "$HTTPS/a.txt"
two '401/1 200/0 ' "$HTTP/a.txt" --next "${here[@]}" -b jar "$HTTP/a.txt"
# curl goes on by itself, on another one.
two '200/1 200/1 ' -L -b jar "$HTTP/a.txt" --next "${here[@]}" -L -u bob:"$(cat other)" "$HTTP/a.txt"

# A logout holds at once, also on a connection that is open; and everywhere, for those who want that.
cat >open.py <<'PYTHON'
import http.client, sys
port, cookie, everywhere, other = sys.argv[1:]
def get(connection, token):
    connection.request("GET", "/a.txt", headers={"Cookie": f"forkftp={token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Connection"), answer.getheader("Location")
open_one, leaves = (http.client.HTTPConnection("127.0.0.1", int(port), timeout=20) for _ in range(2))
assert get(open_one, cookie)[0] == 200
assert get(open_one, other)[0] == 200, "another session of the same user"
assert get(leaves, cookie)[0] == 200
leaves.request("POST", "/-/logout", body=f"everywhere={everywhere}", headers={
    "Cookie": f"forkftp={cookie}", "Content-Type": "application/x-www-form-urlencoded"})
answer = leaves.getresponse()
assert answer.status == 303 and "Max-Age=0" in answer.getheader("Set-Cookie"), answer.getheaders()
answer.read()
if everywhere == "0":
    assert get(open_one, other)[0] == 200, "the other session goes on"
found = get(open_one, cookie if everywhere == "0" else other)
assert found == (307, "close", "/a.txt"), found
fresh = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
assert get(fresh, cookie)[0] == 401
assert get(fresh, other)[0] == (200 if everywhere == "0" else 401)
PYTHON
sign_in "$HTTP" one && sign_in "$HTTP" two
python3 open.py "$PORT" "$(cookie one)" 0 "$(cookie two)" || fail "a logout on one connection"
sign_in "$HTTP" one
python3 open.py "$PORT" "$(cookie one)" 1 "$(cookie two)" || fail "a logout everywhere"
ask 401 -b jar "$HTTP/a.txt"
ask 200 -b jar.tls "$HTTPS/a.txt"
ask 405 -X PUT "$HTTP/-/logout"

# Who fails too often is not heard any more, with the right password either; nobody else is.
for _ in 1 2; do ask 401 --interface 127.0.0.8 "$HTTP/-/login" -d user=alice -d password=wrong; done
ask 401 --interface 127.0.0.8 "$HTTP/-/login" --data-urlencode user=alice --data-urlencode "password=$(cat password)"
ask 401 --interface 127.0.0.8 -u alice:"$(cat password)" "$HTTP/a.txt"
sign_in "$HTTP" jar
# Three are tried on a connection, and then it ends.
cat >three.py <<'PYTHON'
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20, source_address=("127.0.0.9", 0))
for last in (None, None, "close"):
    connection.request("POST", "/-/login", body="user=alice&password=wrong", headers={
        "Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    assert (answer.status, answer.getheader("Connection")) == (401, last), answer.getheaders()
PYTHON
python3 three.py "$PORT" || fail "three attempts on a connection"

# A reload keeps who is in, but for those whose password is another.
sign_in "$HTTP" jar.bob bob other
printf 'new one\n' >password
"$FORKFTPD" user --users-file users.toml passwd alice --iterations 4096 --password-stdin <password >"$OUT"
kill -HUP "$SERVER"
wait_for 10 grep -q reloaded "$LOG"
ask 401 -b jar "$HTTP/a.txt"
ask 200 -b jar.bob "$HTTP/a.txt"

# Passwords and tokens are in no log.
for secret in 'correct horse' 'battery+staple' "$(cookie jar.bob)" "$(cookie jar.tls)"; do
    ! grep -F -e "$secret" "$LOG" || fail "the log has $secret"
done
stop
