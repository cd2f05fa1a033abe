"""What FTP's transfers do: run by test_ftp_protocol.sh after ftp_protocol.py."""
import hashlib, os, re, socket, ssl, time
from ftp_raw import Ftp, finish, finish_without_notify, is_all_read, read_all, reset, run_each, wait_until
from ftp_trial import LIBRARY, PASSWORD, PORT, TLS_PORT, USER, content, on_disk, session

BODY = hashlib.sha256(b"body").digest() * 100_000  # 3,200,000 bytes: enough of it is cut off to be kept for resuming
LARGE = on_disk("large")
LARGE_SIZE = 64 << 20


def cut(ftp, name, data, command="STOR", **how):
    """An upload that is cut by a reset after these bytes, when the server has read them all."""
    connection = ftp.begin(f"{command} {name}", **how)
    connection.sendall(data)
    wait_until(lambda: is_all_read(connection))
    reset(connection)
    ftp.expect_reply(426, 451)


def resuming_downloads():
    with session("downloads") as ftp:
        ftp.put("file", BODY)
        for offset in (0, 1, 1000, len(BODY) - 1, len(BODY)):
            assert ftp.get("file", rest=offset) == BODY[offset:], offset
        assert ftp.get("file") == BODY  # REST is for one transfer
        ftp.expect("REST 5", 350)
        ftp.expect("NOOP", 200)
        got = ftp.get("file")
        assert got in (BODY, BODY[5:]), len(got)
        for offset in (len(BODY) + 1, 1 << 40, (1 << 63) - 1):
            ftp.refused("RETR file", 550, 551, 554, rest=offset)
        assert ftp.get("file") == BODY


def resuming_uploads():
    with session("uploads") as ftp:
        cut(ftp, "rest", BODY[:1_500_000])
        assert not os.path.exists(on_disk("uploads/rest"))
        # Its owner is told of it, nobody sees it.
        assert ftp.expect("SIZE rest", 213).text == "213 1500000"
        assert b"size=1500000;" in ftp.expect("MLST rest", 250).lines[1].lower()
        assert not ftp.names() and ftp.retrieve("NLST") == b""
        ftp.refused("RETR rest", 550)
        with Ftp(PORT, user="reader", password=PASSWORD) as other:
            other.expect("SIZE /uploads/rest", 550)
        # REST past its end is refused, REST before its end goes on from there.
        ftp.refused("STOR rest", 550, 551, 553, 554, rest=1_500_001)
        reply = ftp.put("rest", BODY[1_200_000:], rest=1_200_000)
        assert content("uploads/rest") == BODY and hashlib.sha256(BODY).hexdigest() in reply.text, reply
        # Cut twice, then appended to.
        cut(ftp, "appended", BODY[:1_200_000])
        cut(ftp, "appended", BODY[1_200_000:2_400_000], rest=1_200_000)
        assert ftp.expect("SIZE appended", 213).text == "213 2400000"
        reply = ftp.store("APPE appended", BODY[2_400_000:])
        assert reply.code == 226 and content("uploads/appended") == BODY, reply
        # Appending to what is published, and making what is not.
        assert ftp.store("APPE appended", b"more").code == 226 and content("uploads/appended") == BODY + b"more"
        assert ftp.store("APPE new", BODY).code == 226 and content("uploads/new") == BODY
        # Into the middle of what is published: its beginning is kept, and it is seen when it is whole.
        data = ftp.begin("STOR new", rest=1000)
        data.sendall(b"x" * 10)
        assert content("uploads/new") == BODY
        finish(data)
        ftp.expect_reply(226)
        assert content("uploads/new") == BODY[:1000] + b"x" * 10
        ftp.refused("STOR new", 550, 551, 553, 554, rest=5000)
        # STOR from the start forgets what was kept.
        cut(ftp, "again", BODY[:1_500_000])
        ftp.put("again", b"short")
        assert content("uploads/again") == b"short" and ftp.expect("SIZE again", 213).text == "213 5"
        # REST is for the transfer that follows.
        ftp.put("again", b"0123456789")
        ftp.put("again", b"abc", rest=4)
        ftp.put("again", b"whole")
        assert content("uploads/again") == b"whole"
        # A partial that has been cut may be thrown away.
        cut(ftp, "thrown", BODY[:1_500_000])
        ftp.ask("DELE thrown")
        ftp.put("thrown", b"")
        ftp.expect("DELE thrown", 250)
        ftp.quit()


