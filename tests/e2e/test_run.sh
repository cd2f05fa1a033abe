#!/usr/bin/env bash
# The operator's commands with the real client: which there are, what they say, and by which code the client ends; on a terminal nothing of
# it reaches the terminal raw; Ctrl-C ends the command on the server, too.
. "$(dirname "$0")/lib.sh"

unset FORKFTP_SECRET_FILE
cd "$SCRATCH"
mkdir bin
as_whom=
[ "$(id -u)" -ne 0 ] || as_whom='user = "nobody"'
tables=
command_of() { # name, script, further keys
    printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
    chmod 755 "bin/$1"
    tables+="
[[command]]
name = \"$1\"
run = [\"$SCRATCH/bin/$1\"]
$as_whom
${3:-}
"
}
sleeps=1000.$$
# shellcheck disable=SC2016 # the command's own
command_of hello 'echo "hello $FORKFTP_USER"; echo "and errors" >&2' 'description = "greets"'
command_of fails 'exit 42'
command_of dies 'kill -TERM $$'
command_of slow "sleep $sleeps" 'seconds = 1'
command_of long 'yes' 'most_output = "10 KiB"'
command_of floods 'yes'
command_of colours 'printf "\033[31mred\033[0m\tand\ttabs\n"'
command_of hangs "echo on; setsid sleep $sleeps & sleep $sleeps"
write_config() { # further keys of the socket
    config <<EOT
library = "library"
users_file = "users.toml"
tls_certificate = "crt"
tls_key = "key"
[[listen]]
address = "127.0.0.1:0"
proof = "none"
login = "required"
$1
$tables
EOT
}
write_config ''
user() { "$FORKFTPD" user --config forkftpd.toml "$@"; }
printf 'pencil\n' >password
chmod 600 password
user add anna --password-stdin --iterations 4096 --rights list --commands hello,fails,dies,slow,long,floods,colours,hangs <password >/dev/null
user add ben --password-stdin --iterations 4096 --rights list <password >/dev/null
user list >"$OUT"
has "$OUT" '^anna.*commands hello,fails'
expect_status 0 "$FORKFTPD" check --config forkftpd.toml
has "$OUT" '^commands: 8 at once'
has "$OUT" '^  slow: .*1 s, 1 MiB of output, 32 processes'
launch serve --config forkftpd.toml
export FORKFTP_PASSWORD_FILE=$SCRATCH/password
anna=drive://anna@127.0.0.1:$PORT

# Which there are, and what they say.
expect_status 0 "$FORKFTP" run "$anna"
has "$OUT" '^hello +greets$'
[ "$(wc -l <"$OUT")" -eq 8 ] || fail "run lists $(cat "$OUT")"
expect_status 0 "$FORKFTP" run "$anna" hello
printf 'hello anna\nand errors\n' | cmp - "$OUT"
[ ! -s "$ERR" ] || fail "run says $(cat "$ERR")"
expect_status 0 "$FORKFTP" run "drive://ben@127.0.0.1:$PORT"
[ ! -s "$OUT" ] || fail "ben is shown commands"

# Codes.
expect_status 42 "$FORKFTP" run "$anna" fails
has "$ERR" '^forkftp: run fails: exit code 42$'
expect_status 143 "$FORKFTP" run "$anna" dies
expect_status 124 "$FORKFTP" run "$anna" slow
has "$ERR" 'time was over'
expect_status 123 "$FORKFTP" run "$anna" long
[ "$(stat -c %s "$OUT")" -eq 10240 ] || fail "not what came before the limit"
expect_status 125 "$FORKFTP" run "$anna" absent
expect_status 125 "$FORKFTP" run "drive://ben@127.0.0.1:$PORT" hello
has "$ERR" '^forkftp: run hello: '
expect_status 2 "$FORKFTP" run "$anna/folder" hello
expect_status 125 "$FORKFTP" run drive://anna@127.0.0.1:1 hello
stopped=0
"$FORKFTP" run "$anna" floods | head -c 5 >/dev/null || stopped=${PIPESTATUS[0]}
[ "$stopped" -eq 141 ] || fail "a reader that is gone gives $stopped"

# Raw into a pipe; on a terminal harmless, unless it is wanted raw. (script ends its lines as a terminal does.)
expect_status 0 "$FORKFTP" run "$anna" colours
printf '\033[31mred\033[0m\tand\ttabs\n' | cmp - "$OUT"
if command -v script >/dev/null; then
    script -qec "'$FORKFTP' run '$anna' colours" /dev/null </dev/null >"$OUT"
    has "$OUT" '^\\x1b\[31mred\\x1b\[0m'
    script -qec "'$FORKFTP' run '$anna' colours --raw" /dev/null </dev/null >"$OUT"
    grep -q $'^\033\[31mred' "$OUT" || fail "--raw is not raw"
fi

# In the shell.
printf 'run\nrun hello\nrun fails\n' >lines
expect_status 1 "$FORKFTP" shell "$anna" <lines
has "$OUT" '^hello +greets$'
has "$OUT" '^hello anna$'
has "$ERR" 'exit code 42'

# Ctrl-C.
start_in_background "$FORKFTP" run "$anna" hangs >"$SCRATCH/said"
said() { [ -s "$SCRATCH/said" ]; }
sleepers() { pgrep -fc "^sleep $sleeps" || true; }
both_sleep() { [ "$(sleepers)" -eq 2 ]; }
none_sleeps() { [ "$(sleepers)" -eq 0 ]; }
wait_for 10 said
wait_for 10 both_sleep
kill -INT "$STARTED_PID"
status=0
wait "$STARTED_PID" || status=$?
[ "$status" -eq 130 ] || fail "Ctrl-C gives $status"
wait_for 10 none_sleeps
has "$LOG" 'command ended.*user=anna command=hangs outcome=gone'
stop

# Under TLS, by a child that was there before its client.
"$FORKFTPD" cert new --host 127.0.0.1 crt key >made
write_config 'tls = true'
launch serve --config forkftpd.toml --prefork 2
anna=drives://anna@127.0.0.1:$PORT
pin=$(grep -Eo 'sha256:[^ ]+' made | head -n 1)
expect_status 0 "$FORKFTP" run "$anna" hello --pin "$pin"
printf 'hello anna\nand errors\n' | cmp - "$OUT"
expect_status 42 "$FORKFTP" run "$anna" fails --pin "$pin"
start_in_background "$FORKFTP" run "$anna" hangs --pin "$pin" >"$SCRATCH/said.tls"
wait_for 10 both_sleep
kill -KILL "$STARTED_PID"
wait_for 10 none_sleeps
stop
