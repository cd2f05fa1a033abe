#!/usr/bin/env bash
# Users from end to end, with the real client: added, let in, given other rights, another password, shut out and removed, each held after
# SIGHUP; a home that is all they see, and clients that do not say who they are.
. "$(dirname "$0")/lib.sh"

export XDG_CONFIG_HOME=$SCRATCH/xdg
cd "$SCRATCH"
mkdir "$LIBRARY/box" "$LIBRARY/public"
printf 'Hello, drive!\n' | tee "$LIBRARY/hello.txt" "$LIBRARY/public/hello.txt" >mine
configure() { # login, anonymous rights
    config <<EOT
library = "library"
secret_file = "secret"
users_file = "users.toml"
control = "control"
max_failures = 1000
[[listen]]
address = "127.0.0.1:0"
login = "$1"
[anonymous]
rights = [$2]
home = "public"
EOT
}
user() { "$FORKFTPD" user --config forkftpd.toml "$@"; }
password() { # of whom, what: the client's file of it
    (umask 077 && printf '%s\n' "$2" >"password.$1")
}
as() { # status, user, word, path, further arguments
    expect_status "$1" "$FORKFTP" "$3" --password-file "password.$2" "drive://$2@127.0.0.1:$PORT$4" "${@:5}"
}
# reload: the server has read everything again.
reload() {
    RELOADS=$((${RELOADS:-0} + 1))
    kill -HUP "$SERVER"
    wait_for 10 reloaded
}
reloaded() { [ "$(grep -c 'configuration reloaded' "$LOG")" -ge "$RELOADS" ]; }

configure required '"list"'
password alice 'correct horse'
user add alice --rights list,get --password-stdin <password.alice >"$OUT"
password bob "$(user add bob --rights all --home box --generate --iterations 4096 | sed -n 's/^password: //p')"
launch serve --config forkftpd.toml

# What the rights allow, and nothing else.
as 0 alice ping "" -c 1
has "$OUT" 'logged in as alice \(list, ?get\)'
as 0 alice list ""
has "$OUT" '^hello.txt$'
as 0 alice get /hello.txt -o got
same got mine
as 1 alice put /new mine
has "$ERR" 'permission denied'
as 1 alice rm "" hello.txt
as 1 alice mkdir /folder
as 1 alice mv "" hello.txt other.txt
as 1 alice touch "" hello.txt
absent "$LIBRARY/new" "$LIBRARY/folder" "$LIBRARY/other.txt"
same "$LIBRARY/hello.txt" mine

# Bob sees his home and no way out of it.
as 0 bob put /new mine
same "$LIBRARY/box/new" mine
as 0 bob list "" -r
[ "$(cat "$OUT")" = new ] || fail "bob sees: $(cat "$OUT")"
as 1 bob get /hello.txt -o none
as 0 bob mv "" new newer
as 0 bob mkdir /deep/er -p
as 0 bob rm "" newer
rmdir "$LIBRARY/box/deep/er" "$LIBRARY/box/deep" || fail "the folders are not bob's"
absent "$LIBRARY/box/new" "$LIBRARY/box/newer"

# Wrong names and passwords are one answer, and exit code 4; without a name there is nothing.
password wrong 'correct cow'
cp -p password.wrong password.nobody
for name in alice nobody; do
    expect_status 4 "$FORKFTP" list --password-file password.wrong "drive://$name@127.0.0.1:$PORT"
    sed "s/$name/NAME/g" "$ERR" >"refused.$name"
done
same refused.alice refused.nobody
expect_status 4 "$FORKFTP" list "$URL"
has "$ERR" 'USER@'
# Who knows the password and not the secret is nobody either.
printf 'another secret of the right length' >other
chmod 600 other
expect_status 4 "$FORKFTP" list --secret-file other --password-file password.alice "drive://alice@127.0.0.1:$PORT"

# Another right, another password, shut out, let in, removed: after SIGHUP, and not before.
user rights alice list,get,put >"$OUT"
as 1 alice put /new mine
reload
as 0 alice put /new mine
as 1 alice put /new mine --overwrite
same "$LIBRARY/new" mine
cp -p password.alice password.old
password alice 'another horse'
user passwd alice --password-stdin <password.alice >"$OUT"
reload
as 0 alice list ""
expect_status 4 "$FORKFTP" list --password-file password.old "drive://alice@127.0.0.1:$PORT"
user disable alice >"$OUT"
reload
as 4 alice list ""
as 0 bob list ""
user enable alice >"$OUT"
user set alice --network 192.0.2.0/24 >"$OUT"
reload
as 4 alice list ""
user set alice --clear networks --sessions 1 >"$OUT"
reload
as 0 alice list ""

# One session at once, which is named by who, and ended by kick.
mkfifo hold
exec 9<>hold
# shellcheck disable=SC2016 # for the inner shell: what runs in the background has no standard input otherwise
start_in_background bash -c 'exec "$@" <hold' - \
    "$FORKFTP" put --password-file password.alice "drive://alice@127.0.0.1:$PORT/held" - 2>held 9>&-
held=$STARTED_PID
head -c 300000 /dev/zero >&9
who() { "$FORKFTPD" who --config forkftpd.toml; }
alice_is_there() { who | grep -q ' alice '; }
wait_for 10 alice_is_there
as 7 alice list ""
expect_status 0 "$FORKFTPD" kick --config forkftpd.toml --user alice
exec 9>&-
status=0
wait "$held" || status=$?
[ "$status" -eq 3 ] || fail "the session that was ended left with $status: $(cat held)"
absent "$LIBRARY/held"
wait_for 10 not alice_is_there
as 0 alice list ""

user remove alice >"$OUT"
reload
as 4 alice list ""
has "$ERR" 'refused the login'

# Anonymous where a login is optional: their own home and rights; users as before.
configure optional '"list", "get"'
reload
# What listens is not changed by SIGHUP: this takes a new start.
stop
launch serve --config forkftpd.toml
expect_status 0 "$FORKFTP" list "$URL"
[ "$(cat "$OUT")" = hello.txt ] || fail "the anonymous see: $(cat "$OUT")"
expect_status 1 "$FORKFTP" put "$URL/new" mine
expect_status 1 "$FORKFTP" get "$URL/new" -o none
as 0 bob put /new mine
as 4 alice list ""

# Nothing of a password in any log.
! grep -Eq 'horse|cow' "$SCRATCH"/server.*.log || fail "a password is in the log"
