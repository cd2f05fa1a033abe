"""What FTP's commands say and do, listings and transfers apart (ftp_listings.py, ftp_transfers.py): run by test_ftp_protocol.sh."""
import hashlib, os, re, zlib
from ftp_raw import Ftp, client_context, run_each
from ftp_trial import PASSWORD, PORT, TLS_PORT, USER, content, features, on_disk, session

ANONYMOUS_PORT, IPV6_PORT = int(os.environ["FTP_ANONYMOUS_PORT"]), int(os.environ.get("FTP_IPV6_PORT", "0"))
BODY = bytes(range(256)) * 40


def what_feat_says_works():
    with session("feat") as ftp:
        ftp.put("file", BODY)
        md5, sha256, crc = hashlib.md5(BODY).hexdigest(), hashlib.sha256(BODY).hexdigest(), zlib.crc32(BODY)

        def hashes(listed):
            names = [name.rstrip("*") for name in listed.split(";") if name]
            assert "SHA-256*" in listed.split(";"), listed
            for name in names:
                ftp.expect(f"OPTS HASH {name}", 200)
                reply = ftp.expect("HASH file", 213)
                known = {"SHA-256": sha256, "MD5": md5, "CRC32": f"{crc:08x}", "SHA-1": hashlib.sha1(BODY).hexdigest(),
                         "SHA-512": hashlib.sha512(BODY).hexdigest()}
                assert re.search(rf"213 {name} 0-{len(BODY)} [0-9a-f]+ ", reply.text), reply
                assert name not in known or known[name] in reply.text.lower(), reply
            ftp.expect("OPTS HASH SHA-256", 200)

        def facts(listed):
            assert listed.endswith(";"), listed
            names = [fact.rstrip("*") for fact in listed.split(";") if fact]
            ftp.expect("OPTS MLST " + ";".join(names) + ";", 200)
            told = ftp.expect("MLST file", 250).lines[1].decode().split("; ")[0].strip()
            assert sorted(fact.split("=")[0].lower() for fact in told.split(";")) == sorted(n.lower() for n in names), told

        def checksum(verb, digest):
            assert digest in ftp.expect(f"{verb} file", 250, 213).text.lower(), verb

        def tls(word):
            with Ftp(PORT) as other:
                other.expect(f"AUTH {word}", 234)
                other.context = client_context()
                other.handshake()
                other.expect("PBSZ 0", 200)
                other.expect("PROT P", 200)

        trials = {
            "UTF8": lambda rest: ftp.expect("OPTS UTF8 ON", 200),
            "TVFS": lambda rest: ftp.expect("CWD /feat/../feat/.", 250),
            "EPSV": lambda rest: ftp.expect("EPSV", 229),
            "PASV": lambda rest: ftp.expect("PASV", 227),
            "EPRT": lambda rest: ftp.expect("EPRT |1|127.0.0.1|50001|", 200),
            "SIZE": lambda rest: ftp.expect("SIZE file", 213),
            "MDTM": lambda rest: ftp.expect("MDTM file", 213),
            "MFMT": lambda rest: ftp.expect("MFMT 20200101000000 file", 213),
            "REST": lambda rest: (ftp.expect("REST 1", 350), ftp.retrieve("RETR file") == BODY[1:] or 1 / 0),
            "MLST": facts,
            "MLSD": lambda rest: ftp.names(),
            "AUTH": lambda rest: [tls(word) for word in re.split(r"[ ;]", rest) if word],
            "PBSZ": lambda rest: tls("TLS"),
            "PROT": lambda rest: tls("TLS"),
            "HASH": hashes,
            "RANG": lambda rest: (ftp.expect("RANG 0 9", 350), ftp.expect("RANG 1 0", 350)),
            "XMD5": lambda rest: checksum("XMD5", md5),
            "XSHA256": lambda rest: checksum("XSHA256", sha256),
            "XCRC": lambda rest: checksum("XCRC", f"{crc:08x}"),
            "AVBL": lambda rest: ftp.expect("AVBL", 213),
            "CLNT": lambda rest: ftp.expect("CLNT test 1.0", 200),
            "HOST": lambda rest: Ftp(PORT).expect("HOST ftp.example.org", 220),
            "LANG": lambda rest: ftp.expect("LANG " + rest.split(";")[0].rstrip("*"), 200),
            "SITE": lambda rest: [ftp.expect(f"SITE HELP {word}", 214, 200) for word in re.split(r"[ ;]", rest) if word],
        }
        found = features(ftp)
        for feature in found:
            name, _, rest = feature.partition(" ")
            assert name in trials, f"{feature!r} is advertised, and nobody here knows what it is"
            try:
                trials[name](rest)
            except Exception as error:
                raise AssertionError(f"{feature!r} is advertised: {error}") from error
        for wanted in ("UTF8", "TVFS", "EPSV", "EPRT", "SIZE", "MDTM", "MFMT", "REST STREAM", "AUTH TLS", "PBSZ", "PROT", "AVBL", "CLNT"):
            assert wanted in found or any(f.startswith(wanted) for f in found), f"{wanted} is not advertised"
        ftp.quit()


