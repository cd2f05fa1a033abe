#!/usr/bin/env bash
# NcFTP's commands do what scripts have them do: up, down, lists, whole trees both ways, renaming, deleting, folders, text, temporary names,
# resuming both ways after it was killed, times, hard names; passive and active.
. "$(dirname "$0")/ftp.sh"
need_client ncftp ncftpput ncftpget ncftpls
serve_ftp 'active = true'
noise 3000000 1 >big
printf 'one\ntwo\n' >text
touch -d '2020-02-29 12:34:56 UTC' big

AT=(-u "$FTP_USER" -p "$FTP_PASSWORD" -P "$PORT")
works() { expect_status 0 timeout 30 "$@" </dev/null; }
typed() { # commands on standard input
    ncftp "${AT[@]}" 127.0.0.1 >said 2>&1 || fail "ncftp: $(cat said)"
}

for option in -F -E; do
    [ "$option" = -F ] && folder=passive || folder=active
    works ncftpput "$option" "${AT[@]}" -m 127.0.0.1 "/$folder" big
    same "$LIBRARY/$folder/big" big
    same_mtime "$LIBRARY/$folder/big" big
    mkdir -p "got-$folder"
    works ncftpget "$option" "${AT[@]}" 127.0.0.1 "got-$folder" "/$folder/big"
    same "got-$folder/big" big
    same_mtime "got-$folder/big" big
    works ncftpput "$option" "${AT[@]}" -a 127.0.0.1 "/$folder" text
    same "$LIBRARY/$folder/text" text
    works ncftpget "$option" "${AT[@]}" -a -C 127.0.0.1 "/$folder/text" text-back
    same text-back text
    works ncftpls "$option" -1 "ftp://$FTP_USER:$FTP_PASSWORD@127.0.0.1:$PORT/$folder/"
    [ "$(sort "$OUT")" = $'big\ntext' ] || fail "names: $(cat "$OUT")"
    works ncftpls "$option" -l "ftp://$FTP_USER:$FTP_PASSWORD@127.0.0.1:$PORT/$folder/"
    has "$OUT" '^-rw.* 3000000 .* big'
    works ncftpput "$option" "${AT[@]}" -S .tmp -C 127.0.0.1 big "/$folder/suffixed"
    same "$LIBRARY/$folder/suffixed" big
    absent "$LIBRARY/$folder/suffixed.tmp"
    works ncftpput "$option" "${AT[@]}" -A -C 127.0.0.1 text "/$folder/suffixed"
    cmp "$LIBRARY/$folder/suffixed" <(cat big text) || fail "appending gave something else"
done

typed <<END
cd passive
mkdir sub
rename big sub/moved
ls -la
dir sub
chmod 600 sub/moved
get sub/moved
quit
END
same "$LIBRARY/passive/sub/moved" big
same moved big
[ "$(stat -c %a "$LIBRARY/passive/sub/moved")" = 600 ] || fail "mode $(stat -c %a "$LIBRARY/passive/sub/moved")"
typed <<END
rm passive/sub/moved passive/text passive/suffixed
rmdir passive/sub
rm active/*
rmdir active
quit
END
[ -z "$(ls "$LIBRARY/passive")" ] || fail "left: $(ls "$LIBRARY/passive")"
absent "$LIBRARY/active"

make_tree tree
works ncftpput "${AT[@]}" -R 127.0.0.1 / tree
same_tree tree "$LIBRARY/tree" times
mkdir back
works ncftpget "${AT[@]}" -R -T 127.0.0.1 back /tree
same_tree tree back/tree times

mkdir names back-names
for name in "${HARD_NAMES[@]}"; do
    # It strips blanks, and reads backslashes and brackets as patterns, before anything is sent.
    case $name in ' '* | *\\* | *\[*) continue ;; esac
    printf '%s' "$name" >"names/$name"
done
works ncftpput "${AT[@]}" -m 127.0.0.1 /names names/*
same_tree names "$LIBRARY/names"
for path in names/*; do
    works ncftpget "${AT[@]}" -C 127.0.0.1 "/$path" "back-$path"
done
same_tree names back-names

# Resuming.
works ncftpput "${AT[@]}" -C 127.0.0.1 big /whole
head -c 1000000 big >whole
works ncftpget "${AT[@]}" -z -d resumed 127.0.0.1 . /whole
same whole big
has resumed 'REST 1000000'
mkfifo pipe
# shellcheck disable=SC2016 # for the inner shell
start_in_background bash -c 'exec ncftpput -u "$0" -p "$1" -P "$2" -c 127.0.0.1 /cut <pipe' "$FTP_USER" "$FTP_PASSWORD" "$PORT"
exec 9>pipe
head -c 1500000 big >&9
wait_for 10 kept 1200000
kill -KILL "$STARTED_PID"
exec 9>&-
wait_for 10 no_sessions
absent "$LIBRARY/cut"
# Without sendfile(2), with which it sends from the beginning whatever it has asked for.
works ncftpput "${AT[@]}" -s -z -d resumed -C 127.0.0.1 big /cut
same "$LIBRARY/cut" big
has resumed '(REST [1-9]|APPE)'
partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp")"

! timeout 30 ncftpls -u "$FTP_USER" -p wrong -P "$PORT" -r 1 ftp://127.0.0.1/ >"$OUT" 2>&1 || fail "let in with a wrong password"
wait_for 5 no_sessions
