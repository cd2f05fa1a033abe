#!/usr/bin/env bash
# forkftpd user: the users' file is made, changed and shown; what the server would refuse is not written, and no password and no
# verifier is ever shown.
. "$(dirname "$0")/lib.sh"

users=$SCRATCH/users.toml
user() { "$FORKFTPD" user --users-file "$users" "$@"; }
verb() { expect_status "$1" user "${@:2}"; }
with_password() { expect_status "$1" user "${@:3}" --password-stdin <<<"$2"; }

# There is none: only add makes it.
verb 1 list
has "$ERR" 'users.*forkftpd user add'
verb 1 remove alice
absent "$users"
with_password 1 '' add alice
with_password 1 $'bell\a' add alice
has "$ERR" 'password.*characters'
absent "$users"
with_password 0 'correct horse' add alice --rights list,get,put --quota '10 GiB' --network 192.0.2.0/24 --network ::1
has "$OUT" 'SIGHUP'
[ "$(stat -c %a "$users")" = 600 ] || fail "the users' file has mode $(stat -c %a "$users")"
grep -q 'SCRAM-SHA-256.65536:' "$users" || fail "no verifier was written"
! grep -q 'correct horse' "$users" || fail "the password was written"
with_password 1 other add alice
has "$ERR" 'already'

# The right password and wrong ones; nothing but the line on standard input counts.
with_password 0 'correct horse' check alice
with_password 1 'correct horse ' check alice
has "$ERR" 'not the password'
with_password 1 '' check alice
with_password 1 x check nobody
has "$ERR" 'no user nobody'
expect_status 1 user check alice </dev/null
has "$ERR" '--password-stdin'
expect_status 2 user passwd alice secret

# Made passwords are printed once, and are those.
verb 0 add 'Bob B' --generate --iterations 4096
made=$(sed -n 's/^password: //p' "$OUT")
[ "${#made}" -ge 26 ] || fail "made a password of ${#made} characters"
with_password 0 "$made" check 'Bob B'
with_password 0 another passwd 'Bob B' --iterations 5000
with_password 1 "$made" check 'Bob B'
with_password 0 another check 'Bob B'
verb 2 add carol --generate --iterations 4095
verb 2 add $'ca\trol' --generate
verb 2 add ' carol' --generate
verb 2 add carol --generate --rights fly
has "$ERR" 'fly.*overwrite'

# Comments stay, and so does the order; what would be refused is not written.
sed -i 's/^\[users.alice\]/# from the shop\n&/' "$users"
verb 0 rights alice put
verb 0 set alice --home in/box --clear quota,networks --sessions 2
verb 0 disable alice
grep -A6 '^# from the shop' "$users" >"$SCRATCH/alice"
has "$SCRATCH/alice" '^\[users.alice\]'
has "$SCRATCH/alice" '^rights = \["put"\]'
has "$SCRATCH/alice" '^home = "in/box"'
has "$SCRATCH/alice" '^disabled = true'
! grep -Eq 'quota|networks' "$users" || fail "cleared limits are there"
before=$(sum "$users")
verb 1 set alice --home ../up
has "$ERR" 'users.toml:[0-9]+: home'
verb 1 set alice --quota '5 apples'
verb 1 set alice --quota 0
verb 1 set alice --network somewhere
verb 1 set alice --umask 0777
verb 1 set alice --quota 5 --clear quota
verb 1 set nobody --quota 5
verb 1 rights nobody get
verb 1 set alice
has "$ERR" 'nothing to change'
[ "$(sum "$users")" = "$before" ] || fail "a refused change was written"

verb 0 list
has "$OUT" '^alice \(disabled\).put.home in/box, sessions 2$'
has "$OUT" '^Bob B.list,get.no limits'
! grep -q SCRAM "$OUT" || fail "list shows verifiers"
verb 0 list --json
! grep -q SCRAM "$OUT" || fail "list --json shows verifiers"
python3 - "$OUT" <<'PYTHON'
import json, sys
bob, alice = [json.loads(line) for line in open(sys.argv[1])]
assert (bob["name"], bob["rights"], bob["disabled"], bob["quota"]) == ("Bob B", ["list", "get"], False, None), bob
assert (alice["name"], alice["rights"], alice["home"], alice["sessions"]) == ("alice", ["put"], "in/box", 2), alice
PYTHON
verb 0 enable alice
! grep -q disabled "$users" || fail "alice is still disabled"

# Many at once: nobody is lost, and nothing lies beside the file.
for n in 1 2 3 4 5 6 7 8; do
    user add "user$n" --generate --iterations 4096 >"$SCRATCH/made.$n" 2>&1 &
    adding[n]=$!
done
for pid in "${adding[@]}"; do wait "$pid" || fail "one of many was refused"; done
verb 0 list
[ "$(grep -c '^user' "$OUT")" -eq 8 ] || fail "users were lost: $(cat "$OUT")"
[ -z "$(find "$SCRATCH" -name '.forkftpd-users.*')" ] || fail "something was left beside the file"
verb 0 remove user3
verb 1 remove user3

# The configuration names the file, relative to itself; the server's own check reads it.
config <<<'library = "library"
users_file = "users.toml"
secret_file = "secret"
[[listen]]
address = "127.0.0.1:0"'
expect_status 0 "$FORKFTPD" user -c "$SCRATCH/forkftpd.toml" list
has "$OUT" '^user4'
expect_status 0 "$FORKFTPD" check -c "$SCRATCH/forkftpd.toml"
chmod 640 "$users"
verb 1 list
has "$ERR" 'chmod 600'
verb 1 disable alice
expect_status 1 "$FORKFTPD" check -c "$SCRATCH/forkftpd.toml"
has "$ERR" 'chmod 600'
chmod 600 "$users"
sed -i 's/65536:/65536x:/' "$users"
expect_status 1 "$FORKFTPD" check -c "$SCRATCH/forkftpd.toml"
has "$ERR" 'users.toml:[0-9]+: .*passwd alice'
verb 1 list
# A new password mends it: passwd has to know that there is such a user, however damaged.
with_password 0 mended passwd alice
with_password 0 mended check alice