def small_talk():
    with session() as ftp:
        ftp.expect("SYST", 215).lines[0].startswith(b"215 UNIX Type: L8") or 1 / 0
        for line, code in (("NOOP", 200), ("noop", 200), ("NoOp", 200), ("HELP", 214), ("HELP STOR", 214), ("SITE HELP", 214),
                           ("STAT", 211), ("ACCT any", 202), ("REIN", 502), ("CLNT something", 200), ("OPTS UTF8 ON", 200),
                           ("OPTS utf8 on", 200), ("ALLO 1000", 200), ("ALLO 1000 R 10", 200), ("STRU F", 200), ("MODE S", 200),
                           ("LANG", 200), ("SITE IDLE", 200), ("PWD", 257), ("XPWD", 257)):
            reply = ftp.ask(line)
            assert reply.code == code or line in ("SITE IDLE", "LANG") and reply.code in (500, 501, 502, 504), f"{line}: {reply}"
        assert int(ftp.expect("AVBL", 213).lines[0].split()[1]) > 1 << 20
        ftp.quit()


def types():
    with session() as ftp:
        for word in ("A", "A N", "a", "a n", "I", "i", "L 8", "l 8", "L8"):
            ftp.expect(f"TYPE {word}", 200) if word != "L8" else ftp.expect("TYPE L8", 200, 501, 504)
        for word in ("E", "A C", "L 7", "L 36", "X"):
            ftp.expect(f"TYPE {word}", 504, 501)
        for line in ("MODE B", "MODE C", "MODE Z", "STRU R", "STRU P"):
            ftp.expect(line, 504)


