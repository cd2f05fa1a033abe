#!/usr/bin/env bash
# Configurations of other servers become ours: the result is sound and serves, users log in by FTP with what the other server hashed,
# that is replaced at once, and then they log in by the drive protocol too.
. "$(dirname "$0")/lib.sh"
need_client curl

cd "$SCRATCH"
PASSWORD='pencil 42'
hash() { openssl passwd "$@" "$PASSWORD"; }
make_homes() { # FOLDER USER...: with a file each
    local folder=$1 user
    shift
    for user; do
        mkdir -p "$folder/$user"
        echo "of $user" >"$folder/$user/own.txt"
    done
    [ "$(id -u)" -ne 0 ] || chown -R nobody "$folder"
}
curl_as() { # USER[:PASSWORD] PATH CURL-ARGUMENT...
    local user=$1 path=$2
    shift 2
    curl -sS --max-time 20 -u "$user:${AS:-$PASSWORD}" "$@" "ftp://127.0.0.1:$PORT/$path"
}
by_http() {
    local user=$1 path=$2
    shift 2
    curl -sSf --max-time 20 -u "$user:$PASSWORD" "$@" "http://127.0.0.1:$(port_of http)/$path"
}
has_own_verifier() { grep -A1 -F "[users.$1]" users.toml | grep -q '^password = "SCRAM-SHA-256'; }

# serves FOLDER USER...: what was imported into FOLDER, on free ports, by FTP and by the drive protocol.
serves() {
    local folder=$1 user
    shift
    cd "$folder"
    [ "$(stat -c %a users.toml)" = 600 ] || fail "users.toml is readable by others"
    expect_status 0 "$FORKFTPD" check --config forkftpd.toml
    # A port that is free, and a second listener; the rest is as it was imported.
    sed -i -E 's/^address = .*/address = "127.0.0.1:0"/; s/^(xferlog|vsftpd_log) = .*//; s/^passive_address = .*//' forkftpd.toml
    awk '/^\[\[listen\]\]/ && !done { print "[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"drive\"\nproof = \"none\"\nlogin = \"required\"\n\n[[listen]]\naddress = \"127.0.0.1:0\"\nprotocol = \"http\"\ntls = \"off\"\nlogin = \"required\"\n"; done = 1 }
        { print }' forkftpd.toml >new.toml
    mv new.toml forkftpd.toml
    expect_status 0 "$FORKFTPD" check --config forkftpd.toml
    launch serve --config forkftpd.toml
    wait_for 10 port_of ftp
    PORT=$(port_of ftp)
    local drive
    drive=$(port_of drive)
    printf '%s\n' "$PASSWORD" >password
    chmod 600 password
    for user; do
        grep -A1 -F "[users.$user]" users.toml | grep -q '^password = "\$' || fail "$user has no imported hash"
        # By the drive protocol they cannot log in yet, and the log says why.
        expect_status 4 "$FORKFTP" --password-file password list "drive://$user@127.0.0.1:$drive/"
        wait_for 5 grep -q 'as another server hashed it' "$LOG"
        if AS=wrong curl_as "$user" own.txt -o got 2>"$ERR"; then fail "$user came in with a wrong password"; fi
        has_own_verifier "$user" && fail "$user: replaced by a wrong password"
        "${FIRST:-curl_as}" "$user" own.txt -o got
        has got "^of $user\$"
        wait_for 10 has_own_verifier "$user"
        wait_for 5 grep -q "was replaced by our own verifier user=\"\?$user" "$LOG"
        expect_status 0 "$FORKFTP" --password-file password list "drive://$user@127.0.0.1:$drive/"
        has "$OUT" 'own\.txt'
        # And by FTP as before.
        curl_as "$user" own.txt -o got
        has got "^of $user\$"
    done
    stop
    cd "$SCRATCH"
}

