#!/usr/bin/env bash
# TLS as people meet it: a first meeting, a key that is known and one that has changed, authorities, names, and clients that are not ours.
. "$(dirname "$0")/lib.sh"

export XDG_CONFIG_HOME=$SCRATCH/config
KNOWN=$XDG_CONFIG_HOME/forkftp/known_hosts
cd "$SCRATCH"
printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"

expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 crt key
PRINT=$(grep -Eo 'sha256:[0-9a-f]{64}' "$OUT")
[ "$(stat -c %a key)" = 600 ] || fail "the key has mode $(stat -c %a key)"
expect_status 1 "$FORKFTPD" cert new crt key
has "$ERR" 'left alone'
if command -v openssl >/dev/null; then
    theirs=$(openssl x509 -in crt -noout -pubkey | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1)
    [ "sha256:$theirs" = "$PRINT" ] || fail "openssl has $theirs, we have $PRINT"
fi

configure() { # proof
    config <<END
library = "library"
secret_file = "secret"
tls_certificate = "crt"
tls_key = "key"
handshake_seconds = 2
[[listen]]
address = "127.0.0.1:0"
tls = true
proof = "$1"
END
}
configure required
expect_status 0 "$FORKFTPD" check --config forkftpd.toml
has "$OUT" 'listen drives://127.0.0.1:0: TLS, clients prove the secret'
has "$OUT" 'certificate .*: localhost, 127.0.0.1'
has "$OUT" "$PRINT"
chmod 644 key
expect_status 1 "$FORKFTPD" serve --config forkftpd.toml
has "$ERR" 'run: chmod 600'
chmod 600 key
launch serve --config "$SCRATCH/forkftpd.toml"
AT=127.0.0.1:$PORT

# Met for the first time: said once, though four connections are made, and written down.
mkdir many
for i in $(seq 200); do echo "$i" >"many/$i"; done
expect_status 0 "$FORKFTP" put -r -j 4 "drives://$AT/" many
[ "$(grep -c 'met for the first time' "$ERR")" = 1 ] || fail "notices: $(grep -c 'met for' "$ERR")"
has "$ERR" "$PRINT"
[ "$(cat "$KNOWN")" = "$AT $PRINT" ] || fail "known hosts: $(cat "$KNOWN")"
[ "$(stat -c %a "$KNOWN")" = 600 ] || fail "known hosts have mode $(stat -c %a "$KNOWN")"
expect_status 0 "$FORKFTP" get -r -j 4 "drives://$AT/many" -o back
has_not_met() { ! grep -q 'met for' "$ERR" || fail "met twice"; }
has_not_met
diff -r many back/many || fail "what came back is not what was put"
expect_status 0 "$FORKFTP" list "drives://$AT"
has "$OUT" '^hello.txt$'
expect_status 0 "$FORKFTP" ping "drives://$AT"
has "$OUT" 'TLSv1_3.*both ends proved'
head -c 30000000 /dev/urandom >large
expect_status 0 "$FORKFTP" put "drives://$AT/large" large
expect_status 0 "$FORKFTP" get "drives://$AT/large" -o large.back
same large large.back
expect_status 0 "$FORKFTP" shell "drives://$AT" </dev/null
printf 'list\nquit\n' >commands
expect_status 0 "$FORKFTP" shell "drives://$AT" <commands
has "$OUT" 'hello.txt'

# Authorities, names, and a key that is named.
expect_status 0 "$FORKFTP" list --ca crt "drives://localhost:$PORT"
has_not_met
"$FORKFTPD" cert new --host elsewhere.example other.crt other.key >/dev/null
expect_status 8 "$FORKFTP" list --ca other.crt "drives://$AT"
has "$ERR" 'none of the authorities'
expect_status 0 "$FORKFTP" list --pin "$PRINT" "drives://$AT"
expect_status 8 "$FORKFTP" list --pin "sha256:$(printf '0%.0s' {1..64})" "drives://$AT"
has "$ERR" 'NOT THE SERVER'
expect_status 2 "$FORKFTP" list --pin sha256:12 "drives://$AT"

# The other way round nobody is let in either, and it is said what would be right.
expect_status 3 "$FORKFTP" list "drive://$AT"
has "$ERR" 'write drives://'

# A new certificate for the same key is the same server; a new key is not, however it came.
if command -v openssl >/dev/null; then
    openssl req -x509 -key key -subj /CN=renewed -days 30 -out renewed.crt 2>/dev/null
    mv renewed.crt crt
    wait_for 15 grep -q 'certificate renewed' "$LOG"
    expect_status 0 "$FORKFTP" list "drives://$AT"
    has_not_met
fi
mv other.key key && mv other.crt crt
kill -HUP "$SERVER"
wait_for 10 grep -q 'configuration reloaded' "$LOG"
expect_status 8 "$FORKFTP" get "drives://$AT/hello.txt" -o nothing
for word in 'KEY OF THIS SERVER' "known $PRINT" "came  sha256:" "forkftp known-hosts remove $AT"; do
    has "$ERR" "$word"
done
absent nothing
[ "$(cat "$KNOWN")" = "$AT $PRINT" ] || fail "the known key was changed"
# The certificate of another name, by an authority that is trusted.
expect_status 8 "$FORKFTP" list --ca crt "drives://$AT"
has "$ERR" 'somebody else'
expect_status 0 "$FORKFTP" known-hosts list
has "$OUT" "^$AT $PRINT\$"
expect_status 0 "$FORKFTP" known-hosts remove "$AT"
expect_status 6 "$FORKFTP" known-hosts remove "$AT"
expect_status 0 "$FORKFTP" list "drives://$AT"
has "$ERR" 'met for the first time'
printf 'nonsense\n' >"$KNOWN"
expect_status 8 "$FORKFTP" list "drives://$AT"
has "$ERR" 'line 1'

