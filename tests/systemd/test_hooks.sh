#!/usr/bin/env bash
# Hooks and drop boxes behind the walls of the service: what a hook is told and may write to; and each upload is told to its hook, those
# of one file one after the other, though the service is killed as a whole, restarted or stopped in the middle.
. "$(dirname "$0")/lib.sh"

STATE=/var/lib/forkftp
plainly 'spool_folder = "/var/lib/forkftp/spool"'
sed -i '/^receipt/c receipt = "sha256"' "$CONFIG"
cat >/usr/local/bin/note <<'END'
#!/bin/sh
record=$(cat)
echo "begin $record" >>/var/lib/forkftp/told
until [ -e /var/lib/forkftp/go ]; do sleep 0.02; done
if [ -e /var/lib/forkftp/fail ]; then echo 'this was no good'; exit 3; fi
echo "end $record" >>/var/lib/forkftp/told
END
cat >/usr/local/bin/look <<'END'
#!/bin/sh
{
    echo "user $(id -un)"
    grep -E '^(NoNewPrivs|CapBnd|CapEff):' /proc/self/status
    find / -path /proc -prune -o -type d -writable -prune -print 2>/dev/null | sort | while read -r folder; do
        (: >"$folder/made") 2>/dev/null && rm "$folder/made" && echo "$folder"
    done
} >/var/lib/forkftp/look.new
mv /var/lib/forkftp/look.new /var/lib/forkftp/looked
END
chmod 755 /usr/local/bin/note /usr/local/bin/look
cat >>"$CONFIG" <<'END'
[[drop_box]]
path = "in/scans"
mode = "0640"
hook = "note"
[[hook]]
name = "note"
run = ["/usr/local/bin/note"]
folder = "plain"
retry_seconds = 1
[[hook]]
name = "once"
run = ["/usr/local/bin/note"]
folder = "once"
tries = 1
[[hook]]
name = "look"
run = ["/usr/local/bin/look"]
folder = "look"
END
install -d -o forkftp -g forkftp "$LIBRARY"/{plain,once,look}

# What was said by programs that began, or that ended well, of a path: how often, and the sizes of the files in that order.
sizes() { sed -n "s|^$1 .*\"path\":\"$2\".*\"size\":\([0-9]*\).*|\1|p" "$STATE/told" | paste -s -d ' '; }
said() { [ "$(sizes "$1" "$2")" = "$3" ] || { cat "$STATE/told"; return 1; }; }
put() { printf %s "$3" | upload "$1" "$2"; }
wait_in_the_spool() { [ "$(forkftpd hooks | grep -c "$(printf '\twaits\t')")" = "$1" ] || { forkftpd hooks; return 1; }; }
nothing_waits() { wait_in_the_spool 0; }

start
touch "$STATE/go"
put http look/now x
put ftp in/scans/scan first
put http in/scans/scan 'the second'
wait_for 5 said end in/scans/scan 5
wait_for 5 said end in/scans/scan-1 10
digest=$(sha256sum "$LIBRARY/in/scans/scan" | cut -d ' ' -f 1)
for words in '"hook":"note"' '"file":"/srv/forkftp/in/scans/scan"' "\"sha256\":\"$digest\"" '"face":"ftp"' '"address":"127.0.0.1"' '"id":"[0-9a-f]{16}"' \
    '"time":"2[0-9T:.-]{22}Z"'; do
    grep 'end .*scans/scan"' "$STATE/told" | grep -Eq "$words" || fail "a hook is not told $words: $(cat "$STATE/told")"
done
[ "$(stat -c '%U %a' "$LIBRARY/in/scans/scan")" = "forkftp 640" ] || fail "the drop box: $(ls -l "$LIBRARY/in/scans")"
wait_for 5 test -e "$STATE/looked"
cat >"$SCRATCH/expected" <<'END'
user forkftp
CapEff:	0000000000000000
CapBnd:	0000000000000000
NoNewPrivs:	1
/dev/mqueue
/dev/shm
/run/forkftp
/srv/forkftp
/tmp
/var/lib/forkftp
/var/log/forkftp
/var/tmp
END
diff "$SCRATCH/expected" "$STATE/looked" || fail "a hook finds something else"
wait_for 5 nothing_waits
touch "$STATE/fail"
put http once/x 1
given_up() { forkftpd hooks | grep -A 1 "$(printf '\tfailed\tonce\t')" | grep 'no good'; }
wait_for 5 given_up
rm "$STATE/fail"

