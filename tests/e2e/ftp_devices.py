"""Exchanges of devices, replayed: run by test_ftp_devices.sh. Each is what the device is known to send, in its order and spelling."""
import os, socket, time
from ftp_raw import Ftp, finish, read_all, run_each
from ftp_trial import PASSWORD, PORT, USER, content, on_disk

SNAPSHOT = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300 + b"\xff\xd9"


def replay(ftp, exchange):
    """Lines and the codes a device goes on after; `data` means: connect to where the last reply said."""
    for line, *codes in exchange:
        ftp.expect(line, *codes)


def upload(ftp, line, way="PASV", body=SNAPSHOT):
    data = ftp.dial(epsv=way == "EPSV")
    ftp.expect(line, 125, 150)
    data.sendall(body)
    finish(data)
    return ftp.expect_reply(226, 250)


def dahua_camera():
    """Goes round for ever where ALLO is not answered 200."""
    with Ftp(PORT) as ftp:
        replay(ftp, [(f"USER {USER}", 331), (f"PASS {PASSWORD}", 230), ("TYPE I", 200), ("PWD", 257), ("CWD /", 250), ("MKD dahua", 257),
                     ("CWD dahua", 250), ("MKD 2026-11-21", 257), ("CWD 2026-11-21", 250), (f"ALLO {len(SNAPSHOT)}", 200)])
        upload(ftp, "STOR 07.40.00[M][0@0][0].jpg")
        assert content("dahua/2026-11-21/07.40.00[M][0@0][0].jpg") == SNAPSHOT
        # It makes sure of its folders each time, and takes "is there" for an answer.
        replay(ftp, [("CWD /", 250), ("MKD dahua", 521, 550), ("CWD dahua/2026-11-21", 250), (f"ALLO {len(SNAPSHOT)}", 200)])
        upload(ftp, "STOR 07.40.01[M][0@0][1].jpg_")
        replay(ftp, [("RNFR 07.40.01[M][0@0][1].jpg_", 350), ("RNTO 07.40.01[M][0@0][1].jpg", 250), ("QUIT", 221)])
        assert sorted(os.listdir(on_disk("dahua/2026-11-21"))) == [b"07.40.00[M][0@0][0].jpg", b"07.40.01[M][0@0][1].jpg"]


def lexmark_scanner():
    """Asks for types as RFC 959 writes them, and for ways to the data that went out of use."""
    with Ftp(PORT) as ftp:
        replay(ftp, [(f"USER {USER}", 331), (f"PASS {PASSWORD}", 230), ("SYST", 215), ("TYPE A N", 200), ("TYPE L 8", 200), ("TYPE I", 200),
                     ("MODE S", 200), ("STRU F", 200), ("LPRT 6,16,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,200,1", 500, 502), ("LPSV", 500, 502)])
        # Then by PORT, which it has always had.
        assert ftp.listen(extended=False).code == 200
        ftp.expect("STOR image2026-11-21-074000.pdf", 125, 150)
        data = ftp.listening.accept()[0]
        data.sendall(SNAPSHOT)
        data.close()
        ftp.expect_reply(226, 250)
        assert content("image2026-11-21-074000.pdf") == SNAPSHOT
        ftp.expect("QUIT", 221)


def office_printer():
    """Says everything in lower case, sets what is the default anyway, and looks whether the name is taken by NLST of it."""
    with Ftp(PORT) as ftp:
        replay(ftp, [(f"user {USER}", 331), (f"pass {PASSWORD}", 230), ("type a n", 200), ("stru f", 200), ("mode s", 200), ("type i", 200),
                     ("opts utf8 on", 200), ("OPTS UTF-8 NLST", 200, 501, 504), ("SITE UMASK 022", 200, 500, 501, 502, 504), ("MKD scans", 257),
                     ("cwd scans", 250)])
        ftp.refused("NLST doc0001.pdf", 450, 550)
        upload(ftp, "STOR doc0001.pdf", "EPSV")
        assert ftp.retrieve("NLST doc0001.pdf") == b"doc0001.pdf\r\n"
        assert ftp.retrieve("LIST doc0001.pdf").endswith(b" doc0001.pdf\r\n")
        replay(ftp, [("SIZE doc0001.pdf", 213), ("STAT", 211), ("noop", 200), ("quit", 221)])


