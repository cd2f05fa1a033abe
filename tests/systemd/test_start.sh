#!/usr/bin/env bash
# The service as the package has it: it starts, says that it is ready and what it does, has its secrets as credentials, and each of its
# processes is shut in. All three protocols are served.
. "$(dirname "$0")/lib.sh"

afresh
systemctl enable --quiet "${SOCKETS[@]}" "$UNIT"
systemctl start "$UNIT"
is ActiveState active
is NRestarts 0
for socket in "${SOCKETS[@]}"; do
    [ "$(systemctl is-enabled "$socket") $(systemctl is-active "$socket")" = "enabled active" ] || fail "$socket did not come along"
done
wait_for 5 logged 'sandbox.* level=full landlock=yes'
! journal | grep -E ' (error|warn) ' || fail "the journal complains"

# Nobody is root, may do anything that others may not, or can come to more.
[ "$(processes | wc -l)" -ge 3 ] || fail "too few processes: $(processes)"
while read -r pid name; do
    status=/proc/$pid/status
    for line in "Uid:.$(id -u forkftp)" CapInh:.0*$ CapPrm:.0*$ CapEff:.0*$ CapBnd:.0*$ CapAmb:.0*$ NoNewPrivs:.1 Seccomp:.2; do
        grep -Eq "^$line" "$status" || fail "$name: not $line: $(cat "$status")"
    done
done < <(processes)

# The source is root's alone; what the service was given is not for others.
[ "$(stat -c '%U %a' /etc/forkftp/secret /etc/forkftp/tls.key | sort -u)" = "root 600" ] || fail "secrets are not root's"
setpriv --reuid=nobody --regid=nogroup --clear-groups cat "/run/credentials/$UNIT/secret" 2>/dev/null && fail "anybody reads the secret"
forkftpd check >"$SCRATCH/check" || fail "root's own check: $(cat "$SCRATCH/check")"

umask 077
printf 'correct horse\n' >"$SCRATCH/password"
forkftpd user add ada --rights list,get,put,overwrite --password-stdin <"$SCRATCH/password"
[ "$(stat -c '%U %a' /etc/forkftp/users.toml)" = "forkftp 600" ] || fail "the users' file is not the server's any more"
systemctl reload "$UNIT"
export FORKFTP_PASSWORD_FILE=$SCRATCH/password
head -c 300000 /dev/urandom >"$SCRATCH/file"
pin=$(grep -Eo 'sha256:[0-9a-f]{64}' /run/certificate | head -n 1)
forkftp put --quiet --pin "$pin" drives://ada@127.0.0.1/drive "$SCRATCH/file"
curl -sS --cacert /etc/forkftp/tls.crt --ssl-reqd -u 'ada:correct horse' -T "$SCRATCH/file" ftp://127.0.0.1/ftp
curl -sS --cacert /etc/forkftp/tls.crt -f -u 'ada:correct horse' -T "$SCRATCH/file" https://127.0.0.1:8443/http
for face in drive ftp http; do
    cmp "$SCRATCH/file" "$LIBRARY/$face"
done
has_status 'client' || fail "no counts"
forkftpd who >"$SCRATCH/who" || fail "who: $(cat "$SCRATCH/who")"
systemctl disable --quiet "${SOCKETS[@]}" "$UNIT"
systemctl stop "${SOCKETS[@]}" "$UNIT"
wait_for 5 nobody_left
[ ! -e /run/forkftp ] || fail "the runtime folder stays"
is Result success
