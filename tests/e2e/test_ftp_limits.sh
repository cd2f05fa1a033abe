#!/usr/bin/env bash
# What holds for sessions of the drive holds for those of FTP: sizes, deadlines within a transfer, who and kick, a reload and a shutdown in
# mid-transfer, and a process of ours that is killed; and a passive range that is used up is said, and comes back.
. "$(dirname "$0")/ftp.sh"

truncate -s 256M "$LIBRARY/large"
add_user "$FTP_USER" --rights all
add_user small --rights all --largest-file '1 MiB'
serve_ftp '' $'control = "control"\nstall_seconds = 2\ndurability = "none"' $'passive_ports = "50200-50203"\ndata_seconds = 2'
export SERVER FORKFTPD

cat >limits.py <<'PYTHON'
import json, os, signal, socket, subprocess, sys
from ftp_raw import *
from ftp_trial import *

SERVER = int(os.environ["SERVER"])
OLD, NEW = b"o" * 500_000, b"n" * 500_000

def administer(*words):
    return subprocess.run([os.environ["FORKFTPD"], words[0], "--control", "control", *words[1:]], capture_output=True, text=True,
                          check=True).stdout

def sessions():
    return json.loads(administer("who", "--json"))["sessions"]

def quiet():
    wait_until(lambda: not sessions())

def sizes():
    with session(user="small") as ftp:
        reply = ftp.store("STOR too-large", b"x" * (2 << 20))
        assert reply.code == 552, reply
        ftp.expect(f"ALLO {2 << 20}", 200, 552)
        ftp.refused("STOR too-large", 552)
        assert not os.path.exists(on_disk("too-large"))
        ftp.put("fits", b"x" * (1 << 20))
        ftp.quit()

def stalls():
    reader, writer = session(), session()
    stuck = reader.begin("RETR large")
    dry = writer.begin("STOR dry")
    dry.sendall(b"a beginning")
    for ftp in (reader, writer):  # the transfer is given up, and the session goes on
        ftp.expect_reply(426)
        ftp.alive()
    stuck.close()
    assert not os.path.exists(on_disk("dry"))

def who_and_kick():
    quiet()
    with session() as ftp, session(user="small") as other:
        data = ftp.begin("STOR kicked")
        data.sendall(NEW)
        wait_until(lambda: is_all_read(data))
        found = {entry["user"]: entry for entry in sessions()}
        assert set(found) == {USER, "small"}, found
        wait_until(lambda: {e["user"]: e for e in sessions()}[USER]["received"] >= len(NEW))
        administer("kick", "--user", USER)
        ftp.expect_end(421, 426)
        other.alive()
    assert not os.path.exists(on_disk("kicked"))

def used_up_range():
    quiet()
    held = [session() for _ in range(6)]
    codes = [ftp.ask("EPSV").code for ftp in held]
    assert 229 in codes and set(codes) <= {229, 425, 421} and codes.count(229) <= 4 and len(set(codes)) > 1, codes
    for ftp in held:
        ftp.alive()
        ftp.close()
    def comes_back():
        with session() as ftp:
            return ftp.ask("EPSV").code == 229
    wait_until(comes_back)

def one_of_ours_killed():
    with session() as ftp:
        ftp.put("target", OLD)
    quiet()
    with session() as ftp:
        data = ftp.begin("STOR target")
        data.sendall(NEW[:300_000])
        wait_until(lambda: is_all_read(data))
        os.kill(sessions()[0]["pid"], signal.SIGKILL)
        assert ftp.rest_of_it() == b""
    with session() as ftp:
        assert content("target") == OLD and ftp.get("target") == OLD

def reload_in_a_transfer():
    with session() as ftp:
        data = ftp.begin("STOR target")
        data.sendall(NEW[:300_000])
        os.kill(SERVER, signal.SIGHUP)
        wait_until(lambda: "configuration reloaded" in open(sys.argv[1]).read())
        assert content("target") == OLD
        data.sendall(NEW[300_000:])
        finish(data)
        ftp.expect_reply(226)
        assert content("target") == NEW

def shutdown_in_a_transfer():
    quiet()
    idle, busy = session(), session()
    data = busy.begin("STOR target")
    data.sendall(OLD[:300_000])
    wait_until(lambda: is_all_read(data))
    os.kill(SERVER, signal.SIGTERM)
    idle.expect_end(421)
    assert content("target") == NEW
    data.sendall(OLD[300_000:])
    finish(data)
    busy.expect_reply(226)
    assert content("target") == OLD

run_each(sizes, stalls, who_and_kick, used_up_range, one_of_ours_killed, reload_in_a_transfer, shutdown_in_a_transfer)
PYTHON
python3 limits.py "$LOG"
status=0
wait "$SERVER" || status=$?
[ "$status" -eq 0 ] || fail "the server ended with $status after SIGTERM"
stage_empty || fail "the stage is not empty: $(ls -A "$LIBRARY/.forkftp/stage")"
