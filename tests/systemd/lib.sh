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

fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# Tries a command every 50 ms until it is true, at most so many seconds.
wait_for() {
    local end=$((SECONDS + $1 + 1))
    shift
    until "$@" >"$SCRATCH/wait" 2>&1; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $* $(tail -n 5 "$SCRATCH/wait")"
        sleep 0.05
    done
}
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

# Begins from nothing: what is not running, and the configuration of the package.
afresh() {
    systemctl stop "${SOCKETS[@]}" "$UNIT"
    systemctl reset-failed "${SOCKETS[@]}" "$UNIT" 2>/dev/null || true
    systemctl daemon-reload
    cp /opt/systemd/forkftpd.toml "$CONFIG"
    find $LIBRARY -mindepth 1 -delete
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
login = "optional"
tls = "off"
[[listen]]
address = "systemd:http"
protocol = "http"
login = "none"
END
}

start() { systemctl start "${SOCKETS[@]}" "$UNIT" || fail "no start: $(journal | tail -n 5)"; }