# Killed as a whole: one runs and the next for that file waits, one runs for a drop box, and one shows of which no job was made yet.
rm "$STATE/go"
put http plain/a 1
put ftp plain/a 22
put ftp in/scans/held 1
wait_for 5 said begin plain/a 1
wait_for 5 said begin in/scans/held 1
chmod 500 "$STATE/spool/jobs"
put http plain/between 1
wait_for 5 logged 'not told to its hooks yet'
cmp <(printf 1) "$LIBRARY/plain/between"
wait_in_the_spool 3
systemctl kill -s KILL "$UNIT"
chmod 700 "$STATE/spool/jobs"
again() { is NRestarts 1 && is ActiveState active; }
wait_for 10 again
wait_for 5 said begin plain/a '1 1'
wait_for 5 said begin in/scans/held '1 1'
wait_for 5 said begin plain/between 1
wait_in_the_spool 4
touch "$STATE/go"
wait_for 5 said end plain/a '1 2'
wait_for 5 said end plain/between 1
wait_for 5 said end in/scans/held 1
wait_for 5 nothing_waits

# Restarted: the one that runs is left alone, and the next for that file waits for it, though another server took it.
rm "$STATE/go"
put http plain/b 1
wait_for 5 said begin plain/b 1
running=$(named note)
systemctl restart "$UNIT"
put ftp plain/b 22
wait_for 5 wait_in_the_spool 2
[ "$(named note)" = "$running" ] || fail "it does not run, or another does: $(processes)"
touch "$STATE/go"
wait_for 5 said end plain/b '1 2'
said begin plain/b '1 2'

# Stopped: it has the time of a drain, and nothing of the service is left; who did not end waits for the next start.
rm "$STATE/go"
put ftp plain/c 1
wait_for 5 said begin plain/c 1
systemctl stop "${SOCKETS[@]}" 2>/dev/null
systemctl stop --no-block "$UNIT"
wait_for 5 has_status drain
touch "$STATE/go"
stopped() { is ActiveState inactive; }
wait_for 5 stopped
nobody_left
said end plain/c 1
nothing_waits
rm "$STATE/go"
sed -i '/^library/i drain_seconds = 0' "$CONFIG"
start
put ftp plain/d 1
wait_for 5 said begin plain/d 1
systemctl stop "${SOCKETS[@]}" "$UNIT" 2>/dev/null
is Result success
wait_for 5 nobody_left
wait_in_the_spool 1
# Root has what was given up run again, and the spool stays the server's.
forkftpd hooks retry "$(forkftpd hooks | sed -n 's/\tfailed\t.*//p')" >/dev/null
wait_in_the_spool 2
others=$(find "$STATE/spool" ! -user forkftp)
[ -z "$others" ] || fail "not the server's: $others"

# As the head of the unit has it for a drop box whose files are given to a group.
groupadd --force scans
cat >>"$CONFIG" <<'END'
[[drop_box]]
path = "in/group"
group = "scans"
END
{
    echo '[Service]'
    sed -nE 's/^#   (SupplementaryGroups=scans|SystemCallFilter=fchown).*/\1/p' /opt/systemd/forkftpd.service
} | drop_in "$UNIT"
[ "$(wc -l <"/etc/systemd/system/$UNIT.d/test.conf")" = 3 ] || fail "the head of the unit says something else"
systemctl daemon-reload
touch "$STATE/go"
start
put http in/group/file 1
[ "$(stat -c '%U %G' "$LIBRARY/in/group/file")" = "forkftp scans" ] || fail "the drop box: $(ls -l "$LIBRARY/in/group")"
wait_for 5 nothing_waits
said begin plain/d '1 1'
said end plain/d 1
said end once/x 1
[ -z "$(forkftpd hooks)" ] || fail "something is left in the spool: $(forkftpd hooks)"

