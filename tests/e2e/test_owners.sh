#!/usr/bin/env bash
# Whose new files are, and what they allow others: umask for every server, another group where the server's user may give to it, another owner where
# root started it. A file belongs to its owner when it is first seen, and what could not be given away is not there.
. "$(dirname "$0")/lib.sh"

cd "$SCRATCH"
config <<'EOT'
library = "library"
secret_file = "secret"
users_file = "users.toml"
[[listen]]
address = "127.0.0.1:0"
EOT
user() { "$FORKFTPD" user --config forkftpd.toml "$@"; }
mode() { stat -c %a "$LIBRARY/$1"; }
owners() { stat -c %u:%g "$LIBRARY/$1"; }
as() { # user, word, path, further arguments
    expect_status 0 "$FORKFTP" "$2" --password-file password "drive://$1@127.0.0.1:$PORT$3" "${@:4}"
}
(umask 077 && echo 'correct horse' >password)
for name in plain narrow; do
    user add "$name" --rights all --iterations 4096 --password-stdin <password >"$OUT"
done
user set narrow --umask 0037 >"$OUT"
noise 3000000 7 >large
echo small >small
names=(plain narrow)

if [ "$(id -u)" -eq 0 ]; then
    # Numbers need no names on this machine.
    user add given --rights all --iterations 4096 --password-stdin --owner 4711 --group 4712 --umask 0022 <password >"$OUT"
    user add shared --rights all --iterations 4096 --password-stdin --group 4712 --umask 0007 <password >"$OUT"
    names+=(given shared)
    expect_status 1 user set plain --owner root
    has "$ERR" 'never given to root'
else
    expect_status 1 user set plain --owner 4711
    has "$ERR" 'only a server that is started as root'
    expect_status 1 user set plain --group 4712
    has "$ERR" 'not in that group'
fi
launch serve --config forkftpd.toml

for name in "${names[@]}"; do
    as "$name" mkdir "/$name"
    as "$name" put "/$name/" small large
    # Once more, over what is there and is somebody else's.
    as "$name" put "/$name/" small large --overwrite
    for file in small large; do same "$LIBRARY/$name/$file" "$file"; done
    # Nobody's file is taken the place of without a word.
    expect_status 1 "$FORKFTP" put --password-file password "drive://$name@127.0.0.1:$PORT/$name/" small
    has "$ERR" 'the name is taken'
    stage_empty || fail "something is left in the stage"
done
for file in small large; do
    [ "$(mode "plain/$file")" = 644 ] || fail "$file: $(mode "plain/$file")"
    [ "$(mode "narrow/$file")" = 640 ] || fail "$file: $(mode "narrow/$file")"
done
[ "$(mode plain) $(mode narrow)" = "755 740" ] || fail "folders: $(mode plain) $(mode narrow)"
if [ "$(id -u)" -eq 0 ]; then
    server=$(owners plain/small)
    for file in small large; do
        [ "$(owners "given/$file")" = 4711:4712 ] || fail "$file: $(owners "given/$file")"
        [ "$(owners "shared/$file")" = "${server%:*}:4712" ] || fail "$file: $(owners "shared/$file")"
        [ "$(mode "given/$file") $(mode "shared/$file")" = "644 660" ] || fail "$file: modes"
    done
    # What it still may read is got back, with its digest.
    as given get /given/large -o got
    same got large
    # Without a broker nothing can be given: refused, and not there.
    # shellcheck disable=SC2094 # the commands wait for what the shell says
    "$FORKFTP" shell "drive://given@127.0.0.1:$PORT/given" --password-file password >"$OUT" 2>"$ERR" < <(
        echo list
        until grep -q '^small$' "$OUT"; do sleep 0.1; done
        kill -9 "$(ps -o pid=,comm= --ppid "$SERVER" | sed -n 's/ *\([0-9]*\) forkftpd:broker$/\1/p')"
        echo put small -o orphan
    ) && fail "a file was given away by nobody"
    has "$ERR" 'orphan: permission denied'
    absent "$LIBRARY/given/orphan"
    stage_empty || fail "something is left in the stage"
fi
