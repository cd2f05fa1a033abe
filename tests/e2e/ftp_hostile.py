"""FTP as those use it who want something else: run by test_ftp_hostile.sh."""
import os, socket, ssl, threading, time
from ftp_raw import Ftp, as_bytes, client_context, finish, read_all, run_each, wait_until
from ftp_trial import LIBRARY, PASSWORD, PORT, TLS_PORT, USER, on_disk, session

REQUIRED_PORT = int(os.environ["FTP_REQUIRED_PORT"])
BODY = b"0123456789" * 10_000


def listener():
    """A victim of a bounce: what it must never be is connected to."""
    victim = socket.socket()
    victim.bind(("127.0.0.2", 0))
    victim.listen(5)
    victim.settimeout(0.3)
    return victim, victim.getsockname()[1]


def bouncing():
    victim, port = listener()
    with session() as ftp:
        ftp.put("bounce", BODY)
        for line in (f"PORT 127,0,0,2,{port >> 8},{port & 255}", f"EPRT |1|127.0.0.2|{port}|", f"PORT 10,0,0,1,{port >> 8},{port & 255}",
                     f"EPRT |1|0.0.0.0|{port}|", f"EPRT |2|::ffff:127.0.0.2|{port}|", f"EPRT |2|::1|{port}|", "PORT 127,0,0,1,0,22",
                     "PORT 127,0,0,1,3,255", "EPRT |1|127.0.0.1|25|", "EPRT |1|127.0.0.1|0|", "PORT 127,0,0,1,0,0",
                     f"PORT 256,0,0,1,{port >> 8},{port & 255}", f"EPRT |1|127.0.0.1@127.0.0.2|{port}|"):
            ftp.expect(line, 500, 501, 504, 522, 530)
            ftp.expect("RETR bounce", 425, 503)
        ftp.expect("DELE bounce", 250)
        ftp.alive()
    try:
        victim.accept()
    except TimeoutError:
        return
    raise AssertionError("the server connected to somebody else")


def stolen_data_ports():
    with session() as ftp:
        ftp.put("theirs", BODY)
        # Somebody else is there first: they get nothing, and the one who asked gets everything.
        for epsv in (True, False):
            port = ftp.epsv() if epsv else ftp.pasv()[1]
            thief = socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.2", 0))
            thief.settimeout(10)
            data = ftp.connect_data("127.0.0.1", port)
            ftp.expect("RETR theirs", 1)
            assert read_all(data) == BODY
            ftp.expect_reply(226)
            assert ends_with_nothing(thief), "the thief got something"
        # Nor is what they send taken for the upload.
        port = ftp.epsv()
        thief = socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.2", 0))
        thief.sendall(b"poison")
        thief.shutdown(socket.SHUT_WR)
        data = ftp.connect_data("127.0.0.1", port)
        ftp.expect("STOR theirs", 1)
        data.sendall(BODY)
        finish(data)
        ftp.expect_reply(226)
        assert ftp.get("theirs") == BODY
        # The thief alone: the same as if nobody came.
        port = ftp.epsv()
        thief = socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.2", 0))
        ftp.command("RETR theirs")
        codes = [ftp.reply().code]
        if codes[0] == 150:
            codes.append(ftp.reply().code)
        assert codes[-1] == 425, codes
        assert ends_with_nothing(thief)
        ftp.expect("DELE theirs", 250)
        ftp.quit()


def ends_with_nothing(sock):
    sock.settimeout(10)
    try:
        return sock.recv(1000) == b""
    except ConnectionError:
        return True


def ports_are_of_the_range_and_random():
    with session() as ftp:
        ports = [ftp.epsv() for _ in range(40)]
        assert all(50100 <= port <= 50119 for port in ports), ports
        steps = {(b - a) % 20 for a, b in zip(ports, ports[1:])}
        assert len(set(ports)) > 8 and len(steps) > 4, ports