def codes():
    with Ftp(PORT) as ftp:
        ftp.expect(f"PASS {PASSWORD}", 503)
        for line in ("PWD", "LIST", "RETR x", "STOR x", "CWD /", "EPSV", "PASV", "SIZE x", "MKD x", "DELE x", "MLSD", "SITE CHMOD 600 x"):
            ftp.expect(line, 530)
        ftp.expect(f"USER {USER}", 331)
        ftp.expect("PASS wrong", 530)
        ftp.expect("PWD", 530)
        ftp.expect("QUIT", 221)
    with session("codes") as ftp:
        ftp.put("file", BODY)
        ftp.expect("MKD full", 257)
        ftp.put("full/file", BODY)
        for line in ("MKD", "CWD", "RETR", "STOR", "APPE", "DELE", "RMD", "RNFR", "SIZE", "TYPE", "REST", "PORT", "EPRT", "MFMT", "SITE CHMOD"):
            ftp.expect(line, 501)
        for line in ("REST x", "REST -1", "REST 1.5", "REST 18446744073709551616", "REST 1 2", "ALLO x", "PORT 1,2,3", "PORT 1,2,3,4,5,999",
                     "EPRT x", "EPRT |1|127.0.0.1|99999|", "RANG 5", "MFMT x file", "SITE CHMOD 99 file", "SITE CHMOD u+x file"):
            ftp.expect(line, 501, 504)
        ftp.expect("EPRT |3|127.0.0.1|5000|", 522)
        ftp.expect("EPSV 3", 522)
        ftp.expect("MFMT 20201301000000 file", 501)
        ftp.expect("MFMT 20200230000000 file", 501)
        for line in ("RNTO other", ):
            ftp.expect(line, 503)
        ftp.expect(f"PASS {PASSWORD}", 503)
        for line in ("CWD none", "CWD file", "DELE none", "DELE full", "RMD none", "RMD full", "RMD file", "SIZE none", "SIZE full", "MDTM none",
                     "RNFR none", "MLST none", "MFMT 20200101000000 none", "SITE CHMOD 600 none", "MKD full", "MKD none/sub", "HASH none",
                     "XCRC none"):
            ftp.expect(line, 550, *((521,) if line == "MKD full" else ()))
        for line in ("RETR none", "RETR full", "LIST none", "NLST none", "MLSD none"):
            ftp.refused(line, 550)
        ftp.refused("MLSD file", 501, 550)
        for line in ("STOR none/file", "STOR full", "STOR .hidden", "APPE none/file"):
            ftp.refused(line, 550, 553)
        for line in ("NONSENSE", "XYZZY x", "SMNT x", "XSEN x", "LPRT 6,16,0"):
            ftp.expect(line, 500, 502)
        for line in ("PROT P", "PBSZ 0"):
            ftp.expect(line, 503)
        ftp.expect("AUTH KERBEROS_V4", 504)
        assert content("codes/file") == BODY
        ftp.quit()
    with session() as ftp:  # without a way for the data there is no transfer
        for line in ("RETR codes/file", "STOR codes/file", "LIST"):
            ftp.expect(line, 425, 503)
        assert content("codes/file") == BODY
        ftp.quit()


def folders_and_names():
    with session("folders") as ftp:
        ftp.expect("MKD a", 257)
        ftp.expect("XMKD a/b", 257)
        ftp.expect("CWD a/b", 250)
        assert ftp.expect("PWD", 257).lines[0].startswith(b'257 "/folders/a/b"')
        ftp.expect("CDUP", 250, 200)
        ftp.expect("XCUP", 250, 200)
        assert ftp.expect("XPWD", 257).lines[0].startswith(b'257 "/folders"')
        ftp.expect("XCWD /folders/a", 250)
        ftp.expect("CWD ..", 250)
        ftp.expect("CWD ./a/../a//b/", 250)
        assert b'"/folders/a/b"' in ftp.expect("PWD", 257).lines[0]
        ftp.expect("CWD /", 250)
        for line in ("CDUP", "CWD ..", "CWD /../.."):  # never above the root
            ftp.expect(line, 250, 200, 550)
            assert ftp.expect("PWD", 257).lines[0].startswith(b'257 "/"')
        ftp.expect("CWD folders", 250)
        ftp.put("from", BODY)
        ftp.expect("RNFR from", 350)
        ftp.expect("RNTO a/to", 250)
        assert content("folders/a/to") == BODY and not os.path.exists(on_disk("folders/from"))
        # RNFR is forgotten by whatever comes between.
        ftp.expect("RNFR a/to", 350)
        ftp.expect("NOOP", 200)
        ftp.expect("RNTO a/other", 503)
        ftp.expect("RNFR a", 350)
        ftp.expect("RNTO moved", 250)
        ftp.expect("RNFR moved", 350)
        ftp.expect("RNTO moved/b/inside", 550, 553)
        ftp.expect("XRMD moved/b", 250)
        ftp.expect("DELE moved/to", 250)
        ftp.expect("RMD moved", 250)
        assert not os.listdir(on_disk("folders"))
        # Double quotes are doubled in 257, and nowhere else.
        assert ftp.expect('MKD say "x"', 257).lines[0].startswith(b'257 "/folders/say ""x"""')
        ftp.expect('CWD say "x"', 250)
        assert ftp.expect("PWD", 257).lines[0].startswith(b'257 "/folders/say ""x"""')
        ftp.expect("CDUP", 250, 200)
        assert os.listdir(on_disk("folders")) == [b'say "x"']
        ftp.expect('RMD say "x"', 250)
        # Blanks belong to the name.
        ftp.put(" two  blanks ", BODY)
        assert os.listdir(on_disk("folders")) == [b" two  blanks "]
        ftp.expect("DELE  two  blanks ", 250)