# Somebody who has not the secret is not known afterwards: the proof fails, and nothing is written down.
rm "$KNOWN"
printf 'another secret of 16 bytes\n' >wrong && chmod 600 wrong
expect_status 4 "$FORKFTP" list --secret-file wrong "drives://$AT"
absent "$KNOWN"

# Clients that are not ours, in both versions of TLS.
kill -TERM "$SERVER"
wait_for 10 gone "$SERVER"
"$FORKFTPD" cert new --host 127.0.0.1 raw.crt raw.key >/dev/null
mv raw.crt crt && mv raw.key key
configure none
launch serve --config "$SCRATCH/forkftpd.toml"
# greets OPTION...: OpenSSL's client trusts the certificate, and gets the server's first words, for which it waits.
greets() {
    : >"$OUT"
    # shellcheck disable=SC2094 # the one who reads is the end of the one who writes
    wait_for 10 grep -q '"protocol":"forkftp/1"' "$OUT" | timeout 15 openssl s_client -connect "127.0.0.1:$PORT" "$@" -CAfile crt \
        -verify_return_error -quiet -no_ign_eof >"$OUT" 2>"$ERR" || true
    has "$OUT" '"protocol":"forkftp/1"'
}
if command -v openssl >/dev/null; then
    for version in tls1_2 tls1_3; do
        greets "-$version" -alpn forkftp/1
    done
    # OpenSSL itself has to be talked into offering it: it is the server who refuses.
    if timeout 10 openssl s_client -connect "127.0.0.1:$PORT" -tls1_1 -cipher DEFAULT@SECLEVEL=0 -CAfile crt </dev/null >"$OUT" 2>"$ERR"; then
        fail "TLS 1.1 is spoken"
    fi
    wait_for 5 grep -q 'no TLS handshake' "$LOG"
fi
PORT=$PORT expect_status 0 python3 -c '
import hashlib, os, socket, ssl
from raw import *
for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
    context = ssl.create_default_context(cafile="crt")
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["forkftp/1"])
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", PORT)), server_hostname="127.0.0.1")
    assert sock.selected_alpn_protocol() == "forkftp/1", sock.selected_alpn_protocol()
    c = Raw(proof=False, pair=sock)
    c.expect("H")
    data = os.urandom(3_000_000)
    name = b"by-python-" + sock.version().encode()
    c.send(put_frames(name, data))
    c.expect("K")
    assert c.get(name.decode()) == data
    assert name.decode() in c.listing()
    c.alive()
    # Byte by byte, each in a record of its own.
    for byte in frame("N", b"slowly"):
        c.send(bytes([byte]))
    assert c.expect("N") == b"slowly"
    c.send(frame("Q", {}))
    c.expect("K")
    # Not an end that anybody could have made: ssl raises for one without close_notify.
    assert sock.recv(1) == b""
    # A cut in the middle of an upload leaves nothing.
    sock = context.wrap_socket(socket.create_connection(("127.0.0.1", PORT)), server_hostname="127.0.0.1")
    c = Raw(proof=False, pair=sock)
    c.expect("H")
    c.send(frame("P", {"path": "cut", "size": 100, "digest": "sha256"}) + frame("D", b"half"))
    socket.socket(fileno=sock.detach()).close()
'
wait_for 10 grep -q ' lost ' "$LOG"
absent "$LIBRARY/cut"

# inetd-style: the same over a pair of descriptors.
PORT=$PORT expect_status 0 python3 -c '
import socket, ssl, subprocess, sys
from raw import *
ours, theirs = socket.socketpair()
child = subprocess.Popen([sys.argv[1], "session", "--config", "forkftpd.toml"], stdin=theirs, stdout=theirs)
theirs.close()
context = ssl.create_default_context(cafile="crt")
c = Raw(proof=False, pair=context.wrap_socket(ours, server_hostname="127.0.0.1"))
c.expect("H")
assert c.get("hello.txt") == b"Hello, drive!\n"
c.send(frame("Q", {}))
c.expect("K")
c.sock.close()
assert child.wait(10) == 0
' "$FORKFTPD"

# Every kind of key, in both versions of TLS; the certificates of openssl call themselves authorities.
command -v openssl >/dev/null || exit 0
for kind in rsa:2048 rsa:3072 ec:prime256v1 ec:secp384r1 ed25519; do
    kill -TERM "$SERVER"
    wait_for 10 gone "$SERVER"
    case $kind in
    rsa:*) new=(-newkey "$kind") ;;
    ec:*) new=(-newkey ec -pkeyopt "ec_paramgen_curve:${kind#ec:}") ;;
    *) new=(-newkey "$kind") ;;
    esac
    rm -f key crt
    openssl req -x509 "${new[@]}" -nodes -keyout key -out crt -days 30 -subj /CN=kinds \
        -addext subjectAltName=IP:127.0.0.1 2>"$ERR"
    chmod 600 key
    launch serve --config "$SCRATCH/forkftpd.toml"
    expect_status 0 "$FORKFTP" list --ca crt "drives://127.0.0.1:$PORT"
    for version in tls1_2 tls1_3; do
        greets "-$version"
    done
done
