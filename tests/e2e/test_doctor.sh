#!/usr/bin/env bash
# forkftpd doctor on set-ups that take root to spoil: a disk that is full, an address that nobody reaches, a limit that is too low, a look by
# somebody else. And the trial of `make run-server`, with which nothing may be wrong.
if [ -z "${OWN_WORLD:-}" ]; then # mounts and a network of our own: both go when we go
    # Root of a user namespace is not enough: there is nobody there to serve.
    [ "$(id -u)" -eq 0 ] || { echo "only root has a network of its own and somebody to serve"; exit 77; }
    unshare -mn true 2>/dev/null || { echo "cannot have mounts and a network of our own"; exit 77; }
    OWN_WORLD=1 exec unshare -mn bash "$0"
fi
. "$(dirname "$0")/lib.sh"
need_client ip=iproute2 prlimit=util-linux jq runuser=util-linux

ip link set lo up
cd "$SCRATCH"
chown nobody "$LIBRARY"
DOCTOR=("$BIN/forkftpd" doctor --config "$SCRATCH/forkftpd.toml")
# ours ADDRESS KEYS: a configuration with a listener that speaks FTP; further keys by standard input.
ours() {
    { cat; printf '%s\n' 'library = "library"' 'user = "nobody"' 'max_clients = 20' 'control = "control"' '[anonymous]' 'rights = ["get"]' '[[listen]]' \
        "address = \"$1\"" 'protocol = "ftp"' 'login = "none"' 'tls = "off"' "$2"; } | config
}
found() { # GRADE PATTERN: the finding and, in the next line, what to do.
    has "$OUT" "^  $1 +.*$2"
}

# Fine: exit 0, and not a word but notes.
ours 127.0.0.1:2121 'passive_ports = "30000-30099"' </dev/null
expect_status 0 "${DOCTOR[@]}"
has "$OUT" '^[0-9]+ fine, [0-9]+ notes?, 0 warnings, 0 errors$'
if grep -q ' ok ' "$OUT"; then fail "what is fine is told without --all"; fi
expect_status 0 "${DOCTOR[@]}" --all
found ok '127\.0\.0\.1:2121 is free'

# Nobody reaches the address that clients are told; clients elsewhere are told one of this machine alone.
ours 0.0.0.0:2121 $'passive_ports = "30000-30099"\npassive_address = "192.0.2.1"' </dev/null
expect_status 3 "${DOCTOR[@]}"
found WARNING '192\.0\.2\.1 port 30[0-9]{3} .*hairpin NAT'
found WARNING '192\.0\.2\.1 port 2121 .*hairpin NAT'
has "$OUT" 'do: try it from outside while the server runs: nc -vz'
ours 0.0.0.0:2121 $'passive_address = "127.0.0.1"' </dev/null
expect_status 3 "${DOCTOR[@]}"
found WARNING 'are told 127\.0\.0\.1: only those on this machine'
found note 'no passive_ports: a firewall has to let in'
ip addr add 10.9.8.7/32 dev lo
ours 0.0.0.0:2121 '' </dev/null
"${DOCTOR[@]}" >"$OUT" || true # a warning in a container, a note elsewhere
has "$OUT" 'private addresses only \(10\.9\.8\.7\)'
# One that somebody else answers at: this machine's own, from which what comes is sent elsewhere.
if command -v nft >/dev/null; then
    nft -f - <<'END'
table ip trap {
    chain out { type nat hook output priority -100; ip daddr 192.0.2.9 dnat to 127.0.0.1:4999; }
    chain in { type filter hook input priority 0; policy drop; iif lo accept; }
}
END
    ip route add 192.0.2.9/32 dev lo
    start_in_background python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 4999)); s.settimeout(60); kept = [s.accept() for _ in range(9)]'
    wait_for 10 grep -q ':1387 ' /proc/net/tcp
    ours 0.0.0.0:2121 $'passive_ports = "30000-30099"\npassive_address = "192.0.2.9"' </dev/null
    expect_status 3 "${DOCTOR[@]}"
    found WARNING '192\.0\.2\.9 port 30[0-9]{3} .*another machine or program answers'
    found note 'the firewall drops'
fi

# Too few descriptors; a limit such as containers give; no such address.
ours 192.0.2.77:2121 'passive_ports = "30000-30099"' </dev/null
expect_status 1 prlimit --nofile=64:64 "${DOCTOR[@]}"
found ERROR 'needs [0-9]+ descriptors, and this shell may have 64'
has "$OUT" 'do: LimitNOFILE=[0-9]+'
found ERROR '192\.0\.2\.77:2121: this machine has no such address'

# A disk that is full, of bytes and of inodes; a filesystem with something to say.
mkdir small
mount -t tmpfs -o size=256k,nr_inodes=8,mode=755,uid=65534 none small
UNDO+=("umount -l '$SCRATCH/small'")
ours 127.0.0.1:2121 'passive_ports = "30000-30099"' </dev/null
sed -i 's/^library = .*/library = "small"/' forkftpd.toml
head -c 1M /dev/zero >small/all 2>/dev/null || true
for i in 1 2 3 4 5 6; do : >"small/$i"; done
"${DOCTOR[@]}" >"$OUT" && fail "a full disk is fine"
found ERROR 'every upload is refused'
found ERROR 'not one more file can be made'
found note 'small is on tmpfs: it is memory'
mount -o remount,ro small
"${DOCTOR[@]}" >"$OUT" && fail "a read-only library is fine"
found ERROR 'mounted read-only'
found ERROR 'can make nothing there: Read-only'

# A server that somebody else looks at: what they may not see is said, and is no fault of the server.
ours 127.0.0.1:2121 'passive_ports = "30000-30099"' </dev/null
launch serve --config forkftpd.toml
wait_for 10 test -S control
expect_status 0 "${DOCTOR[@]}"
has "$OUT" "^the running server, forkftpd [^ ]* with pid [0-9]+"
chmod 644 forkftpd.toml
expect_status 0 runuser -u daemon -- "${DOCTOR[@]}"
has "$OUT" 'do: sudo forkftpd doctor'
expect_status 0 runuser -u nobody -- "${DOCTOR[@]}"
# Another folder where the server's is: as a unit with PrivateTmp= has it.
expect_status 1 unshare -m bash -c 'mkdir other; chown nobody other; mount --bind other library; exec "$@"' - "${DOCTOR[@]}"
found ERROR 'the running server sees another folder'
# The programs' view: one line, the same words.
"${DOCTOR[@]}" --json >"$OUT"
[ "$(jq -r '.errors, (.findings | map(select(.grade == "ok")) | length > 10)' <"$OUT" | tr '\n' ' ')" = "0 true " ] || fail "JSON: $(head -c 300 "$OUT")"
stop

# The trial of `make run-server`.
mkdir -p tree/scripts
cp "$REPO/scripts/run-server" tree/scripts/
start_in_background tree/scripts/run-server "$BIN" >"$SCRATCH/trial" 2>&1
wait_for 20 grep -q 'listening on http' "$SCRATCH/trial"
"$BIN/forkftpd" doctor --config tree/run/forkftpd.toml >"$OUT" || true
if grep -q '  ERROR' "$OUT"; then fail "errors in the trial: $(cat "$OUT")"; fi
has "$OUT" '^the running server'