def unique_names():
    with session("unique") as ftp:
        names = []
        for argument in ("", "", " scan.pdf", " scan.pdf"):
            reply = ftp.store("STOU" + argument, BODY)
            assert reply.code in (226, 250), reply
            # RFC 1123, 4.1.2.9: the preliminary reply says FILE: and the name.
            name = re.match(r"1(?:50|25) FILE: (\S+)$", ftp.began.text)
            assert name, ftp.began
            names.append(name[1])
        assert len(set(names)) == 4 and all(content("unique/" + name.split("/")[-1]) == BODY for name in names), names


def announced():
    with session("announced") as ftp:
        ftp.expect(f"ALLO {len(BODY)}", 200)
        ftp.put("exact", BODY)
        # What was announced and did not come is not a file.
        ftp.expect(f"ALLO {len(BODY) + 1}", 200)
        reply = ftp.store("STOR short", BODY)
        assert reply.code in (426, 451) and not os.path.exists(on_disk("announced/short")), reply
        # It is kept for resuming, and what was missing makes it one.
        assert ftp.expect("SIZE short", 213).text == f"213 {len(BODY)}"
        ftp.put("short", b"!", rest=len(BODY))
        assert content("announced/short") == BODY + b"!"
        # ALLO is for one upload.
        ftp.put("next", BODY)
        ftp.expect(f"ALLO {1 << 60}", 200, 452, 552)
        ftp.refused("STOR huge", 452, 552)
        ftp.put("after", BODY)


def text():
    with session("text") as ftp:
        pairs = [(b"one\ntwo\n", b"one\r\ntwo\r\n"), (b"", b""), (b"no end", b"no end"), (b"\n\n", b"\r\n\r\n"), (b"a\rb\n", b"a\rb\r\n"),
                 (b"x" * 70_000 + b"\n" + b"y" * 70_000 + b"\n", b"x" * 70_000 + b"\r\n" + b"y" * 70_000 + b"\r\n"),
                 (b"\n" * 100_000, b"\r\n" * 100_000)]
        for disk, wire in pairs:
            ftp.expect("TYPE A", 200)
            ftp.put("text", wire)
            assert content("text/text") == disk, disk[:50]
            assert ftp.get("text") == wire, wire[:50]
            assert ftp.expect("SIZE text", 213).text == f"213 {len(wire)}"
            ftp.expect("TYPE I", 200)
            assert ftp.get("text") == disk and ftp.expect("SIZE text", 213).text == f"213 {len(disk)}"
        # Line ends that fall between two pieces, and a lone carriage return at the very end.
        ftp.expect("TYPE A", 200)
        data = ftp.begin("STOR pieces")
        for piece in (b"one\r", b"\ntwo\r", b"three\r\n", b"\r", b"\r", b"\n", b"end\r"):
            data.sendall(piece)
            time.sleep(0.01)  # so that they come as pieces: where they come together the test is easier, not wrong
        finish(data)
        ftp.expect_reply(226)
        assert content("text/pieces") == b"one\ntwo\rthree\n\r\nend\r", content("text/pieces")
        # Files of this system that have the network's line ends keep them.
        ftp.expect("TYPE I", 200)
        ftp.put("network", b"a\r\nb\r\n")
        ftp.expect("TYPE A", 200)
        assert ftp.get("network") == b"a\r\nb\r\n"
        ftp.expect("TYPE I", 200)
        ftp.put("long", BODY)
        ftp.expect("TYPE A", 200)
        reply = ftp.ask("SIZE long")
        assert reply.code == 550 or reply.text == f"213 {len(BODY) + BODY.count(10)}", reply