def camera_that_gives_up_epsv():
    """Asks for EPSV, cannot do with the answer, and asks for PASV instead; what was opened for nothing is closed."""
    with Ftp(PORT) as ftp:
        ftp.login(USER, PASSWORD)
        ftp.expect("TYPE I", 200)
        port = ftp.epsv()
        upload(ftp, "STOR yi.mp4")
        assert content("yi.mp4") == SNAPSHOT
        with socket.socket() as probe:
            probe.settimeout(5)
            assert probe.connect_ex(("127.0.0.1", port)) != 0, "the port of the EPSV is still open"
        # Or it says STOR after an EPSV to which it never connects: 425 in good time, and PASV after all.
        ftp.epsv()
        started = time.monotonic()
        ftp.command("STOR yi-2.mp4")
        reply = ftp.reply()
        if reply.code == 150:
            reply = ftp.reply()
        assert reply.code == 425 and time.monotonic() - started < 10, reply
        upload(ftp, "STOR yi-2.mp4")
        assert content("yi-2.mp4") == SNAPSHOT


def chatty_recorder():
    """Tries what it has heard of, in and out of order; whatever is not known is answered, and the session goes on."""
    with Ftp(PORT) as ftp:
        for line in ("AUTH GSSAPI", "HOST nvr", "CSID Name=nvr;", "CLNT recorder"):
            ftp.expect(line, 200, 500, 501, 502, 503, 504, 530)
        ftp.login(USER, PASSWORD)
        for line in ("ACCT nvr", "XCUP", "XPWD", "SITE HELP", "SITE ZONE", "MACB E", "XSYS", "PORT", "LPRT 4,4", "MLSR", "THMB x", "COMB x", "RANG",
                     "ADAT x", "MIC x", "CONF x", "ENC x", "SPSV", "X" * 300, "STOR", "@"):
            reply = ftp.ask(line)
            assert reply.code // 100 in (2, 5), f"{line}: {reply}"
        ftp.expect("TYPE I", 200)
        upload(ftp, "STOR recorded.avi")
        upload(ftp, "APPE recorded.avi")
        assert content("recorded.avi") == SNAPSHOT * 2


def camera_without_listing():
    """May only put: it finds its way into folders, and out, without seeing anything."""
    with Ftp(PORT) as ftp:
        ftp.login("camera", PASSWORD)
        replay(ftp, [("TYPE I", 200), ("PWD", 257), ("MKD cam1", 257), ("CWD cam1", 250)])
        upload(ftp, "STOR snap.jpg", "EPSV")
        assert content("drop/cam1/snap.jpg") == SNAPSHOT
        ftp.refused("STOR snap.jpg", 550, 553)  # nothing is replaced without the right to
        ftp.refused("RETR snap.jpg", 550)
        ftp.refused("LIST", 550)
        replay(ftp, [("CWD ..", 250), ("PWD", 257), ("DELE cam1/snap.jpg", 550), ("QUIT", 221)])


def one_login_a_picture():
    """Logs in for every picture: the fiftieth login is as good as the first, and none costs what a guess costs."""
    started = time.monotonic()
    for number in range(50):
        with Ftp(PORT) as ftp:
            ftp.login(USER, PASSWORD)
            ftp.expect("TYPE I", 200)
            upload(ftp, f"STOR frame-{number}.jpg", body=SNAPSHOT[:1000])
            ftp.expect("QUIT", 221)
    assert time.monotonic() - started < 20, f"{time.monotonic() - started} s"


def device_that_says_goodbye_early():
    """Sends QUIT behind the data without waiting for 226; the file is stored, and both are answered."""
    with Ftp(PORT) as ftp:
        ftp.login(USER, PASSWORD)
        ftp.expect("TYPE I", 200)
        data = ftp.dial()
        ftp.expect("STOR goodbye.jpg", 150)
        data.sendall(SNAPSHOT)
        finish(data)
        ftp.command("QUIT")
        ftp.expect_reply(226)
        ftp.expect_reply(221)
        assert content("goodbye.jpg") == SNAPSHOT


def everything_at_once():
    """Sends its whole dialogue in one piece, data apart."""
    with Ftp(PORT) as ftp:
        ftp.send(f"USER {USER}\r\nPASS {PASSWORD}\r\nTYPE I\r\nMODE S\r\nSTRU F\r\nMKD batch\r\nCWD batch\r\nPASV\r\n")
        for code in (331, 230, 200, 200, 200, 257, 250):
            ftp.expect_reply(code)
        reply = ftp.expect_reply(227)
        numbers = reply.text[reply.text.index("(") + 1:reply.text.index(")")].split(",")
        data = ftp.connect_data("127.0.0.1", int(numbers[4]) * 256 + int(numbers[5]))
        ftp.send(b"STOR one.jpg\r\nSIZE one.jpg\r\n")
        data.sendall(SNAPSHOT)
        finish(data)
        codes = [ftp.reply().code for _ in range(3)]
        assert codes[0] == 150 and sorted(codes[1:]) in ([213, 226], [226, 550]), codes
        assert content("batch/one.jpg") == SNAPSHOT


run_each(dahua_camera, lexmark_scanner, office_printer, camera_that_gives_up_epsv, chatty_recorder, camera_without_listing,
         one_login_a_picture, device_that_says_goodbye_early, everything_at_once)
