#!/usr/bin/env bash
# The protocol as the RFCs have it: every feature that is advertised works, codes are theirs, sizes, times, listings, resuming, text, names
# of any bytes, Telnet, pipelining, aborting, two writers, digests.
. "$(dirname "$0")/ftp.sh"

add_user "$FTP_USER" --rights all
add_user reader --rights list,get
tables='[anonymous]
rights = ["list", "get"]
[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "optional"
login = "optional"'
ipv6=false
if python3 -c 'import socket; socket.socket(socket.AF_INET6).bind(("::1", 0))' 2>/dev/null; then
    ipv6=true
    tables+='
[[listen]]
address = "[::1]:0"
protocol = "ftp"
tls = "optional"
active = true'
fi
serve_ftp $'active = true\ndata_seconds = 2' '' 'names = ["ftp.example.org"]' "$tables"
listeners() { [ "$(grep -c 'listening on ftp' "$LOG")" -ge "$1" ]; }
if $ipv6; then
    wait_for 10 listeners 4
    FTP_IPV6_PORT=$(grep -Eo 'listening on ftp://\[::1\]:[0-9]+' "$LOG" | grep -Eo '[0-9]+$')
    export FTP_IPV6_PORT
else
    wait_for 10 listeners 3
fi
FTP_ANONYMOUS_PORT=$(grep -Eo 'listening on ftp://127.0.0.1:[0-9]+' "$LOG" | sed -n 2p | grep -Eo '[0-9]+$')
export FTP_ANONYMOUS_PORT

failed=()
for part in protocol listings transfers; do
    python3 "$HERE/ftp_$part.py" || failed+=("$part")
done
[ ${#failed[@]} -eq 0 ] || fail "${failed[*]}"
wait_for 10 no_sessions
partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp" -type f)"