def telnet():
    with session() as ftp:
        for noise in (b"\xff\xf1", b"\xff\xfb\x01", b"\xff\xfd\x22", b"\xff\xfa\x18\x00x\xff\xf0", b"\xff\xf4\xff\xf2"):
            ftp.send(noise + b"NO" + noise + b"OP" + noise + b"\r\n")
            ftp.expect_reply(200)
        ftp.send(b"NOOP\n")  # a bare line feed ends a line, too
        ftp.expect_reply(200)
        for byte in b"NOOP\r\n":
            ftp.send(bytes([byte]))
        ftp.expect_reply(200)
        ftp.silent(0.2)


def pipelining():
    with session("pipelined") as ftp:
        ftp.send(b"NOOP\r\nPWD\r\nSYST\r\n" * 200)
        for _ in range(200):
            for code in (200, 257, 215):
                ftp.expect_reply(code)
        ftp.send(b"".join(b"MKD %d\r\nRMD %d\r\n" % (n, n) for n in range(50)))
        for _ in range(50):
            ftp.expect_reply(257)
            ftp.expect_reply(250)
        ftp.send(b"NOOP\r\nQUIT\r\nNOOP\r\n")
        ftp.expect_reply(200)
        ftp.expect_reply(221)
        assert not ftp.rest_of_it()


def digests():
    with session("digests") as ftp:
        reply = ftp.put("file", BODY)
        assert hashlib.sha256(BODY).hexdigest() in reply.text and str(len(BODY)) in reply.text, reply
        ftp.put('with "blank"', BODY[:100])
        ftp.expect("OPTS HASH SHA-256", 200)
        reply = ftp.expect("HASH file", 213)
        assert re.match(rf"213 SHA-256 0-{len(BODY)} {hashlib.sha256(BODY).hexdigest()} /?.*file$", reply.text, re.I), reply
        ftp.expect("OPTS HASH MD5", 200)
        ftp.expect("RANG 100 199", 350)
        part = hashlib.md5(BODY[100:200]).hexdigest()
        assert part in ftp.expect("HASH file", 213).text.lower()
        # RANG is for one command.
        assert hashlib.md5(BODY).hexdigest() in ftp.expect("HASH file", 213).text.lower()
        ftp.expect("OPTS HASH NONSENSE", 501, 504)
        assert f"{zlib.crc32(BODY[:100]):08x}" in ftp.expect('XCRC "with ""blank"""', 250).text.lower()
        assert f"{zlib.crc32(BODY[10:20]):08x}" in ftp.expect('XCRC "file" 10 20', 250).text.lower()
        assert hashlib.md5(BODY).hexdigest() in ftp.expect("XMD5 file", 250).text.lower()
        assert hashlib.sha256(BODY).hexdigest() in ftp.expect("XSHA256 file", 250).text.lower()
        assert hashlib.sha256(b"").hexdigest() in ftp.put("empty", b"").text
        # A range of a transfer, where that is said to work.
        if "RANG STREAM" in features(ftp):
            ftp.expect("RANG 100 199", 350)
            assert ftp.get("file") == BODY[100:200]
            assert ftp.get("file") == BODY


