# What the FTP tests share: a server for the user `trial`, who may do everything: plain and explicit TLS on one port, implicit TLS on
# another. Sourced by test_ftp_*.sh.
# shellcheck shell=bash disable=SC2034,SC2016 # the variables are for those who source this; a dollar in a name is one
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export FTP_USER=trial FTP_PASSWORD=$PASSWORD HOME=$SCRATCH LIBRARY
cd "$SCRATCH"

# Names that a careless client or server breaks.
HARD_NAMES=('with space' ' leading' 'two  spaces' 'quo"te' "apo'strophe" 'ümläut' '日本' 'hash#tag' 'per%cent' 'per%41cent' 'a+b&c=d'
    'semi;colon' 'back\slash' 'br[ack]et' 'do$llar')

# serve_ftp [KEYS OF THE LISTENERS] [KEYS OF THE SERVER] [KEYS OF THE PLAIN LISTENER] [TABLES]: sets PORT and TLS_PORT too.
serve_ftp() {
    if [ -n "${FTP_IMPORTED:-}" ]; then serve_imported "${1:-}" "${4:-}"; return; fi
    [ -e tls.crt ] || expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 tls.crt tls.key
    [ -e users.toml ] || add_user "$FTP_USER" --rights all
    config <<END
library = "library"
users_file = "users.toml"
tls_certificate = "tls.crt"
tls_key = "tls.key"
max_failures = 1000
${2:-}
[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "optional"
${1:-}
${3:-}
[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "implicit"
${1:-}
${4:-}
END
    launch serve --config "$SCRATCH/forkftpd.toml"
    wait_for 10 port_of ftp
    PORT=$(port_of ftp)
    wait_for 10 port_of ftps
    TLS_PORT=$(port_of ftps)
    export PORT TLS_PORT
}

# What another server's configuration became in the folder $FTP_IMPORTED, as it is there but for the library and the port: those who
# serve it here and what they log to are the test's. Where it has no TLS, it gets what the import says to change for it, and a port for TLS
# from the first byte, which clients' scripts go to, too; and what a script says of that TLS, and of ports for itself, which are its arguments.
serve_imported() {
    local with_tls='' implicit='' reuse
    reuse=$(grep -o 'data_tls_reuse = .*' <<<"${1:-}") || reuse=''
    if grep -q '^tls = "off"' "$FTP_IMPORTED/forkftpd.toml"; then
        [ -e tls.crt ] || expect_status 0 "$FORKFTPD" cert new --host localhost --host 127.0.0.1 tls.crt tls.key
        with_tls=$'tls_certificate = "tls.crt"\ntls_key = "tls.key"'
        implicit=$'[[listen]]\naddress = "127.0.0.1:0"\nprotocol = "ftp"\nlogin = "required"\ntls = "implicit"\nactive = true'
    fi
    {
        echo "$with_tls"
        sed -E -e 's/^library = .*/library = "library"/' -e 's/^address = .*/address = "127.0.0.1:0"/' -e "s/^tls = \"off\"/tls = \"optional\"\n$reuse/" \
            -e '/^(user|xferlog|vsftpd_log|passive_address) = /d' "$FTP_IMPORTED/forkftpd.toml"
        printf '%s\n' "$implicit" "${2:-}"
    } | config
    (umask 077 && sed '/^home = /d' "$FTP_IMPORTED/users.toml" >users.toml)
    launch serve --config "$SCRATCH/forkftpd.toml"
    TLS_PORT=$(port_of ftps) || [ -z "$implicit" ] || fail "no port for TLS"
    export PORT TLS_PORT
}

# A cut upload has left at least so many bytes for resuming.
kept() { [ -n "$(find "$LIBRARY/.forkftp" -type f -size "+$(($1 - 1))c" 2>/dev/null)" ]; }

# Nothing is in the library's private folder but what may be resumed, and of that so many files.
partials_are() {
    stage_empty && [ "$(find "$LIBRARY/.forkftp" -type f | wc -l)" -eq "$1" ]
}

same_mtime() { [ "$(stat -c %Y -- "$1")" = "$(stat -c %Y -- "$2")" ] || fail "mtime of $1 and $2: $(stat -c %y -- "$1" "$2")"; }

# same_tree ONE OTHER: the same files with the same bytes; with `times` as a third word the same seconds, too.
same_tree() {
    diff -r -- "$1" "$2" >"$OUT" || fail "$1 and $2 differ: $(head -n 3 "$OUT")"
    [ "${3:-}" != times ] || {
        (cd "$1" && find . -type f -printf '%P %T@\n' | sed 's/\.[0-9]*$//' | sort) >tree.one
        (cd "$2" && find . -type f -printf '%P %T@\n' | sed 's/\.[0-9]*$//' | sort) >tree.other
        same tree.one tree.other
    }
}

url_escaped() { python3 -c 'import sys, urllib.parse; print(urllib.parse.quote(sys.argv[1], safe=""))' "$1"; }

# A tree of 500 files in 25 folders, of 0 to 60,000 bytes, last changed on different days.
make_tree() {
    python3 - "$1" <<'PYTHON'
import os, sys
for n in range(500):
    folder = os.path.join(sys.argv[1], f"folder {n % 25}")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"file-{n}.bin")
    with open(path, "wb") as file:
        file.write(bytes((n * 7 + k) % 251 for k in range(251)) * (n % 240))
    os.utime(path, (1600000000 + n * 86400,) * 2)
PYTHON
}