def passive_ways():
    with session("ways") as ftp:
        ftp.put("file", BODY, epsv=False)
        assert ftp.get("file", epsv=False) == BODY and ftp.get("file") == BODY
        # One port for one connection: a second one is not served, and the port is gone after the transfer.
        port = ftp.epsv()
        data = ftp.connect_data("127.0.0.1", port)
        assert len(read_all(ftp.secure(began(ftp, "RETR file", data)))) == len(BODY)
        ftp.expect_reply(226)
        assert not connects(port)
        # A new port makes the one before void.
        first, second = ftp.epsv(), ftp.epsv()
        assert first != second
        wait_until(lambda: not connects(first))
        assert read_all(began(ftp, "RETR file", ftp.connect_data("127.0.0.1", second))) == BODY
        ftp.expect_reply(226)
        # Nobody comes: 425, and the session goes on.
        ftp.epsv()
        started = time.monotonic()
        ftp.command("RETR file")
        reply = ftp.reply()
        if reply.code == 150:
            reply = ftp.reply()
        assert reply.code == 425 and 1 < time.monotonic() - started < 15, reply
        ftp.alive()
        ftp.expect("EPSV ALL", 200)
        for line in ("PASV", "PORT 127,0,0,1,200,1", "EPRT |1|127.0.0.1|51201|"):
            ftp.expect(line, 500, 501, 503, 522)
        assert ftp.get("file") == BODY


def began(ftp, command, data):
    ftp.expect(command, 1)
    return data


def connects(port):
    with socket.socket() as probe:
        probe.settimeout(5)
        try:
            probe.connect(("127.0.0.1", port))
        except ConnectionError:
            return False
        return True


def active_ways():
    with session("active") as ftp:
        ftp.put("file", BODY, active=True)
        assert ftp.get("file", active=True) == BODY
        assert ftp.listen(extended=False).code == 200
        ftp.expect("RETR file", 1)
        data = ftp.listening.accept()[0]
        assert read_all(data) == BODY
        ftp.expect_reply(226)
        ftp.listening.close()
        # Nobody listens there: 425.
        ftp.listen()
        ftp.listening.close()
        ftp.listening = None
        reply = ftp.ask("RETR file")
        if reply.code == 150:
            reply = ftp.reply()
        assert reply.code == 425, reply
        ftp.alive()
    with session(tls="explicit") as ftp:
        assert ftp.get("active/file", active=True) == BODY
    with Ftp(TLS_PORT, tls="implicit", user=USER, password=PASSWORD) as ftp:
        ftp.expect("TYPE I", 200)
        ftp.expect("PROT P", 200)
        assert ftp.get("active/file") == BODY


def large_download(ftp, receive_buffer=None):
    """Begins one that cannot be over before the test says so: more than any buffer takes."""
    data = ftp.begin("RETR /large")
    assert data.recv(1000)
    return data


def aborting():
    urgent = lambda ftp: (ftp.sock.send(b"\xff\xf4\xff", socket.MSG_OOB), ftp.send(b"\xf2ABOR\r\n"))
    plain = lambda ftp: ftp.command("ABOR")
    telnet = lambda ftp: ftp.send(b"\xff\xf4\xff\xf2ABOR\r\n")
    for tls in (None, "explicit"):
        with session(tls=tls) as ftp:
            for abort in (plain, telnet, *([urgent] if not tls else [])):
                data = large_download(ftp)
                abort(ftp)
                ftp.expect_reply(426)
                ftp.expect_reply(226)
                data.close()
                ftp.alive()
                data = ftp.begin("STOR aborted")
                data.sendall(BODY)
                abort(ftp)
                ftp.expect_reply(426)
                ftp.expect_reply(226)
                data.close()
                ftp.alive()
                assert not os.path.exists(on_disk("aborted"))
            # Where nothing is going on.
            ftp.expect("ABOR", 225, 226)
            port = ftp.epsv()
            ftp.expect("ABOR", 225, 226)
            wait_until(lambda: not connects(port))
            # A listing, and before anyone has come.
            ftp.epsv()
            ftp.send(b"RETR /large\r\nABOR\r\n")
            codes = [ftp.reply().code]
            while codes[-1] not in (225, 226):
                codes.append(ftp.reply().code)
            assert codes in ([150, 426, 226], [426, 226], [425, 225], [425, 226], [150, 425, 226], [150, 425, 225]), codes
            ftp.alive()
            ftp.put("aborted", BODY)
            ftp.expect("DELE aborted", 250)


def status_meanwhile():
    with session() as ftp:
        data = large_download(ftp)
        # While the server waits for us to read: STAT is answered meanwhile (RFC 959, 4.1.3), the others may be afterwards.
        ftp.expect("STAT", 211, 213)
        ftp.command("NOOP")
        got = 1000
        while piece := data.recv(1 << 20):
            got += len(piece)
        assert got == LARGE_SIZE, got
        assert {ftp.reply().code, ftp.reply().code} == {200, 226}
        ftp.alive()