def plaintext_before_tls():
    """What is sent in the clear behind AUTH TLS is never taken for what came under TLS."""
    for after in (b"NOOP\r\n", b"USER mallory\r\nPASS x\r\n", b"FEAT\r\n" * 50):
        with Ftp(PORT) as ftp:
            ftp.send(b"AUTH TLS\r\n" + after)
            reply = ftp.reply()
            if reply.code != 234:
                assert reply.code // 100 in (4, 5), reply
                continue
            assert not ftp.buffer, ftp.buffer
            ftp.context = client_context()
            try:
                ftp.handshake()
            except (ssl.SSLError, ConnectionError, EOFError):
                continue  # hung up on: right, too
            ftp.silent(0.3)
            assert ftp.ask(f"USER {USER}").code == 331
            assert ftp.ask(f"PASS {PASSWORD}").code == 230


def tls_after_login():
    """Who has logged in does not change what the connection is: AUTH then would have to forget the login (RFC 4217, 11.1)."""
    with session() as ftp:
        reply = ftp.expect("AUTH TLS", 234, 503, 534)
        if reply.code == 234:
            ftp.context = client_context()
            ftp.handshake()
            ftp.expect("PWD", 530)
        else:
            ftp.alive()


def tls_that_is_required():
    with Ftp(REQUIRED_PORT) as ftp:
        for line in (f"USER {USER}", "PASS x", "EPSV", "LIST"):
            ftp.expect(line, 421, 503, 521, 522, 530, 534, 550)
    with Ftp(REQUIRED_PORT, tls="explicit", user=USER, password=PASSWORD) as ftp:
        ftp.expect("TYPE I", 200)
        ftp.put("required", BODY)
        # Data in the clear is no way round it.
        reply = ftp.ask("PROT C")
        if reply.code == 200:
            ftp.refused("RETR required", 425, 521, 522, 534)
            ftp.expect("PROT P", 200)
        else:
            assert reply.code in (504, 521, 533, 534, 536), reply
        ftp.expect("CCC", 500, 502, 533, 534)
        assert ftp.get("required") == BODY
        ftp.expect("DELE required", 250)
        ftp.expect("AUTH TLS", 503, 534)
        ftp.alive()


def data_that_does_not_resume():
    """Under TLS the data connection shows by resuming that it is the same client's."""
    for version in ("1.2", "1.3"):
        with session(tls="explicit", version=version) as ftp:
            ftp.put("kept", BODY)
            for command in ("RETR kept", "LIST", "STOR kept"):
                ftp.resume = False
                data = ftp.dial()
                ftp.command(command)
                reply = ftp.reply()
                got = b""
                if reply.code == 150:
                    try:
                        data = ftp.secure(data)
                        if command.startswith("STOR"):
                            data.sendall(b"poison")
                            finish(data)
                        else:
                            got = data.recv(1000)
                    except (OSError, ssl.SSLError):
                        pass
                    reply = ftp.reply()
                assert reply.code in (425, 522) and not got, f"{version} {command}: {reply} {got}"
                data.close()
                ftp.resume = True
            assert ftp.get("kept") == BODY
            ftp.expect("DELE kept", 250)
            ftp.quit()
    # Another client's session does not open the door, either.
    with session(tls="explicit") as one, session(tls="explicit") as other:
        one.put("kept", BODY)
        other.alive()
        data = one.dial()
        one.command("RETR kept")
        reply = one.reply()
        got = b""
        if reply.code == 150:
            try:
                got = other.context.wrap_socket(data, session=other.sock.session).recv(1000)
            except (OSError, ssl.SSLError):
                pass
            reply = one.reply()
        assert reply.code in (425, 522) and not got, f"{reply} {got}"
        one.expect("DELE kept", 250)


