# What the tests inside the booted machine share. Sourced by every test_*.sh.
# shellcheck shell=bash disable=SC2034 # the variables are for those who source this
set -euo pipefail

CONFIG=/etc/forkftp/forkftpd.toml
UNIT=forkftpd.service
SOCKETS=(forkftpd.socket forkftpd-ftp.socket forkftpd-http.socket)
LIBRARY=/srv/forkftp
GROUP=/sys/fs/cgroup/system.slice/$UNIT
SCRATCH=$(mktemp -d /run/test.XXXXXX)
export FORKFTP_SECRET_FILE=/etc/forkftp/secret
BACKGROUND=()

cleanup() {
    local status=$?
    trap - EXIT
    set +e
    touch "$SCRATCH/go" "$SCRATCH/done"
    [ ${#BACKGROUND[@]} = 0 ] || kill -KILL "${BACKGROUND[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$SCRATCH" /etc/systemd/system/forkftpd*.d
    exit "$status"
}
trap cleanup EXIT
trap 'exit 143' TERM

. "$(dirname "${BASH_SOURCE[0]}")/../patience.sh"
not() { ! "$@"; }

# in_background COMMAND...: sets LAST.
in_background() {
    "$@" &
    LAST=$!
    BACKGROUND+=("$LAST")
}

show() { systemctl show -P "$1" "${2:-$UNIT}"; }
main() { show MainPID; }
is() { [ "$(show "$1")" = "$2" ] || { echo "$1 is $(show "$1")"; return 1; }; }
has_status() { show StatusText | grep -Eq -e "$1" || { show StatusText; return 1; }; }

# Lines of the journal since this test began.
CURSOR=$(journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
journal() { journalctl --after-cursor="$CURSOR" --no-pager -o cat -u "$UNIT" "$@"; }
complaints() { journal | grep -E '(error|warn) [a-z]+\['; }
logged() { journal | grep -Eq -e "$1"; }

# The processes of the service, each with its name; those of one name.
processes() {
    local pid
    while read -r pid; do
        [ ! -r "/proc/$pid/comm" ] || echo "$pid $(cat "/proc/$pid/comm")"
    done < <(cat "$GROUP/cgroup.procs" 2>/dev/null)
}
named() { processes | sed -n "s/ $1\$//p"; }
nobody_left() { [ -z "$(processes)" ] || { processes; return 1; }; }

# drop_in UNIT: a drop-in from standard input, for this test alone.
drop_in() {
    mkdir -p "/etc/systemd/system/$1.d"
    cat >"/etc/systemd/system/$1.d/test.conf"
}

# Begins from nothing: nothing runs, there are no users and no files.
afresh() {
    systemctl stop "${SOCKETS[@]}" "$UNIT"
    systemctl reset-failed "${SOCKETS[@]}" "$UNIT" 2>/dev/null || true
    systemctl daemon-reload
    cp /opt/tests/systemd/forkftpd.toml "$CONFIG"
    install -m 600 -o forkftp -g forkftp /dev/null /etc/forkftp/users.toml
    find "$LIBRARY" /var/lib/forkftp -mindepth 1 -delete
}

# The same without TLS and logins, on loopback alone: whole gigabytes are moved by these tests. Arguments are lines for the configuration.
plainly() {
    local port
    for port in forkftpd:8888 forkftpd-ftp:21 forkftpd-http:8443; do
        drop_in "${port%:*}.socket" <<END
[Socket]
ListenStream=
ListenStream=127.0.0.1:${port#*:}
END
    done
    afresh
    cat >"$CONFIG" <<END
library = "/srv/forkftp"
secret_file = "credential:secret"
control = "/run/forkftp/control"
durability = "none"
receipt = "none"
$(printf '%s\n' "$@")
[anonymous]
rights = ["list", "get", "put", "overwrite"]
[[listen]]
address = "systemd:drive"
[[listen]]
address = "systemd:ftp"
protocol = "ftp"
login = "none"
tls = "off"
[[listen]]
address = "systemd:http"
protocol = "http"
login = "none"
END
}

start() { systemctl start "${SOCKETS[@]}" "$UNIT" || fail "no start: $(journal | tail -n 5)"; }

# A file of so many bytes: mostly holes, with marks that no other place has.
big() {
    truncate -s "$1" "$LIBRARY/big"
    local at
    for at in 1 $(($1 / 3)) $(($1 / 2 + 7)) $(($1 - 100)); do
        echo "mark $at" | dd of="$LIBRARY/big" bs=1 seek="$at" conv=notrunc status=none
    done
    chmod 644 "$LIBRARY/big"
}
download() {
    case $1 in
    drive) forkftp get --quiet drive://127.0.0.1/big -o - ;;
    ftp) curl -sS ftp://127.0.0.1/big ;;
    http) curl -sSf http://127.0.0.1:8443/big ;;
    esac
}
upload() {
    case $1 in
    drive) forkftp put --quiet "drive://127.0.0.1/$2" - ;;
    ftp) curl -sS -T - "ftp://127.0.0.1/$2" ;;
    http) curl -sSf -T - "http://127.0.0.1:8443/$2" ;;
    esac
}
# begin DIRECTION FACE: moves the big file, and stops in the middle until let_go. NAMES and TRANSFERS know of it.
NAMES=() TRANSFERS=()
begin() {
    local name=$1-$2-${#NAMES[@]}
    in_background move "$1" "$2" "$name"
    NAMES+=("$name") TRANSFERS+=("$LAST")
}
move() {
    local gate=(python3 "$(dirname "$0")/gate.py" $((32 << 20)) "$SCRATCH/$3.reached" "$SCRATCH/go")
    if [ "$1" = get ]; then
        download "$2" | "${gate[@]}" | cmp - "$LIBRARY/big"
    else
        "${gate[@]}" <"$LIBRARY/big" | upload "$2" "$3"
    fi 2>"$SCRATCH/$3.err"
}
are_in_the_middle() {
    local name
    for name in "${NAMES[@]}"; do
        [ -e "$SCRATCH/$name.reached" ] || { echo "$name: $(cat "$SCRATCH/$name.err")"; return 1; }
    done
    for name in "${TRANSFERS[@]}"; do kill -0 "$name" || return 1; done
}
# Lets all go on, and fails unless each ends well and is whole.
let_go() {
    local at name
    touch "$SCRATCH/go"
    for at in "${!NAMES[@]}"; do
        name=${NAMES[at]}
        wait "${TRANSFERS[at]}" || fail "$name: $(cat "$SCRATCH/$name.err")"
        case $name in put-*)
            cmp "$LIBRARY/big" "$LIBRARY/$name"
            rm "$LIBRARY/$name"
            ;;
        esac
    done
    rm "$SCRATCH/go"
    NAMES=() TRANSFERS=()
}
# Knocks at all doors until doors_answered, which fails if one stayed shut.
knock() {
    in_background python3 "$(dirname "$0")/knock.py" "$SCRATCH/done" "$SCRATCH/count" 2>"$SCRATCH/knock.err"
    KNOCKER=$LAST
    wait_for 10 test -s "$SCRATCH/count"
}
answers() { cat "$SCRATCH/count"; }
more_answers_than() { [ "$(answers)" -gt "$1" ] || { cat "$SCRATCH/knock.err"; return 1; }; }
doors_answered() {
    wait_for 10 more_answers_than $(($(answers) + 3))
    touch "$SCRATCH/done"
    wait "$KNOCKER" || fail "$(cat "$SCRATCH/knock.err")"
    rm "$SCRATCH/done" "$SCRATCH/count"
}
