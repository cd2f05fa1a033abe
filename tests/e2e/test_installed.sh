#!/usr/bin/env bash
# The README's "Running it for real", as it is typed: installed, set up and served as root, in folders and a network of our own.
if [ -z "${OWN_MACHINE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || { echo "only root can install"; exit 77; }
    unshare -mn true 2>/dev/null || { echo "cannot have mounts and a network of our own"; exit 77; }
    OWN_MACHINE=1 exec unshare -mn bash "$0"
fi
. "$(dirname "$0")/lib.sh"

command -v useradd >/dev/null || skip "no useradd"
mkdir "$SCRATCH/above"
mount -t tmpfs none "$SCRATCH/above"
mkdir "$SCRATCH/above/up" "$SCRATCH/above/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$SCRATCH/above/up,workdir=$SCRATCH/above/work" none /etc || skip "no overlay over /etc"
for folder in /srv /run /usr/local; do mount -t tmpfs -o mode=755 none $folder; done
ip link set lo up 2>/dev/null || python3 -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 1))'
UNDO+=("umount -l /etc /srv /run /usr/local '$SCRATCH/above'")

# Every line after a $ of that block, with what it reads; the last one stays.
mkdir -p "$SCRATCH/copy/target/release"
cp -r "$REPO/Makefile" "$REPO/README.md" "$REPO/src" "$REPO/scripts" "$SCRATCH/copy/"
cp "$BIN/forkftp" "$BIN/forkftpd" "$SCRATCH/copy/target/release/"
(cd "$SCRATCH/copy" && "$FORKFTP" generate target/generated) # as make man does
for name in forkftpd-user-add.8 forkftpd-cert-new.8 forkftpd-who.8 forkftpd-kick.8 forkftp-known-hosts.1 forkftpd.toml.5 forkftp-security.7; do
    [ -s "$SCRATCH/copy/target/generated/man/$name" ] || fail "no man page $name: $(ls "$SCRATCH/copy/target/generated/man")"
done
if man --version 2>/dev/null | grep -q '^man '; then
    for page in "$SCRATCH"/copy/target/generated/man/{forkftp.1,forkftp-get.1,*.5,*.7,forkftpd.8,forkftpd-user-add.8}; do
        # Whether a table goes over the end of a printed page is of no matter.
        MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null | grep -v 'will not fit on one page' >"$SCRATCH/man" || true
        [ ! -s "$SCRATCH/man" ] || fail "${page##*/}: $(head -n 3 "$SCRATCH/man")"
    done
fi

# What install puts somewhere, uninstall takes away, but for configuration; and that is never written over.
in_root() { expect_status 0 make --no-print-directory -C "$SCRATCH/copy" "$1" DESTDIR="$SCRATCH/root" PREFIX=/opt/f; }
in_root install
for file in opt/f/sbin/forkftpd opt/f/lib/systemd/system/forkftpd.service opt/f/lib/sysusers.d/forkftp.conf opt/f/share/man/man5/forkftpd.toml.5 etc/forkftp/forkftpd.toml; do
    [ -s "$SCRATCH/root/$file" ] || fail "install puts no $file there"
done
has "$SCRATCH/root/opt/f/lib/systemd/system/forkftpd.service" '^ExecStart=/opt/f/sbin/forkftpd '
for file in forkftp/forkftpd.toml logrotate.d/forkftp; do echo '# mine' >>"$SCRATCH/root/etc/$file"; done
in_root install
in_root uninstall
[ "$(cd "$SCRATCH/root" && find . ! -type d | sort | tr '\n' ' ')" = "./etc/forkftp/forkftpd.toml ./etc/logrotate.d/forkftp " ] ||
    fail "uninstall leaves: $(find "$SCRATCH/root" ! -type d)"
for file in forkftp/forkftpd.toml logrotate.d/forkftp; do has "$SCRATCH/root/etc/$file" '^# mine'; done

# shellcheck disable=SC2016 # the backquotes are text
sed -n '/^## Running it for real/,/^## /p' "$REPO/README.md" | sed -n '/^```console/,/^```$/p' | sed '/^```$/q' |
    sed '/^```/d; s/^\$ //; s/^make man && //; s/ && sudo forkftpd serve$//' >"$SCRATCH/typed"
[ "$(grep -c '^sudo' "$SCRATCH/typed")" -ge 8 ] || fail "the README says something else: $(cat "$SCRATCH/typed")"
cd "$SCRATCH/copy"
expect_status 0 bash -ec "PATH=/usr/local/sbin:/usr/local/bin:\$PATH; sudo() { \"\$@\"; }; $(cat "$SCRATCH/typed")"
has "$OUT" '^configuration ok'
has "$OUT" 'in an empty root folder; sandbox full'
! grep -q WARNING "$OUT" || fail "a warning: $(cat "$OUT")"
print=$(grep -Eo 'sha256:[0-9a-f]{64}' "$OUT" | head -n 1)
(umask 077 && sed -n 's/^password: //p' "$OUT" >password)
FORKFTPD=/usr/local/sbin/forkftpd
launch_as_installed() {
    LOG=$SCRATCH/server.1.log
    start_in_background $FORKFTPD serve 2>"$LOG"
    SERVER=$STARTED_PID
    wait_for 20 grep -q 'listening on' "$LOG"
}
launch_as_installed
client() { /usr/local/bin/forkftp "$@" --secret-file /etc/forkftp/secret --password-file password --pin "$print"; }
expect_status 0 client ping -c 1 drives://alice@127.0.0.1
has "$OUT" 'logged in as alice'
expect_status 0 client put drives://alice@127.0.0.1/ "$REPO/README.md"
same "$REPO/README.md" /srv/forkftp/alice/README.md
[ "$(stat -c %U /srv/forkftp/alice/README.md)" = forkftp ] || fail "it belongs to $(stat -c %U /srv/forkftp/alice/README.md)"
expect_status 0 $FORKFTPD who
expect_status 0 setpriv --reuid 65534 --regid 65534 --clear-groups bash -c '! cat /etc/forkftp/secret /etc/forkftp/users.toml /etc/forkftp/tls.key'
stop