def quitting_meanwhile():
    """RFC 959: QUIT waits for the end of the transfer."""
    with session() as ftp:
        data = large_download(ftp)
        ftp.command("QUIT")
        got = 1000
        while piece := data.recv(1 << 20):
            got += len(piece)
        assert got == LARGE_SIZE, got
        ftp.expect_reply(226)
        ftp.expect_reply(221)
        ftp.expect_end()


def two_writers():
    with session("two") as one, session() as other:
        data = one.begin("STOR name")
        data.sendall(BODY[:1000])
        other.refused("STOR /two/name", 450)
        other.refused("APPE /two/name", 450)
        other.put("/two/else", BODY)
        data.sendall(BODY[1000:])
        finish(data)
        one.expect_reply(226)
        assert content("two/name") == BODY
        other.put("/two/name", b"now")
        assert content("two/name") == b"now"


def replacing_while_reading():
    """Who reads has the old file to its end, whatever is put in its place."""
    with session("replaced") as writer, session() as reader:
        writer.put("file", b"o" * (8 << 20))
        data = reader.begin("RETR /replaced/file")
        writer.put("file", b"n")
        assert read_all(data) == b"o" * (8 << 20)
        reader.expect_reply(226)
        assert reader.get("/replaced/file") == b"n"


def ends_of_tls():
    for version in ("1.2", "1.3"):
        with session(tls="explicit", version=version) as ftp:
            ftp.put("ended", BODY)
            data = ftp.begin("STOR ended")
            data.sendall(BODY[:1000])
            finish_without_notify(data)
            ftp.expect_reply(426)
            assert content("ended") == BODY
            # It is answered with the server's own (RFC 5246, 7.2.1): clients in Python take anything else for an error.
            data = ftp.begin("STOR ended")
            data.sendall(BODY)
            data.unwrap().close()
            ftp.expect_reply(226)
            # The server ends its own with close_notify: read_all would fail otherwise.
            assert ftp.get("ended") == BODY and ftp.retrieve("MLSD")
            data = ftp.begin("RETR ended")
            assert data.session_reused
            read_all(data)
            ftp.expect_reply(226)
            ftp.expect("DELE ended", 250)
            ftp.quit()


def ends_without_listening():
    """Clients that never read from an upload's connection: closing it must find nothing there to be read, or the system resets it,
    with the end of the file still on its way. Under TLS 1.3 this client shows itself as OpenSSL's, whose servers have always sent a
    ticket there, so that its programs read: a client that does not, and that nobody takes for one, is rclone."""
    for version in ("1.2",):
        with session(tls="explicit", version=version) as ftp:
            for _ in range(5):
                data = ftp.dial()
                ftp.expect("STOR unread", 150)
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = ftp.context.wrap_bio(incoming, outgoing, session=ftp.sock.session)
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        data.sendall(outgoing.read())
                        incoming.write(data.recv(65536))
                assert tls.session_reused
                tls.write(BODY)
                try:
                    tls.unwrap()
                except ssl.SSLWantReadError:
                    pass  # close_notify is written, and its answer not waited for
                data.sendall(outgoing.read())
                data.close()
                ftp.expect_reply(226)
                assert content("unread") == BODY
            ftp.expect("DELE unread", 250)


def empty_files():
    for tls in (None, "explicit"):
        with session(tls=tls) as ftp:
            ftp.put("empty", b"")
            assert content("empty") == b"" and ftp.get("empty") == b"" and ftp.get("empty", rest=0) == b""
            ftp.expect("DELE empty", 250)


def transfers_one_after_another():
    with session("series") as ftp:
        for number in range(200):
            ftp.put(f"file-{number % 10}", b"%d" % number)
        assert [ftp.get(f"file-{n}") for n in range(10)] == [b"%d" % (190 + n) for n in range(10)]


with open(LARGE, "wb") as large:
    large.truncate(LARGE_SIZE)
run_each(resuming_downloads, resuming_uploads, unique_names, announced, text, passive_ways, active_ways, aborting, status_meanwhile,
         quitting_meanwhile, two_writers, replacing_while_reading, ends_of_tls, ends_without_listening, empty_files, transfers_one_after_another)