def floods():
    def telnet_flood():
        with session() as ftp:
            for _ in range(200):
                ftp.send(b"\xff\xf1" * 8192)
            ftp.send(b"\xff\xfa" + b"x" * 1_000_000 + b"\xff\xf0")
            ftp.alive()

    def long_lines():
        with session() as ftp:
            for line in (b"NOOP " + b"x" * 65536, b"RETR " + b"/" * 65536, b"x" * 65536, b"STOR " + b"\xff\xff" * 30000, b"MKD " + b"a/" * 30000):
                ftp.command(line)
                ftp.expect_reply(500, 501, 550, 553)
                ftp.alive()
            ftp.send(b"A" * 3_000_000)
            ftp.send(b"\r\n")
            ftp.expect_reply(500, 501)
            ftp.alive()

    def zeros():
        with session() as ftp:
            ftp.send(b"\0" * 100_000 + b"\r\n")
            ftp.expect_reply(500, 501)
            ftp.send(b"RETR a\0b\r\n")
            ftp.reply()
            ftp.alive()

    def replies_not_read():
        """Who sends and never reads is ended, or held back; they cost no memory."""
        with session() as ftp:
            ftp.sock.settimeout(3)
            try:
                for _ in range(2000):
                    ftp.send(b"FEAT\r\nHELP\r\n" * 500)
            except (TimeoutError, ConnectionError):
                pass

    for check in (telnet_flood, long_lines, zeros, replies_not_read):
        check()


def offsets():
    with session() as ftp:
        ftp.put("offsets", BODY)
        for number in (len(BODY) + 1, 1 << 31, 1 << 32, 1 << 53, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 1 << 100):
            reply = ftp.ask(f"REST {number}")
            if reply.code == 350:
                for verb in ("RETR", "STOR"):
                    ftp.expect(f"REST {number}", 350)
                    data = ftp.dial()
                    ftp.expect(f"{verb} offsets", 550, 551, 552, 553, 554)
                    data.close()
            else:
                assert reply.code in (501, 554), reply
        for line in ("REST -1", "REST 0x10", "REST 1e3", "REST 99999999999999999999999999999999999999", "ALLO 18446744073709551616",
                     "RANG 5 18446744073709551616"):
            ftp.expect(line, 501, 504, 552, 500)
        ftp.refused("STOR absent", 550, 551, 553, 554, rest=5)
        assert ftp.get("offsets") == BODY
        ftp.expect("DELE offsets", 250)


def half_handshakes():
    """Nobody holds a session by beginning something: the time before login is counted from its start."""
    def silent(port):
        sock = socket.create_connection(("127.0.0.1", port), 10)
        return sock, b""

    def half_hello(port):
        sock = socket.create_connection(("127.0.0.1", port), 10)
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        return sock, b""

    def after_auth(port):
        ftp = Ftp(port)
        ftp.expect("AUTH TLS", 234)
        ftp.send(b"\x16\x03\x01\x02\x00\x01\x00")
        return ftp.sock, b""

    def dripping(port):
        ftp = Ftp(port)
        return ftp.sock, b"N"

    def chatting(port):
        ftp = Ftp(port)
        return ftp.sock, b"NOOP\r\n"

    def between_user_and_password(port):
        ftp = Ftp(port)
        ftp.expect(f"USER {USER}", 331)
        return ftp.sock, b""

    failures = []

    def ends(begin, port):
        start = time.monotonic()
        sock, drip = begin(port)
        sock.settimeout(0.2)
        while time.monotonic() - start < 12:
            try:
                if sock.recv(10_000) == b"":
                    break
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                sock.sendall(drip)
            except OSError:
                break
        took = time.monotonic() - start
        if not 1.5 < took < 8:
            failures.append(f"{begin.__name__} on {port}: ended after {took:.1f} s, not 2 to 8")

    cases = [(silent, PORT), (silent, TLS_PORT), (half_hello, TLS_PORT), (after_auth, PORT), (dripping, PORT), (chatting, PORT),
             (between_user_and_password, PORT)]
    threads = [threading.Thread(target=ends, args=case) for case in cases]
    for thread in threads:
        thread.start()
    with session() as ftp:  # others are served meanwhile
        ftp.alive()
    for thread in threads:
        thread.join()
    assert not failures, failures


