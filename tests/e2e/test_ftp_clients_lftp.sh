#!/usr/bin/env bash
# lftp does everything it can do with a server: up, down, lists, renaming, deleting, folders, hard names, resuming both ways after it was
# killed, and mirrors of 500 files both ways over four connections, times kept; plain and under TLS of both versions.
. "$(dirname "$0")/ftp.sh"
need_client lftp
serve_ftp
noise 3000000 1 >big

WAY=plain
lftp_at() { # commands
    local settings='set net:max-retries 2; set net:timeout 10; set net:reconnect-interval-base 1; set cmd:fail-exit yes; set xfer:clobber yes'
    local at=ftp://127.0.0.1:$PORT
    case $WAY in
    plain) settings+='; set ftp:ssl-allow no' ;;
    implicit) at=ftps://127.0.0.1:$TLS_PORT ;;
    esac
    case $WAY in plain) ;; *) settings+="; set ssl:ca-file $SCRATCH/tls.crt; set ftp:ssl-protect-data yes; set ftp:ssl-force yes" ;; esac
    case $WAY in tls-1.*) settings+="; set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS${WAY#tls-}" ;; esac
    lftp --norc -c "$settings; open -u $FTP_USER,$FTP_PASSWORD $at; $1"
}
works() { expect_status 0 lftp_at "$1"; }

round() {
    works "mkdir -p $WAY/deep; put big -o $WAY/big; get $WAY/big -o got-$WAY"
    same "$LIBRARY/$WAY/big" big
    same "got-$WAY" big
    works "cls -1 $WAY"
    [ "$(sort "$OUT")" = "$WAY/big"$'\n'"$WAY/deep/" ] || fail "$WAY: names: $(cat "$OUT")"
    works "ls $WAY"
    has "$OUT" '^-rw.* 3000000 .* big'
    works "nlist $WAY; cls -l $WAY; du -a $WAY; find $WAY; pwd"
    works "mv $WAY/big $WAY/deep/moved; chmod 600 $WAY/deep/moved"
    same "$LIBRARY/$WAY/deep/moved" big
    [ "$(stat -c %a "$LIBRARY/$WAY/deep/moved")" = 600 ] || fail "$WAY: mode $(stat -c %a "$LIBRARY/$WAY/deep/moved")"
    works "cat $WAY/deep/moved"
    same "$OUT" big
    works "rm $WAY/deep/moved; rmdir $WAY/deep; rm -r $WAY"
    absent "$LIBRARY/$WAY"
    expect_status 1 lftp_at "get none"
    has "$ERR" '550'
}

resume() {
    works "put big -o whole"
    head -c 1000000 big >part
    works "get -c whole -o part"
    same part big
    # Killed in mid-upload.
    start_in_background lftp --norc -c "set ftp:ssl-allow no; set net:limit-rate 1500000; open -u $FTP_USER,$FTP_PASSWORD \
        ftp://127.0.0.1:$PORT; put big -o cut"
    wait_for 15 kept 1200000
    kill -KILL -- "-$STARTED_PID"
    wait "$STARTED_PID" 2>/dev/null || true
    wait_for 10 no_sessions
    absent "$LIBRARY/cut"
    works "debug 5; put -c big -o cut"
    same "$LIBRARY/cut" big
    cat "$OUT" "$ERR" >said
    has said '(REST [1-9]|APPE)'
    partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp")"
    works "rm cut whole"
}

for WAY in plain tls-1.2 tls-1.3 implicit; do round; done
WAY=plain
resume
WAY=tls-1.3
resume

WAY=plain
mkdir names
for name in "${HARD_NAMES[@]}"; do
    printf '%s' "$name" >"names/$name"
    quoted=${name//\\/\\\\}
    quoted=\"${quoted//\"/\\\"}\"
    works "mkdir -f -p hard; put \"names\"/$quoted -o hard/$quoted; cat hard/$quoted"
    same "$OUT" "names/$name"
done
same_tree names "$LIBRARY/hard"
works "mirror hard hard-back"
same_tree names hard-back

make_tree tree
for WAY in plain tls-1.3; do
    works "mirror -R --parallel=4 tree up-$WAY"
    same_tree tree "$LIBRARY/up-$WAY" times
    works "mirror --parallel=4 up-$WAY back-$WAY"
    same_tree tree "back-$WAY" times
    # What is there already is not sent again.
    works "mirror -R --parallel=4 -v tree up-$WAY"
    ! grep -q 'Transferring' "$OUT" "$ERR" || fail "sent again: $(grep -m 3 Transferring "$OUT" "$ERR")"
done
wait_for 10 no_sessions
partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp")"