def virtual_hosts():
    with Ftp(PORT) as ftp:
        ftp.expect("HOST other.example.org", 504)
        ftp.expect("HOST ftp.example.org", 220)
        ftp.login(USER, PASSWORD)
        ftp.expect("HOST ftp.example.org", 503)
    with Ftp(TLS_PORT, tls="implicit") as ftp:  # where no names are configured
        ftp.expect("HOST ftp.example.org", 500, 502, 504)


def tls():
    with Ftp(PORT, tls="explicit") as ftp:
        ftp.expect("AUTH TLS", 503, 534)
        ftp.login(USER, PASSWORD)
        for line in ("PROT S", "PROT E"):
            ftp.expect(line, 504, 536)
        ftp.expect("PROT X", 504)
        ftp.expect("CCC", 533, 534, 502, 500)
        ftp.alive()
        ftp.expect("TYPE I", 200)
        ftp.put("tls-file", BODY)
        assert ftp.get("tls-file") == BODY
        ftp.expect("PROT C", 200)
        ftp.private = False
        assert ftp.get("tls-file") == BODY
        ftp.expect("PROT P", 200)
        ftp.private = True
        assert ftp.get("tls-file") == BODY and b"tls-file" in ftp.retrieve("NLST")
        ftp.expect("DELE tls-file", 250)
        ftp.quit()
    with Ftp(TLS_PORT, tls="implicit", user=USER, password=PASSWORD) as ftp:
        ftp.expect("TYPE I", 200)
        ftp.expect("PBSZ 0", 200)
        ftp.expect("PROT P", 200)
        ftp.put("tls-file", BODY)
        ftp.expect("DELE tls-file", 250)
        ftp.expect("AUTH TLS", 503, 534)


def anonymous():
    for name in ("anonymous", "ftp"):
        with Ftp(ANONYMOUS_PORT) as ftp:
            ftp.login(name, "somebody@example.org")
            ftp.expect("TYPE I", 200)
            ftp.retrieve("NLST")
            ftp.refused("STOR anonymous-file", 550, 553)
            ftp.expect("MKD anonymous-folder", 550)
            ftp.quit()
    with Ftp(PORT) as ftp:
        reply = ftp.ask("USER anonymous")
        assert reply.code == 530 or ftp.ask("PASS x").code == 530
    with session(port=ANONYMOUS_PORT) as ftp:
        ftp.put("users-file", BODY)
        ftp.expect("DELE users-file", 250)


def ipv6():
    with session("v6", port=IPV6_PORT, host="::1") as ftp:
        ftp.put("file", BODY)
        assert ftp.get("file") == BODY and ftp.get("file", active=True) == BODY
        ftp.expect("EPSV 2", 229)
        ftp.expect("EPSV 1", 522)
        ftp.expect("PASV", 425, 500, 501, 502, 522)
        ftp.quit()


def rights_hold():
    with session("theirs") as ftp:
        ftp.put("file", BODY)
    with session(user="reader") as ftp:
        assert ftp.get("theirs/file") == BODY
        ftp.refused("STOR theirs/new", 550, 553)
        ftp.refused("APPE theirs/file", 550, 553)
        for line in ("DELE theirs/file", "MKD new", "RMD theirs", "MFMT 20200101000000 theirs/file", "SITE CHMOD 600 theirs/file"):
            ftp.expect(line, 550)
        reply = ftp.ask("RNFR theirs/file")
        assert reply.code == 550 or ftp.ask("RNTO theirs/moved").code in (550, 553)
        assert content("theirs/file") == BODY


run_each(what_feat_says_works, small_talk, types, codes, folders_and_names, telnet,
         pipelining, digests, virtual_hosts, tls, anonymous, rights_hold, *([ipv6] if IPV6_PORT else []))
