"""What test_ftp_policies.sh asks of its server."""
import os

from ftp_raw import Ftp, finish, run_each, wait_until
from ftp_trial import LIBRARY, PASSWORD, PORT, on_disk

STRICT = int(os.environ["STRICT"])
NEW = b"n" * 300_000


def hang_up_at_the_end(user, name):
    """All bytes, their end, and then the client is gone without a word."""
    ftp = Ftp(PORT, user=user, password=PASSWORD)
    ftp.expect("TYPE I", 200)
    data = ftp.begin("STOR " + name)
    data.sendall(NEW)
    # Both at once, as those of a process that dies.
    ftp.sock.close()
    finish(data)


def a_hang_up_publishes_for_those_for_whom_it_is_to():
    hang_up_at_the_end("camera", "picture")
    wait_until(lambda: os.path.exists(on_disk("picture")))
    with open(on_disk("picture"), "rb") as file:
        assert file.read() == NEW
    hang_up_at_the_end("trial", "report")
    # What is kept of it is a sign that it is over; so small a one is not, and a session after it finds nothing.
    with Ftp(PORT, user="trial", password=PASSWORD) as ftp:
        wait_until(lambda: ftp.ask("SIZE report").code == 550)
        assert not os.path.exists(on_disk("report"))


def a_drop_box_takes_what_comes_and_tells_nothing():
    with Ftp(PORT, user="anonymous", password="somebody@example.org") as ftp:
        ftp.expect("TYPE I", 200)
        assert ftp.put("form.pdf", b"first").text.find("FILE:") < 0
        assert "FILE: form-1.pdf" in ftp.put("form.pdf", b"second").text
        for refused in ("MLSD", "LIST", "NLST"):
            ftp.refused(refused, 550)
        ftp.refused("RETR form.pdf", 550)
        for refused in ("SIZE form.pdf", "MDTM form.pdf", "DELE form.pdf", "RNFR form.pdf", "MKD folder", "MLST form.pdf"):
            ftp.expect(refused, 550)
        reply = ftp.store("STOR large", b"x" * 1001)
        assert reply.code == 552, reply
        # Announced, it is refused before it comes.
        ftp.expect("ALLO 1001", 200)
        ftp.refused("STOR large", 552)
        ftp.put("third", b"3")
        ftp.refused("STOR fourth", 552)
    there = {name: open(on_disk("in", name), "rb").read() for name in os.listdir(on_disk("in"))}
    assert there == {b"form.pdf": b"first", b"form-1.pdf": b"second", b"third": b"3"}, there


def who_has_to_log_in_under_tls_does():
    for how in ({}, {"tls": "explicit"}):
        with Ftp(PORT, **how) as ftp:
            ftp.expect("USER careful", 331)
            reply = ftp.ask("PASS " + PASSWORD)
            assert reply.code == (230 if how else 530), (how, reply)
    with Ftp(STRICT) as ftp:
        ftp.expect("USER trial", 530)
        ftp.expect("PASS " + PASSWORD, 503)
    Ftp(STRICT, user="trial", password=PASSWORD, tls="explicit").quit()
    # From one network the same port takes logins in the clear, but not that user's.
    Ftp(STRICT, user="trial", password=PASSWORD, source="127.0.0.2").quit()
    with Ftp(STRICT, source="127.0.0.2") as ftp:
        ftp.expect("USER careful", 331)
        ftp.expect("PASS " + PASSWORD, 530)


def clients_are_told_the_address_of_their_network():
    for source, told in (("127.0.0.1", "198,51,100,7"), ("127.0.0.2", "203,0,113,5")):
        with Ftp(PORT, user="trial", password=PASSWORD, source=source) as ftp:
            reply = ftp.expect("PASV", 227)
            assert f"({told}," in reply.text, reply


def a_large_folder_is_listed_in_little_memory():
    with Ftp(PORT, user="trial", password=PASSWORD) as ftp:
        ftp.expect("CWD /many", 250)
        peer = ftp.sock.getsockname()[1]
        for command in ("LIST", "NLST", "MLSD", "NLST *9.bin"):
            listed = ftp.retrieve(command)
            count = listed.count(b".bin\r\n")
            assert count == (10_000 if "*" in command else 100_000), (command, count)
        children = os.popen(f"ps -o pid= --ppid {os.environ['SERVER']}").read().split()
        peaks = []
        for child in children:
            with open(f"/proc/{child}/status") as status:
                fields = dict(line.split(":", 1) for line in status)
            if fields["Name"].strip() == "forkftpd:child":
                peaks.append(int(fields["VmHWM"].split()[0]))
        # Some 12 MB were listed each time; a debug build's own code is the most of what is there.
        assert peaks and max(peaks) < 40_000, (peer, peaks)


run_each(
    a_hang_up_publishes_for_those_for_whom_it_is_to,
    a_drop_box_takes_what_comes_and_tells_nothing,
    who_has_to_log_in_under_tls_does,
    clients_are_told_the_address_of_their_network,
    a_large_folder_is_listed_in_little_memory,
)