def other_protocols():
    for request in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /x HTTP/1.1\r\nContent-Length: 30\r\n\r\nUSER trial\r\nPASS s3cret.Pw\r\n",
                    b"HEAD / HTTP/1.0\r\n\r\n", b"PUT /x HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n"):
        with Ftp(PORT) as ftp:
            ftp.send(request)
            rest = ftp.rest_of_it()
            assert b"230" not in rest and b"331" not in rest, f"{request[:20]}: {rest}"
            assert rest.count(b"\r\n") <= 1, f"{request[:20]}: {rest}"
    with Ftp(PORT) as ftp:  # not FTP at all: ten commands nobody knows
        ftp.send(b"".join(b"NONSENSE%d\r\n" % n for n in range(30)))
        rest = ftp.rest_of_it()
        assert rest.count(b"\r\n") <= 11, rest
    with Ftp(PORT) as ftp:  # nor is a TLS hello in the clear
        ftp.send(b"\x16\x03\x01\x00\x05hello\r\n" * 20)
        ftp.rest_of_it()
    with session() as ftp:  # after login a mistake is a mistake
        for n in range(30):
            ftp.expect(f"NONSENSE{n}", 500, 502)
        ftp.alive()


def patterns():
    """Patterns cost what the names are long, not what the stars could mean."""
    with session("patterns") as ftp:
        ftp.put("a" * 200, b"")
        for n in range(20):
            ftp.put("a" * 200 + str(n), b"")
        bombs = ["*a" * 100 + "b", "*" * 200 + "b", "*a*" * 60 + "?b", "?" * 199 + "b", "{a,b}" * 40, "*/../" * 30 + "*", "*/" * 100]
        for bomb in bombs:
            for verb in ("LIST", "NLST", "STAT"):
                start = time.monotonic()
                if verb == "STAT":
                    ftp.ask(f"STAT {bomb}")
                else:
                    data = ftp.dial()
                    reply = ftp.ask(f"{verb} {bomb}")
                    if reply.code == 150:
                        read_all(data)
                        ftp.expect_reply(226, 250)
                    else:
                        assert reply.code in (450, 501, 550), reply
                        data.close()
                assert time.monotonic() - start < 2, f"{verb} {bomb[:20]} took {time.monotonic() - start} s"
        ftp.alive()