# vsftpd with virtual users, as a common container image has it; one password is hashed too badly to be taken over.
make_homes homes/vsftpd ann bob
printf 'ann:%s\nbob:%s\nold:%s\n' "$(hash -6)" "$(hash -apr1)" "$(hash -1)" >pw
cat >vsftpd.conf <<END
background=NO
anonymous_enable=NO
local_enable=YES
guest_enable=YES
guest_username=nobody
virtual_use_local_privs=YES
user_sub_token=\$USER
local_root=$SCRATCH/homes/vsftpd/\$USER
chroot_local_user=YES
allow_writeable_chroot=YES
write_enable=YES
listen=YES
listen_port=2121
xferlog_enable=YES
vsftpd_log_file=$SCRATCH/vsftpd.log
pasv_min_port=50300
pasv_max_port=50310
pasv_address=127.0.0.1
END
expect_status 0 "$FORKFTPD" import vsftpd vsftpd.conf --passwords pw --to from-vsftpd
has "$OUT" 'vsftpd\.conf:16: pasv_min_port=50300'
has "$OUT" 'MD5-crypt'
has "$OUT" '^  forkftpd user add old '
has "$OUT" 'configuration ok'
expect_status 1 "$FORKFTPD" import vsftpd vsftpd.conf --passwords pw --to from-vsftpd
has "$ERR" 'is left alone'
serves "$SCRATCH/from-vsftpd" ann bob

# What protected there and is lost makes the status another.
printf 'tcp_wrappers=YES\n' >>vsftpd.conf
expect_status 3 "$FORKFTPD" import vsftpd vsftpd.conf --passwords pw --to lost
has "$OUT" '^! .*tcp_wrappers=YES'

# A users file that cannot be saved: who logs in is served all the same, by the new verifier too, and the log says that the old hash stays.
cd lost
sed -i 's/^address = .*/address = "127.0.0.1:0"/' forkftpd.toml
launch serve --config forkftpd.toml
printf '[users.damaged]\npassword = "none"\nrights = []\n' >>users.toml
for _ in 1 2; do
    curl_as ann own.txt -o got
    has got '^of ann$'
done
wait_for 5 grep -q 'could not be replaced in the users file' "$LOG"
if has_own_verifier ann; then fail "a damaged file was written"; fi
stop
cd "$SCRATCH"

# pure-ftpd by the flags of a container, with its text of virtual users.
make_homes homes/pure joe
printf 'joe:%s:65534:65534::%s/homes/pure/joe/./::::::::::::\n' "$(hash -5)" "$SCRATCH" >pureftpd.passwd
expect_status 0 "$FORKFTPD" import pure-ftpd --to from-pure -- \
    -l "puredb:$SCRATCH/pureftpd.pdb" -E -j -R -P localhost -p 50320:50329 -c 5 -C 5
has "$OUT" 'MaxClientsNumber \(-c\) 5'
serves "$SCRATCH/from-pure" joe

# ProFTPD with a file of users.
make_homes homes/pro kim
printf 'kim:%s:65534:65534::%s/homes/pro/kim:/bin/false\n' "$(hash -6)" "$SCRATCH" >ftpd.passwd
cat >proftpd.conf <<END
ServerName "Debian"
Port 2121
MaxInstances 30
User nobody
Umask 022 022
AllowOverwrite on
AuthUserFile $SCRATCH/ftpd.passwd
DefaultRoot ~
PassivePorts 50330 50339
<Limit DELE>
  DenyAll
</Limit>
END
expect_status 0 "$FORKFTPD" import proftpd proftpd.conf --to from-pro
has from-pro/users.toml 'rights = \["list", "get", "put", "overwrite", "rename", "mkdir"\]'
FIRST=by_http serves "$SCRATCH/from-pro" kim

# vsftpd for the anonymous alone, who may put files that they cannot get.
make_homes homes/open pub
cat >open.conf <<END
anonymous_enable=YES
anon_root=$SCRATCH/homes/open
ftp_username=nobody
write_enable=YES
anon_upload_enable=YES
download_enable=NO
listen=YES
END
expect_status 0 "$FORKFTPD" import vsftpd open.conf --to from-open
sed -i 's/^address = .*/address = "127.0.0.1:0"/' from-open/forkftpd.toml
launch serve --config from-open/forkftpd.toml
curl -sS --max-time 20 -T vsftpd.conf "ftp://127.0.0.1:$PORT/new.conf"
same vsftpd.conf homes/open/new.conf
if curl -sS --max-time 20 -o got "ftp://127.0.0.1:$PORT/new.conf" 2>"$ERR"; then fail "a file that may not be had was had"; fi
stop
