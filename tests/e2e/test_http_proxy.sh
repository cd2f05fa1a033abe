#!/usr/bin/env bash
# Behind a proxy, nginx, over a Unix socket: each client is itself, in the log, in bans and in limits, and nobody is whom they say they are
# unless a trusted proxy says so.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need_client curl python3 nginx=nginx-light

cd "$SCRATCH"
printf 'by way of a proxy\n' >"$LIBRARY/a.txt"
printf 'correct horse\n' >password
add() { "$FORKFTPD" user --users-file users.toml add "$@" --iterations 4096 --password-stdin <password >"$OUT"; }
add alice --rights all
add far --rights all --network 127.0.0.5
expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 tls.crt tls.key
config <<END
library = "library"
users_file = "users.toml"
max_failures = 2
max_clients = 50
max_per_address = 2
[anonymous]
rights = ["list", "get"]
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "optional"
trusted_proxies = ["127.0.0.2"]
[[listen]]
address = "unix:$SCRATCH/http.sock"
protocol = "http"
login = "optional"
trusted_proxies = ["unix"]
hsts_seconds = 60
mode = "0666"
END
launch serve --config forkftpd.toml
DIRECT=http://127.0.0.1:$PORT

# Two ports that are free now: nginx takes none by itself.
read -r plain secure < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))')
mkdir temp
cat >nginx.conf <<END
daemon off;
master_process off;
pid $SCRATCH/nginx.pid;
error_log $SCRATCH/nginx.log;
events {}
http {
    access_log off;
    client_body_temp_path $SCRATCH/temp/body;
    proxy_temp_path $SCRATCH/temp/proxy;
    fastcgi_temp_path $SCRATCH/temp/fastcgi;
    uwsgi_temp_path $SCRATCH/temp/uwsgi;
    scgi_temp_path $SCRATCH/temp/scgi;
    upstream forkftp {
        server unix:$SCRATCH/http.sock;
        keepalive 4;
    }
    server {
        listen 127.0.0.1:$plain;
        listen 127.0.0.1:$secure ssl;
        ssl_certificate $SCRATCH/tls.crt;
        ssl_certificate_key $SCRATCH/tls.key;
        client_max_body_size 0;
        location / {
            proxy_pass http://forkftp;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host \$http_host;
            proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto \$scheme;
        }
    }
}
END
start_in_background nginx -p "$SCRATCH" -c "$SCRATCH/nginx.conf" 2>"$SCRATCH/nginx.err"
HTTP=http://127.0.0.1:$plain HTTPS=https://127.0.0.1:$secure
wait_for 10 curl -sf --cacert tls.crt -o /dev/null "$HTTPS/-/health"

HEAD=$SCRATCH/head BODY=$SCRATCH/body
ask() { # STATUS CURL-ARGUMENT...
    local want=$1 got
    shift
    got=$(curl -sS --cacert tls.crt -D head.crlf -o "$BODY" -w '%{http_code}' --max-time 20 "$@") || fail "curl: $*"
    tr -d '\r' <head.crlf >"$HEAD"
    [ "$got" = "$want" ] || fail "$got instead of $want: $* $(cat "$HEAD" "$BODY")"
}
says() { has "$HEAD" "^$1\$"; }
says_not() { ! grep -Eiq "^$1" "$HEAD" || fail "the answer has $1: $(cat "$HEAD")"; }
logged() { wait_for 5 grep -Eq -e "$1" "$LOG"; }
sign_in() { # ORIGIN STATUS CURL-ARGUMENT...
    local origin=$1 want=$2
    shift 2
    ask "$want" "$origin/-/login" --data-urlencode user=alice --data-urlencode "password=$(cat password)" "$@"
}

# The log has the client's address, whatever it says itself that it is.
ask 200 --interface 127.0.0.3 "$HTTP/a.txt?one"
same "$BODY" "$LIBRARY/a.txt"
logged ' get peer=127\.0\.0\.3 path=a\.txt'
ask 200 --interface 127.0.0.4 -H 'X-Forwarded-For: 203.0.113.9' -H 'X-Forwarded-For: 203.0.113.8' "$HTTP/a.txt"
logged ' get peer=127\.0\.0\.4 path=a\.txt'
! grep -q '203\.0\.113' "$LOG" || fail "a client chose its own address"

