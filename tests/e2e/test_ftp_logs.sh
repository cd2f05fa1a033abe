#!/usr/bin/env bash
# What FTP logs for other tools: xferlog byte for byte, vsftpd's lines, which fail2ban's stock filter for vsftpd finds failed logins
# in, and that no name forges a line; new files after SIGHUP.
. "$(dirname "$0")/ftp.sh"

need_client fail2ban-regex=fail2ban
printf 'hello\n' >library/hello.txt
serve_ftp '' 'xferlog = "xferlog"
vsftpd_log = "vsftpd.log"'
ftp() { curl -sS -m 10 --user "$FTP_USER:$FTP_PASSWORD" "$@"; }

head -c 5000 /dev/zero >up
expect_status 0 ftp "ftp://127.0.0.1:$PORT/hello.txt"
expect_status 0 ftp -T up "ftp://127.0.0.1:$PORT/a%20b.bin"
expect_status 0 ftp -Q 'DELE a b.bin' "ftp://127.0.0.1:$PORT/hello.txt;type=a"
expect_status 67 curl -sS -m 10 --user "$FTP_USER:wrong" "ftp://127.0.0.1:$PORT/"
forger='x] [trial] FAIL LOGIN'
expect_status 67 curl -sS -m 10 --user "$forger:wrong" "ftp://127.0.0.1:$PORT/"
# A name with a line end in it, as far as FTP can carry one: none of it ends a line of the log.
python3 - "$PORT" <<'PYTHON'
import socket, sys
control = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
replies = control.makefile("rb")
replies.readline()
control.sendall(b'USER a\r\0 [b] FAIL LOGIN: Client "203.0.113.9"\r\nPASS x\r\n')
assert replies.readline().startswith(b"331"), "USER"
assert replies.readline().startswith(b"530"), "PASS"
PYTHON

date='[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}'
wait_for 5 grep -q ' d r trial' xferlog
sed -E "s/^$date //" xferlog >lines
cat >wanted <<'LINES'
1 127.0.0.1 6 /hello.txt b _ o r trial ftp 1 * c
1 127.0.0.1 5000 /a_b.bin b _ i r trial ftp 1 * c
1 127.0.0.1 5000 /a_b.bin a _ d r trial ftp 1 * c
1 127.0.0.1 7 /hello.txt a _ o r trial ftp 1 * c
LINES
sort -o lines lines
sort -o wanted wanted
same lines wanted
[ "$(grep -cE "^$date " xferlog)" -eq 4 ] || fail "dates of xferlog: $(cat xferlog)"

has vsftpd.log "^$date \[pid [0-9]+\] CONNECT: Client \"127.0.0.1\"$"
has vsftpd.log "^$date \[pid [0-9]+\] \[trial\] OK LOGIN: Client \"127.0.0.1\"$"
has vsftpd.log "\[trial\] OK UPLOAD: Client \"127.0.0.1\", \"/a b.bin\", 5000 bytes, [0-9.]+Kbyte/sec$"
has vsftpd.log "\[trial\] OK DELETE: Client \"127.0.0.1\", \"/a b.bin\"$"
has vsftpd.log "\[trial\] FAIL LOGIN: Client \"127.0.0.1\"$"
expect_status 0 fail2ban-regex vsftpd.log /etc/fail2ban/filter.d/vsftpd.conf
has "$OUT" '3 matched'
expect_status 0 fail2ban-regex -o ip vsftpd.log /etc/fail2ban/filter.d/vsftpd.conf
[ "$(sort -u "$OUT")" = 127.0.0.1 ] || fail "fail2ban would ban $(sort -u "$OUT")"

# Rotated: after SIGHUP new sessions write to new files.
mv xferlog xferlog.1
mv vsftpd.log vsftpd.log.1
kill -HUP "$SERVER"
wait_for 10 test -e vsftpd.log
expect_status 0 ftp "ftp://127.0.0.1:$PORT/hello.txt"
wait_for 5 grep -q hello.txt xferlog
[ "$(wc -l <xferlog)" -eq 1 ] || fail "the new xferlog: $(cat xferlog)"
! grep -q 203.0.113.9 xferlog xferlog.1 || fail "a forged line"
