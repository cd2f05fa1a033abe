#!/usr/bin/env bash
# A library as a static site: pages by their names with the types that they have, index.html and 404.html, no listing, no login, nothing
# to be changed; and no site where people are to log in.
. "$(dirname "$0")/lib.sh"
need_client curl
cd "$SCRATCH"
mkdir "$LIBRARY/sub" "$LIBRARY/bare" "$LIBRARY/.git"
echo '<h1>home</h1>' >"$LIBRARY/index.html"
echo '<h1>sub</h1>' >"$LIBRARY/sub/index.html"
echo '<h1>not here</h1>' >"$LIBRARY/404.html"
echo 'secret' >"$LIBRARY/.htpasswd"
echo 'secret' >"$LIBRARY/.git/config"
echo 'plain' >"$LIBRARY/bare/file"
noise 300000 1 >"$LIBRARY/large.bin"
for name in a.css a.js a.svg a.json a.txt a.png a.wasm 'ü b.html'; do echo "$name" >"$LIBRARY/$name"; done
config <<END
library = "library"
[anonymous]
rights = ["list", "get", "put"]
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
site = true
END
launch serve --config "$SCRATCH/forkftpd.toml"
AT=http://127.0.0.1:$PORT

# answers STATUS CONTENT|- TARGET OPTION...: the head is in $OUT.
answers() {
    local wanted=$1 content=$2 target=$3 got
    shift 3
    got=$(curl -sS --max-time 10 --path-as-is -o content -D "$OUT" -w '%{http_code}' "$@" "$AT$target") || fail "curl $target"
    tr -d '\r' <"$OUT" >plain && mv plain "$OUT"
    [ "$got" = "$wanted" ] || fail "$target $*: $got instead of $wanted"
    [ "$content" = - ] || same content "$LIBRARY/$content"
}
typed() { has "$OUT" "^Content-Type: $1\$"; }

answers 200 index.html /
typed 'text/html; charset=utf-8'
answers 200 index.html /index.html
answers 200 sub/index.html /sub/
answers 308 - '/sub?x=1'
has "$OUT" '^Location: /sub/\?x=1$'
answers 308 - /bare
answers 404 404.html /bare/
typed 'text/html; charset=utf-8'
! grep -Eqi '^(ETag|Accept-Ranges|Last-Modified):' "$OUT" || fail "of what is not there: $(cat "$OUT")"
answers 200 bare/file /bare/file
typed application/octet-stream
for pair in 'a.css text/css; charset=utf-8' 'a.js text/javascript; charset=utf-8' 'a.svg image/svg\+xml; charset=utf-8' \
    'a.json application/json; charset=utf-8' 'a.txt text/plain; charset=utf-8' 'a.png image/png' 'a.wasm application/wasm'; do
    name=${pair%% *}
    answers 200 "$name" "/$name"
    typed "${pair#* }"
    has "$OUT" '^X-Content-Type-Options: nosniff$'
    # It is the operator's: it may run.
    ! grep -Eqi '^Content-(Security-Policy|Disposition):' "$OUT" || fail "a site's own file in a sandbox: $name"
done
answers 200 'ü b.html' '/%C3%BC%20b.html'

# What is hidden is absent, and so is what leads out, a file as a folder, and what no file can be called.
for target in /none /.htpasswd /.git/config /.git/ /.forkftp/ /a.txt/ /a.txt/b /../etc/passwd /sub//index.html /%00 '/sub/?zip&x'; do
    case $target in
    /sub/*zip*) answers 200 sub/index.html "$target" ;;
    *) answers 404 404.html "$target" ;;
    esac
done
answers 400 - '/%2'
answers 404 404.html /none -H 'If-None-Match: *' -H 'Range: bytes=0-1'

# Of the server's own there is its service, and nobody logs in.
answers 200 - /-/health
for target in /-/login /-/shares /-/app.js /-/; do answers 404 404.html "$target"; done

# There is no listing, in whatever form.
answers 404 404.html '/bare/?json' -H 'Accept: application/json'
# As of any file: parts and conditions.
answers 206 - /large.bin -r 100000-199999
[ "$(stat -c %s content)" = 100000 ] || fail "a part of $(stat -c %s content) bytes"
cmp -i 100000:0 -n 100000 "$LIBRARY/large.bin" content || fail "a part"
answers 416 - /large.bin -r 300000-
etag=$(curl -sI "$AT/" | tr -d '\r' | sed -n 's/^ETag: //p')
answers 304 - / -H "If-None-Match: $etag"
answers 412 - / -H 'If-Match: "x"'
answers 200 - / -I
[ ! -s content ] || [ "$(head -c 4 content)" = HTTP ] || fail "HEAD with content"

# Nothing can be changed, whatever rights there are.
echo new >new
for method in PUT POST DELETE MKCOL MOVE PROPFIND TRACE; do
    answers 405 - /new -X "$method" --data-binary @new
    has "$OUT" '^Allow: GET, HEAD, OPTIONS$'
done
absent "$LIBRARY/new"
answers 204 - / -X OPTIONS
has "$OUT" '^Allow: GET, HEAD, OPTIONS$'

rm "$LIBRARY/404.html"
answers 404 - /none
typed 'text/plain; charset=utf-8'
has "$LOG" 'get peer=.* path=index.html bytes=14 session=[0-9a-f]{8}-[0-9]+$'
has "$LOG" 'get peer=.* path=/none refused=not-found'
stop

for login in optional required; do
    config <<END
library = "library"
users_file = "users.toml"
[anonymous]
rights = ["get"]
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
site = true
login = "$login"
END
    : >users.toml && chmod 600 users.toml
    expect_status 1 "$FORKFTPD" check --config "$SCRATCH/forkftpd.toml"
    has "$ERR" 'forkftpd.toml:6: site = true is for everybody'
done
