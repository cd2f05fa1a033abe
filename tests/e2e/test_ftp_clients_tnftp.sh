#!/usr/bin/env bash
# tnftp, the BSDs' ftp, does what people type at it: up, down, lists, renaming, deleting, folders, text, resuming both ways after it was
# killed, times, hard names; passive and active.
. "$(dirname "$0")/ftp.sh"
need_client tnftp
serve_ftp 'active = true'
noise 3000000 1 >big
printf 'one\ntwo\n' >text

tnftp_at() { # options of tnftp; commands on standard input
    { printf 'user %s %s\nbinary\n' "$FTP_USER" "$FTP_PASSWORD" && cat && echo quit; } |
        timeout 30 tnftp -n -i -v "$@" -P "$PORT" 127.0.0.1 >said 2>&1
    ! grep -E '^[45][0-9][0-9] ' said | grep -Ev "${REFUSED:-^$}" >&2 || fail "refused: $(grep -E -B 1 '^[45][0-9][0-9] ' said)"
}

mkdir names
for name in "${HARD_NAMES[@]}"; do
    case $name in *' '* | *[\"\\]*) ;; *) printf '%s' "$name" >"names/$name" ;; esac
done
for option in '' -A; do
    [ -z "$option" ] && folder=passive || folder=active
    # shellcheck disable=SC2086 # an empty word is no option
    tnftp_at $option <<END
mkdir $folder
cd $folder
pwd
put big
get big got
size big
modtime big
ls
nlist
mlsd
mlst big
features
rhelp
rstatus
system
mkdir sub
rename big sub/moved
ls -l sub
get sub/moved got2
ascii
put text
get text text-back
binary
lcd names
mput *
END
    same "$LIBRARY/$folder/sub/moved" big
    same got big
    same got2 big
    same text-back text
    same "$LIBRARY/$folder/text" text
    same_mtime got "$LIBRARY/$folder/sub/moved"
    has said $'^big\t3000000$'
    for name in names/*; do same "$LIBRARY/$folder/${name##*/}" "$name"; done
    tnftp_at <<END
cd $folder
delete sub/moved
rmdir sub
mdelete *
cdup
rmdir $folder
END
    absent "$LIBRARY/$folder"
done

# As a command: one file up, one down.
expect_status 0 timeout 30 tnftp -u "ftp://$FTP_USER:$FTP_PASSWORD@127.0.0.1:$PORT/whole" big
same "$LIBRARY/whole" big
expect_status 0 timeout 30 tnftp -o got3 "ftp://$FTP_USER:$FTP_PASSWORD@127.0.0.1:$PORT/whole"
same got3 big

# Resuming.
head -c 1000000 big >part
tnftp_at <<END
reget whole part
END
same part big
mkfifo words
# shellcheck disable=SC2016 # for the inner shell
start_in_background bash -c 'exec tnftp -n -i -v -T put,1500000 -P "$0" 127.0.0.1 <words' "$PORT" >killed 2>&1
exec 9>words
printf 'user %s %s\nbinary\nput big cut\n' "$FTP_USER" "$FTP_PASSWORD" >&9
wait_for 15 kept 1200000
kill -KILL "$STARTED_PID"
exec 9>&-
wait_for 10 no_sessions
absent "$LIBRARY/cut"
tnftp_at <<END
size cut
END
size=$(sed -nE 's/^(213|cut)[[:space:]]+([0-9]+).*/\2/p' said | tail -n 1)
[ "${size:-0}" -ge 1200000 ] || fail "the size of what is kept: $size"
tnftp_at <<END
restart $size
put big cut
append text cut
END
cmp "$LIBRARY/cut" <(cat big text) || fail "gone on with to something else"
partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp")"

REFUSED='^550 '
tnftp_at <<END
get none
cd none
delete none
END
[ "$(grep -c '^550 ' said)" -ge 3 ] || fail "not refused: $(cat said)"
wait_for 5 no_sessions