def ways_out():
    outside = [b"../outside", b"../../outside", b"/../outside", b"open/../../outside", b"./../outside", b"..", b"/..", b"//..//outside",
               b"open/link", b"open/folder-link/outside", b"open/root-link/etc/passwd", b"..\\outside", b"%2e%2e/outside", b"..%2foutside",
               b".../outside", b"\xc0\xae\xc0\xae/outside", b"..\xc0\xafoutside", b"../\x00outside", b"~/outside", b"~root", b"/etc/passwd",
               b"file:///etc/passwd", b"open/link/..", b"/proc/self/root/etc/passwd", b".hidden", b".private/file", b"./.hidden",
               b"open/../.hidden", b".forkftp", b".forkftp/stage", b".forkftp/partial", b"/.private", b"open/./../.private/file"]
    for user in (USER, "jailed"):
        with session(user=user) as ftp:
            for path in outside:
                data = ftp.dial()
                reply = ftp.ask(b"RETR " + path)
                assert reply.code // 100 == 5, f"RETR {path!r}: {reply}"
                data.close()
                if path not in (b"..", b"/..", b"open/link/.."):  # the root itself, and a folder of it
                    for verb in (b"SIZE ", b"MDTM ", b"MLST ", b"DELE ", b"RNFR ", b"SITE CHMOD 666 ", b"MFMT 20200101000000 ", b"HASH "):
                        reply = ftp.ask(verb + path)
                        assert reply.code // 100 == 5, f"{verb}{path!r}: {reply}"
                    reply = ftp.ask(b"CWD " + path)
                    assert reply.code // 100 == 5, f"CWD {path!r}: {reply}"
                data = ftp.dial()
                reply = ftp.ask(b"LIST " + path)
                got = b""
                if reply.code == 150:
                    got = read_all(data)
                    ftp.expect_reply(226)
                else:
                    data.close()
                for word in (b"outside", b"hidden", b"passwd", b"root:", b"users.toml", b"stage"):
                    assert word not in got, f"LIST {path!r}: {got}"
            for path in (b"../new", b"../../new", b".new", b".private/new", b".forkftp/new", b"folder-link/new", b"open/folder-link/new",
                         b"root-link/tmp/new", b"open/root-link/tmp/new"):
                data = ftp.dial()
                reply = ftp.ask(b"STOR " + path)
                if reply.code == 150:  # `..` of the root is the root: the name is then one inside
                    finish(data)
                    ftp.expect_reply(226)
                    ftp.expect(b"DELE " + path, 250)
                else:
                    data.close()
                for verb in (b"MKD ", b"RMD "):
                    ftp.ask(verb + path)
            ftp.alive()
    parent = os.path.dirname(LIBRARY)
    assert not os.path.lexists(os.path.join(parent, b"new")) and not os.path.exists("/tmp/new")
    # One's home is the root: nothing above it is to be named.
    with session(user="jailed") as ftp:
        ftp.expect("CWD ../..", 250, 550)
        assert ftp.expect("PWD", 257).lines[0].startswith(b'257 "/"')
        assert b"bounce" not in ftp.retrieve("NLST") and b"open" not in ftp.retrieve("NLST")


def names_that_forge():
    """Neither a reply, nor a listing, nor the log gets a line of a client's making."""
    with session() as ftp:
        for name in (b"x\r200 forged", b"x\n200 forged", b"x\x1b[2J", b"x\r\nforged"):
            for verb in (b"RETR ", b"DELE ", b"CWD ", b"MKD "):
                data = ftp.dial() if verb == b"RETR " else None
                # A bare line feed makes two commands of it: each is refused on its own.
                ftp.send(verb + name.replace(b"\r\n", b"\r\0\n") + b"\r\nSYST\r\n")
                while (reply := ftp.reply()).code != 215:
                    assert reply.code // 100 == 5 or reply.code == 257, reply
                    assert all(b"\x1b" not in line for line in reply.lines), reply
                if data:
                    data.close()
        ftp.alive()
    with Ftp(PORT) as ftp:
        ftp.ask(b"USER x\x1b[31m\x07\rforged")
        ftp.ask(b"PASS y\x1b[31m\rforged")
        ftp.ask(b"SITE \x1b[31m")


def too_many_guesses():
    """Three wrong passwords end the session, and a wrong one is never quick."""
    with Ftp(PORT) as ftp:
        tries = 0
        try:
            while tries < 20:
                ftp.expect(f"USER {USER}", 331)
                ftp.expect(f"PASS wrong{tries}", 530, 421)
                tries += 1
        except (EOFError, ConnectionError):
            pass
        except AssertionError as error:
            assert "421" in str(error), error
        assert 1 <= tries <= 10, f"{tries} guesses in one session"
    # Users who are there and users who are not get the same words.
    words = []
    for name in (USER, "nobody-there"):
        with Ftp(PORT) as ftp:
            words.append([ftp.ask(f"USER {name}").text.replace(name, "NAME"), ftp.ask("PASS wrong").text.replace(name, "NAME")])
    assert words[0] == words[1], words


run_each(bouncing, stolen_data_ports, ports_are_of_the_range_and_random, plaintext_before_tls, tls_after_login, tls_that_is_required,
         data_that_does_not_resume, floods, offsets, half_handshakes, other_protocols, patterns, ways_out, names_that_forge,
         too_many_guesses)