# Whether it speaks TLS is the proxy's word, too: so are the cookie and HSTS.
sign_in "$HTTPS" 303 --interface 127.0.0.3 -H "Origin: $HTTPS" -c jar
says 'Set-Cookie: __Host-forkftp=[0-9a-f]{64}; .*; Secure'
says 'Strict-Transport-Security: max-age=60'
logged ' signed in peer=127\.0\.0\.3 user=alice'
sign_in "$HTTPS" 403 -H "Origin: $HTTP"
sign_in "$HTTP" 303 -H "Origin: $HTTP"
says 'Set-Cookie: forkftp=[0-9a-f]{64}; .*; SameSite=Strict'
says_not Strict-Transport-Security

# Visitors may come one after the other by the proxy's connections, and by one of the client's: none is sent elsewhere.
here=(-o "$BODY" -w '%{http_code}/%{num_connects} ' --cacert tls.crt)
got=$(curl -sS "${here[@]}" --max-time 20 "$HTTPS/a.txt" --next "${here[@]}" -b jar "$HTTPS/a.txt" \
    --next "${here[@]}" -u "alice:$(cat password)" "$HTTPS/a.txt" --next "${here[@]}" "$HTTPS/a.txt")
[ "$got" = '200/1 200/0 200/0 200/0 ' ] || fail "visitors by the proxy: $got"

# From where a user may come.
ask 200 --interface 127.0.0.5 -u "far:$(cat password)" "$HTTP/a.txt"
ask 401 --interface 127.0.0.3 -u "far:$(cat password)" "$HTTP/a.txt"

# A ban is of one address, and not of the proxy.
for _ in 1 2; do ask 401 --interface 127.0.0.6 "$HTTP/-/login" -d user=alice -d password=wrong; done
sign_in "$HTTP" 401 --interface 127.0.0.6
sign_in "$HTTP" 303 --interface 127.0.0.3
logged ' login refused peer=127\.0\.0\.6 user=alice'

# So is the limit of connections: two wait for a body that does not come, and a third is too many from there.
cat >hold.py <<'PYTHON'
import select, socket, sys
def begin():
    one = socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=("127.0.0.7", 0), timeout=20)
    one.sendall(b"POST /-/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n")
    return one
held = [begin(), begin()]
while True:
    # Those that came while others were there were answered, and come again.
    answered = select.select(held, [], [])[0]
    held = [begin() if one in answered else one for one in held]
PYTHON
start_in_background python3 hold.py "$plain"
answers() { # STATUS CURL-ARGUMENT...
    [ "$(curl -sS -o "$BODY" -w '%{http_code}' --max-time 20 "${@:2}")" = "$1" ]
}
wait_for 10 answers 503 --interface 127.0.0.7 "$HTTP/a.txt"
ask 200 --interface 127.0.0.3 "$HTTP/a.txt"
kill "$STARTED_PID"
wait_for 10 answers 200 --interface 127.0.0.7 "$HTTP/a.txt"

# Who is no trusted proxy says nothing about others, nor of TLS.
ask 200 -H 'X-Forwarded-For: 203.0.113.7' -H 'X-Forwarded-Proto: https' "$DIRECT/a.txt"
logged ' get peer=127\.0\.0\.1:[0-9]+ path=a\.txt'
sign_in "$DIRECT" 303 -H 'X-Forwarded-Proto: https'
says 'Set-Cookie: forkftp=.*'
ask 401 -H 'X-Forwarded-For: 127.0.0.5' -u "far:$(cat password)" "$DIRECT/a.txt"
# One that is trusted by its address does, for one request a connection; the last that is no proxy counts.
ask 200 --interface 127.0.0.2 -H 'X-Forwarded-For: 192.0.2.1, 127.0.0.5, 127.0.0.2' -u "far:$(cat password)" "$DIRECT/a.txt"
says 'Connection: close'
logged ' get peer=127\.0\.0\.5 user=far path=a\.txt'
! grep -q '203\.0\.113\|192\.0\.2' "$LOG" || fail "somebody chose an address"
stop
