#!/usr/bin/env bash
# What comes in by HTTP, and what is changed: PUT whole and in parts, forms, DELETE, MKCOL, MOVE, every status of them; and what a client
# that was killed in the middle finds kept.
. "$(dirname "$0")/lib.sh"
cd "$SCRATCH"
need_client curl

noise $((5 << 20)) 1 >big
noise 5000 2 >small
noise $((8 << 20)) 3 >larger
: >empty

# serve_http RIGHTS [KEYS]: nobody logs in.
serve_http() {
    config <<END
library = "library"
largest_file = "6 MiB"
durability = "none"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "none"
[anonymous]
rights = [$1]
${2:-}
END
    launch serve --config "$SCRATCH/forkftpd.toml"
    HTTP=http://127.0.0.1:$PORT
}

# ask STATUS CURL_ARGUMENT...: the answer's head is in `answer`, its content in $OUT, the bytes that were sent in SENT.
ask() {
    local want=$1 got
    shift
    got=$(curl -sS --max-time 20 -o "$OUT" -D ./answer -w '%{http_code} %{size_upload}' "$@") || fail "curl: $*"
    SENT=${got#* }
    [ "${got%% *}" = "$want" ] || fail "${got%% *} instead of $want for $*: $(cat "$OUT")"
}
# field NAME: its value in the last answer, empty where there is none.
field() { tr -d '\r' <./answer | sed -n "s/^$1: //Ip" | tail -n 1; }
is() { [ "$1" = "$2" ] || fail "${3:-value}: $1 instead of $2"; }
sha256_field() { echo "sha-256=:$(openssl dgst -sha256 -binary "$1" | base64):"; }
json() { python3 -c 'import json, sys; print(eval(sys.argv[2], {"answer": json.load(open(sys.argv[1]))}))' "$OUT" "$1"; }

serve_http '"list", "get", "put", "overwrite", "delete", "rename", "mkdir"'

# Whole.
ask 201 -T big "$HTTP/big"
same big library/big
has "$OUT" "^stored: 5242880 bytes sha256=$(sum big) id=[0-9a-f]{16}\$"
is "$(field location)" /big
is "$(field repr-digest)" "$(sha256_field big)"
etag=$(field etag)
ask 200 -I "$HTTP/big"
is "$(field etag)" "$etag" "the tag of what is got"
ask 200 -T small -H 'Accept: application/json' "$HTTP/big"
same small library/big
is "$(json '[answer[key] for key in ("path", "name", "size", "sha256", "replaced")]')" "['big', 'big', 5000, '$(sum small)', True]"
ask 201 -T - "$HTTP/chunked%20%C3%BC" <big # in chunks
same big 'library/chunked ü'
is "$(field location)" /chunked%20%C3%BC
ask 201 -T empty "$HTTP/empty"
same empty library/empty
ask 201 -T small -H 'X-OC-Mtime: 1000000000' "$HTTP/old"
is "$(stat -c %Y library/old)" 1000000000
ask 201 -0 -T small "$HTTP/of-1.0"
ask 411 -X PUT "$HTTP/nothing"
ask 415 -T small -H 'Content-Encoding: gzip' "$HTTP/nothing"
ask 400 -T small -H 'X-OC-Mtime: noon' "$HTTP/nothing"
ask 400 -T small -H 'Repr-Digest: sha-256=abc' "$HTTP/nothing"
ask 400 -T small "$HTTP/.hidden"
ask 400 -T small "$HTTP/%00"
mkdir library/folder
chown --reference=library library/folder
ask 409 -T small "$HTTP/folder"
ask 409 -T small "$HTTP/nothing/" --path-as-is
ask 409 -X PUT -H 'Content-Length: 0' "$HTTP/"
ask 409 -T small "$HTTP/no/way/file"
ask 201 -T small "$HTTP/no/way/file?parents"
same small library/no/way/file
absent library/nothing

# Digests and conditions; what can be known before is refused before a byte is sent.
ask 201 -T big -H "Repr-Digest: $(sha256_field big)" "$HTTP/checked"
ask 422 -T small -H "Repr-Digest: $(sha256_field big)" "$HTTP/checked"
ask 422 -T big -H "Repr-Digest: $(sha256_field small)" "$HTTP/wrong"
same big library/checked
absent library/wrong
etag=$(curl -sSI "$HTTP/checked" | tr -d '\r' | sed -n 's/^etag: //Ip')
for condition in 'If-None-Match: *' 'If-Match: "other"' "If-None-Match: $etag"; do
    ask 412 -T big -H "$condition" -H 'Expect: 100-continue' "$HTTP/checked"
    is "$SENT" 0 "bytes sent in vain"
done
ask 412 -T small -H 'If-Match: *' "$HTTP/nothing"
ask 200 -T small -H "If-Match: \"x\", $etag" "$HTTP/checked"
ask 412 -T big -H "If-Match: $etag" "$HTTP/checked"
same small library/checked
ask 201 -T big -H 'If-None-Match: *' "$HTTP/new"
for length in 413,larger 409,big; do
    ask "${length%,*}" -T "${length#*,}" -H 'Expect: 100-continue' "$HTTP/folder/$([ "$length" = 413,larger ] || echo no/)f"
    is "$SENT" 0 "bytes sent in vain"
done
ask 413 -T - "$HTTP/folder/f" <larger
ask 413 -T larger -H 'Expect:' "$HTTP/folder/f" # who does not ask first hears it all the same
absent library/folder/f

# In parts.
ask 204 -I "$HTTP/parts?upload"
is "$(field upload-offset)" 0
head -c 1000000 big >part1
tail -c +1000001 big >part2
size=$(stat -c %s big)
for target in parts old; do # also over a file
    was=$(sum "library/$target" 2>/dev/null || true)
    ask 202 -T part1 -H "Content-Range: bytes 0-999999/$size" "$HTTP/$target"
    is "$(field upload-offset)" 1000000
    is "$(sum "library/$target" 2>/dev/null || true)" "$was" "what shows"
    ask 409 -T part1 -H "Content-Range: bytes 0-999999/$size" -H 'Expect: 100-continue' "$HTTP/$target"
    is "$(field upload-offset) $SENT" '1000000 0'
    ask 204 -I "$HTTP/$target?upload"
    is "$(field upload-offset)" 1000000
    ask "$([ "$target" = old ] && echo 200 || echo 201)" -T part2 -H "Repr-Digest: $(sha256_field big)" \
        -H "Content-Range: bytes 1000000-$((size - 1))/$size" "$HTTP/$target"
    same big "library/$target"
    is "$(field repr-digest)" "$(sha256_field big)"
done
ask 202 -T part1 -H "Content-Range: bytes 0-999999/$size" "$HTTP/parts"
ask 204 -X DELETE "$HTTP/parts?upload"
ask 204 -I "$HTTP/parts?upload"
is "$(field upload-offset)" 0
same big library/parts
ask 202 -T part1 -H "Content-Range: bytes 0-999999/$size" "$HTTP/parts"
ask 422 -T part2 -H "Content-Range: bytes 1000000-$((size - 1))/$size" -H "Repr-Digest: $(sha256_field small)" "$HTTP/parts"
ask 204 -I "$HTTP/parts?upload"
is "$(field upload-offset)" 0 'what was proved wrong'
for range in 'bytes 0-999998/5242880' 'bytes 0-999999/*' 'bytes 0-999999/999999' 'bytes */5' 0-999999; do
    ask 400 -T part1 -H "Content-Range: $range" "$HTTP/parts"
done
ask 411 -T - -H "Content-Range: bytes 0-999999/$size" "$HTTP/parts" <part1
ask 413 -T part1 -H "Content-Range: bytes 0-999999/50000000" "$HTTP/parts"
wait_for 5 no_sessions
[ -z "$(find library/.forkftp -type f)" ] || fail "left: $(find library/.forkftp -type f)"

# A client that is killed in the middle, while another wants the same name; and the rest of what it had to send.
start_in_background curl -sS -o "$OUT.killed" --limit-rate 2M -T big "$HTTP/parts"
kept() { [ -n "$(find library/.forkftp/partial -type f -size +1100k)" ]; }
wait_for 10 kept
ask 423 -T small -H 'Expect: 100-continue' "$HTTP/parts"
is "$SENT" 0 "bytes sent in vain"
ask 423 -X DELETE "$HTTP/parts?upload"
kill -KILL "$STARTED_PID"
wait_for 10 no_sessions
ask 204 -I "$HTTP/parts?upload"
offset=$(field upload-offset)
((offset >= 1048576 && offset < size)) || fail "kept: $offset"
rm library/parts
ask 404 -I "$HTTP/parts"
tail -c +$((offset + 1)) big >rest
ask 201 -T rest -H "Content-Range: bytes $offset-$((size - 1))/$size" -H "Repr-Digest: $(sha256_field big)" "$HTTP/parts"
same big library/parts

# Forms.
odd=('with space' 'ümläut' 'quo"te' 'per%cent' 'semi;colon' "apo'strophe" 'a+b&c' 'back\slash')
mkdir odd
form=(-F note=nothing)
for name in "${odd[@]}"; do
    noise 3000 "${#name}" >"odd/$name"
    quoted=${name//\\/\\\\}
    form+=(-F "f=@\"odd/${quoted//\"/\\\"}\"")
done
ask 201 "${form[@]}" -F 'f=@big;filename=../up/last' "$HTTP/folder/"
is "$(wc -l <"$OUT")" $((${#odd[@]} + 1)) 'lines'
for name in "${odd[@]}"; do same "odd/$name" "library/folder/$name"; done
same big library/folder/last
ask 201 -H 'Accept: application/json' -F 'f=@small;filename=one' -F 'f=@big;filename=last' -H 'Transfer-Encoding: chunked' "$HTTP/folder/"
is "$(json '[(one["path"], one["size"], one["replaced"]) for one in answer]')" "[('folder/one', 5000, False), ('folder/last', 5242880, True)]"
ask 303 -H 'Accept: text/html,*/*;q=0.8' -F 'f=@small;filename=one' "$HTTP/folder/"
is "$(field location)" /folder/
ask 415 -d a=b "$HTTP/folder/"
ask 400 -F a=b "$HTTP/folder/"
ask 400 -F 'f=@small;filename=.hidden' "$HTTP/folder/"
ask 400 -F 'f=@small;filename=first' -F 'f=@small;filename=..' "$HTTP/folder/"
same small library/folder/first
ask 400 -F 'f=@small;filename=-' "$HTTP/"
ask 404 -F f=@small "$HTTP/nowhere/"
ask 409 -F f=@small "$HTTP/parts"
ask 413 -F f=@larger "$HTTP/folder/"
ask 413 -F "f=<larger" "$HTTP/folder/"
absent library/folder/larger library/up

# Names.
ask 201 -X MKCOL "$HTTP/made/"
ask 405 -X MKCOL "$HTTP/made"
ask 409 -X MKCOL "$HTTP/a/b/"
ask 415 -X MKCOL -d body "$HTTP/more/"
ask 201 -X MOVE -H 'Destination: /made/to%20here' "$HTTP/big"
same small 'library/made/to here'
ask 412 -X MOVE -H "Destination: $HTTP/parts" "$HTTP/made/to%20here"
ask 204 -X MOVE -H "Destination: $HTTP/parts" -H 'Overwrite: T' "$HTTP/made/to%20here"
same small library/parts
ask 404 -X MOVE -H 'Destination: /x' "$HTTP/big"
ask 409 -X MOVE -H 'Destination: /no/x/y/z' "$HTTP/parts"
ask 409 -X MOVE -H 'Destination: /made' -H 'Overwrite: T' "$HTTP/parts"
ask 400 -X MOVE -H 'Destination: http://other.example/x' "$HTTP/parts"
ask 400 -X MOVE -H 'Destination: x' "$HTTP/parts"
ask 400 -X MOVE -H 'Destination: /../x' "$HTTP/parts"
ask 400 -X MOVE -H 'Destination: /-/x' "$HTTP/parts"
ask 400 -X MOVE "$HTTP/parts"
ask 409 -X MOVE -H 'Destination: /x' "$HTTP/parts/"
ask 409 -X MOVE -H 'Destination: /x/' "$HTTP/parts"
ask 412 -X DELETE -H 'If-Match: "other"' "$HTTP/parts"
ask 204 -X DELETE "$HTTP/parts"
ask 404 -X DELETE "$HTTP/parts"
ask 409 -X DELETE "$HTTP/no/"
ask 204 -X DELETE "$HTTP/no/?recursive"
ask 403 -X DELETE "$HTTP/?recursive"
ask 204 -X DELETE "$HTTP/made/"
absent library/parts library/no library/made
ask 403 -X DELETE -H 'Origin: http://other.example' "$HTTP/old"
has "$LOG" ' put .*path=folder/one bytes=5000 id=[0-9a-f]{16} sha256='
has "$LOG" ' put-part .*path=parts bytes=1000000 kept=1000000'
stop

# A box into which anybody may drop things, and see nothing.
rm -rf "$LIBRARY" && mkdir "$LIBRARY" && echo theirs >library/small
serve_http '"put"' 'on_taken = "rename"'
ask 201 -T big -H 'Accept: application/json' "$HTTP/small"
is "$(field location) $(json 'answer["name"]')" '/small-1 small-1'
ask 201 -T - "$HTTP/small" <big
has "$OUT" ' as "small-2"$'
ask 201 -F f=@small "$HTTP/"
has "$OUT" ' as "small-3"$'
ask 412 -T big -H 'If-None-Match: *' "$HTTP/small"
same small library/small-3
is "$(cat library/small)" theirs
ask 403 "$HTTP/small"
ask 403 -X DELETE "$HTTP/small"
ask 403 -X MKCOL "$HTTP/folder/"
ask 403 -X MOVE -H 'Destination: /x' "$HTTP/small"
ask 403 -T big "$HTTP/folder/small?parents"
stop
serve_http '"list", "get"'
for what in '-T big' '-F f=@big' '-I' '-X DELETE'; do
    # shellcheck disable=SC2086
    ask 403 $what -H 'Expect: 100-continue' "$HTTP/small?upload"
    is "$SENT" 0 "bytes sent in vain"
done
serve_http '"put"'
ask 409 -T big -H 'Expect: 100-continue' "$HTTP/small"
is "$SENT" 0 "bytes sent in vain"
ask 201 -T big "$HTTP/mine"
stop

# A quota: what is sent, kept, replaced and removed counts as what it is.
printf 'secret\n' >password
expect_status 0 "$FORKFTPD" user --users-file users.toml add alice --rights all --quota '12 MiB' --iterations 4096 --password-stdin <password
rm -rf "$LIBRARY" && mkdir "$LIBRARY"
config <<END
library = "library"
durability = "none"
users_file = "users.toml"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "required"
tls = false
END
launch serve --config "$SCRATCH/forkftpd.toml"
HTTP=http://127.0.0.1:$PORT
login=(-u alice:secret)
ask 201 "${login[@]}" -T big "$HTTP/a/one?parents"
ask 201 "${login[@]}" -T big "$HTTP/a/two"
ask 507 "${login[@]}" -T big -H 'Expect: 100-continue' "$HTTP/a/three"
is "$SENT" 0 "bytes sent in vain"
ask 507 "${login[@]}" -T - "$HTTP/a/three" <big
ask 201 "${login[@]}" -F f=@small "$HTTP/a/"
ask 204 "${login[@]}" -X DELETE "$HTTP/a/?recursive"
ask 201 "${login[@]}" -F f=@big -F 'f=@big;filename=other' "$HTTP/"
ask 507 "${login[@]}" -T big "$HTTP/three"
ask 204 "${login[@]}" -X MOVE -H 'Destination: /big' -H 'Overwrite: T' "$HTTP/other"
ask 202 "${login[@]}" -T part1 -H "Content-Range: bytes 0-999999/$size" "$HTTP/three"
ask 201 "${login[@]}" -T part2 -H "Content-Range: bytes 1000000-$((size - 1))/$size" "$HTTP/three"
ask 200 "${login[@]}" -T small "$HTTP/three"
ask 201 "${login[@]}" -T big "$HTTP/four"
ask 401 -T big -H 'Expect: 100-continue' "$HTTP/five"
is "$SENT" 0 "bytes sent in vain"
stop
