#!/usr/bin/env bash
# A full disk refuses what comes by HTTP, before the bytes when their number is known; and nothing is left behind.
if [ -z "${OWN_MOUNTS:-}" ]; then # a mount namespace of our own: the small disk goes when we go
    # Root of a user namespace is not enough: there is nobody there to serve.
    [ "$(id -u)" -eq 0 ] || { echo "only root has a small disk and somebody to serve"; exit 77; }
    unshare -m true 2>/dev/null || { echo "cannot have mounts of our own"; exit 77; }
    OWN_MOUNTS=1 exec unshare -m bash "$0"
fi
. "$(dirname "$0")/lib.sh"
need_client curl
mount -t tmpfs -o size=8m,mode=755 none "$LIBRARY" || skip "cannot mount a small disk"
UNDO+=("umount -l '$LIBRARY'")
cd "$SCRATCH"
noise $((16 << 20)) 4 >large
noise $((3 << 20)) 5 >fits
config <<END
library = "library"
keep_free = 0
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "none"
[anonymous]
rights = ["put", "overwrite"]
END
launch serve --config "$SCRATCH/forkftpd.toml"
free() { df --output=avail -B1024 "$LIBRARY" | tail -n 1; }
before=$(free)

# ask STATUS CURL_ARGUMENT...: the bytes that were sent are in SENT.
ask() {
    local want=$1 got
    shift
    got=$(curl -sS --max-time 20 -o "$OUT" -w '%{http_code} %{size_upload}' "$@") || fail "curl: $*"
    SENT=${got#* }
    [ "${got%% *}" = "$want" ] || fail "${got%% *} instead of $want for $*: $(cat "$OUT")"
}
for what in "-T large" "-F f=@large"; do
    # shellcheck disable=SC2086
    ask 507 $what -H 'Expect: 100-continue' "http://127.0.0.1:$PORT/"
    [ "$SENT" -eq 0 ] || fail "$SENT bytes were sent in vain"
done
ask 507 -T - "http://127.0.0.1:$PORT/f" <large
ask 507 -F f=@large -H 'Transfer-Encoding: chunked' "http://127.0.0.1:$PORT/"
has "$OUT" '"large": no space left'
ask 201 -T fits "http://127.0.0.1:$PORT/fits"
same fits library/fits
# Over the old one: both are on the disk until the new one shows.
ask 507 -T - "http://127.0.0.1:$PORT/fits" < <(cat large)
same fits library/fits
rm library/fits
wait_for 5 no_sessions
[ "$(ls library)" = "" ] || fail "left: $(ls library)"
[ -z "$(find library/.forkftp -type f)" ] || fail "left: $(find library/.forkftp -type f)"
[ $((before - $(free))) -le 64 ] || fail "space is missing: $before KiB free before, $(free) after"
stop
