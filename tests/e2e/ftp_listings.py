"""What FTP's listings tell of names, sizes, times and rights: run by test_ftp_protocol.sh."""
import os, re, time
from ftp_raw import run_each
from ftp_trial import content, features, on_disk, session

BODY = bytes(range(256)) * 40


def names_of_any_bytes():
    with session("bytes") as ftp:
        latin = b"caf\xe9"
        ftp.put(latin, BODY)
        assert os.listdir(on_disk("bytes")) == [latin]
        assert ftp.get(latin) == BODY
        assert ftp.retrieve("NLST") == latin + b"\r\n"
        assert list(ftp.names()) == [latin]
        ftp.expect(b"DELE " + latin, 250)
        # 255 is Telnet's escape: doubled on the control connection, alone everywhere else.
        ftp.put(b"y\xff\xffy", BODY)
        assert os.listdir(on_disk("bytes")) == [b"y\xffy"]
        assert ftp.retrieve("NLST") == b"y\xffy\r\n"
        assert b"/bytes/y\xff\xffy" in ftp.expect(b"MLST y\xff\xffy", 250).lines[1]
        assert ftp.expect(b"MKD z\xff\xffz", 257).lines[0].startswith(b'257 "/bytes/z\xff\xffz"')
        # What others have put there cannot forge a line, and a name as long as the system takes fits.
        for name in (b"one\r\n200 forged", b"two\n226 forged", b"three\r550 forged"):
            open(on_disk("bytes", name), "wb").close()
        ftp.put("n" * 255, BODY)
        ftp.refused("STOR " + "n" * 256, 550, 553)
        for line in ("LIST", "NLST", "MLSD", "LIST *", "NLST *"):
            got = ftp.retrieve(line)
            assert got.endswith(b"\r\n") and b"\n" not in got.replace(b"\r\n", b"") and b"\r" not in got.replace(b"\r\n", b""), line
            assert not any(row.startswith((b"200 ", b"226 ", b"550 ")) for row in got.split(b"\r\n")), f"{line}: {got}"
        for reply in (ftp.ask("STAT /bytes"), ftp.ask("MLST /bytes")):
            assert not any(row.startswith((b"200 ", b"226 ", b"550 ")) for row in reply.lines), reply
        for byte in range(1, 32):
            if byte not in (10, 13):
                ftp.refused(b"STOR control" + bytes([byte]) + b"byte", 501, 550, 553)
        ftp.alive()


def sizes_and_times():
    with session("times") as ftp:
        ftp.put("file", b"one\ntwo\n")
        assert ftp.expect("SIZE file", 213).lines == [b"213 8"]
        ftp.expect("TYPE A", 200)
        assert ftp.expect("SIZE file", 213).lines == [b"213 10"]
        ftp.expect("TYPE I", 200)
        stat = lambda: os.stat(on_disk("times/file"))
        assert abs(stat().st_mtime - time.time()) < 60
        stamp = lambda: time.strftime("%Y%m%d%H%M%S", time.gmtime(stat().st_mtime))
        assert ftp.expect("MDTM file", 213).text == "213 " + stamp()
        reply = ftp.expect("MFMT 20200229123456 file", 213)
        assert re.match(r"213 Modify=20200229123456; /?.*file$", reply.text, re.I), reply
        assert stat().st_mtime == 1582979696 and ftp.expect("MDTM file", 213).text == "213 20200229123456"
        ftp.expect("MFMT 20200229123456.5 file", 213)
        assert stat().st_mtime == 1582979696.5
        ftp.expect("MDTM 20210101000000 file", 213, 253, 250)
        assert stat().st_mtime == 1609459200
        ftp.expect("SITE UTIME 202002291234 file", 200, 250, 213)
        assert stat().st_mtime == 1582979640
        ftp.expect("SITE UTIME 20200229123456 file", 200, 250, 213)
        assert stat().st_mtime == 1582979696
        ftp.expect("SITE UTIME file 20210101000000 20210101000000 20210101000000 UTC", 200, 250, 213)
        assert stat().st_mtime == 1609459200
        ftp.put("20200229123456 odd name", b"x")
        ftp.expect("SITE CHMOD 640 file", 200)
        assert stat().st_mode & 0o777 == 0o640
        ftp.expect("SITE CHMOD 0600 file", 200)
        assert stat().st_mode & 0o7777 == 0o600
        # An owner never loses the file, and nobody gains a set-user bit.
        for bits in ("4755", "000"):
            ftp.ask(f"SITE CHMOD {bits} file")
            assert stat().st_mode & 0o7000 == 0 and stat().st_mode & 0o600 == 0o600, oct(stat().st_mode)


def facts():
    with session("facts") as ftp:
        ftp.put("file", BODY)
        ftp.expect("MFMT 20200229123456 file", 213)
        ftp.expect("MKD folder", 257)
        reply = ftp.expect("MLST file", 250)
        assert len(reply.lines) == 3 and reply.lines[0].startswith(b"250-"), reply
        assert re.match(rb" [^ ]*; /facts/file$", reply.lines[1]), reply
        told = dict(fact.split("=", 1) for fact in reply.lines[1].decode().strip().split("; ")[0].lower().split(";"))
        assert (told["type"], told["size"], told["modify"]) == ("file", str(len(BODY)), "20200229123456"), told
        assert set("adfrw") >= set(told["perm"]) >= set("rw"), told
        listed = ftp.retrieve("MLSD").split(b"\r\n")[:-1]
        assert sum(b"type=cdir;" in line.lower() for line in listed) <= 1, listed
        names = ftp.names()
        assert set(names) == {b"file", b"folder"} and names[b"folder"]["type"] == "dir" and "size" not in names[b"folder"] or \
            names[b"folder"].get("size") is not None, names
        assert names[b"file"] == told, (names, told)
        assert set(names[b"folder"]["perm"]) <= set("flcdmpea") and "e" in names[b"folder"]["perm"], names
        ftp.expect("OPTS MLST unique;", 200)
        names = ftp.names()
        assert names[b"file"]["unique"] != names[b"folder"]["unique"]
        assert ftp.expect("OPTS MLST size;TYPE;", 200).text.lower().startswith("200 mlst opts type;size;") or 1 / 0
        assert ftp.expect("MLST file", 250).lines[1].lower() in (b" type=file;size=10240; /facts/file", b" size=10240;type=file; /facts/file")
        assert any(f.startswith("MLST") and "modify;" in f.lower() and "size*;" in f.lower() for f in features(ftp)), features(ftp)
        ftp.expect("OPTS MLST", 200)
        assert ftp.expect("MLST file", 250).lines[1] == b"  /facts/file"  # RFC 3659, 7.2: two blanks where there is no fact
        ftp.expect("OPTS MLST nonsense;", 200)
        assert ftp.expect("MLST file", 250).lines[1] == b"  /facts/file"
    with session(user="reader") as ftp:  # what one may not do is not in perm
        told = ftp.names("/facts")
        assert told[b"file"]["perm"] == "r" and not set(told[b"folder"]["perm"]) & set("cdfmp"), told


def listings():
    with session("listings") as ftp:
        for name in ("one.txt", "two.txt", "three.dat", "-dash"):
            ftp.put(name, BODY)
        ftp.expect("MKD sub", 257)
        ftp.put("sub/deep.txt", BODY)
        ftp.expect("MFMT 20100229123456 one.txt", 501)
        ftp.expect("MFMT 20100228123456 one.txt", 213)
        rows = lambda line: sorted(ftp.retrieve(line).decode().split("\r\n")[:-1])
        last = lambda line: sorted(row.split()[-1] for row in rows(line))
        everything = ["-dash", "one.txt", "sub", "three.dat", "two.txt"]
        for line in ("LIST", "LIST -a", "LIST -l", "LIST -la", "LIST -al", "LIST -L", "LIST .", "LIST -la .", "LIST /listings", "LIST -la /listings/",
                     "LIST  ", "LIST *"):
            names = [name for name in last(line) if name not in (".", "..")]
            if line == "LIST *":
                names = [name.split("/")[-1] for name in names]
            assert names == everything, f"{line}: {names}"
        assert all(re.match(r"[-d][-rwx]{9} +\d+ \S+ +\S+ +\d+ [A-Z][a-z]{2} [ \d]\d (\d\d:\d\d| \d{4}) \S", row) for row in rows("LIST")), rows("LIST")
        assert any(re.search(r" 10240 Feb 28  2010 one.txt$", row) for row in rows("LIST")), rows("LIST")
        assert any(row.startswith("drwx") and row.endswith(" sub") for row in rows("LIST"))
        assert last("LIST *.txt") == ["one.txt", "two.txt"] and last("LIST t*") == ["three.dat", "two.txt"]
        assert last("LIST ???.txt") == ["one.txt", "two.txt"] and last("LIST one.txt")[-1] == "one.txt" and len(rows("LIST one.txt")) == 1
        assert len(rows("LIST -- -dash")) == 1
        deep = ftp.retrieve("LIST -R").decode()
        assert "deep.txt" in deep and re.search(r"^\S*sub:\r$", deep, re.M), deep
        assert rows("NLST") == everything and rows("NLST one.txt") == ["one.txt"] and rows("NLST *.txt") == ["one.txt", "two.txt"]
        assert rows("NLST sub") in (["deep.txt"], ["sub/deep.txt"])
        assert rows("NLST -la") == everything
        ftp.expect("MKD empty", 257)
        for line in ("LIST empty", "NLST empty"):
            assert ftp.retrieve(line) == b""
        # Of a path on the control connection: lines within a reply.
        for line in ("STAT /listings", "STAT one.txt"):
            reply = ftp.expect(line, 211, 212, 213)
            assert len(reply.lines) > 2 and any(row.endswith(b"one.txt") for row in reply.lines), reply
        # Hidden names are nowhere.
        open(on_disk("listings/.hidden"), "wb").close()
        for line in ("LIST -a", "NLST -a", "MLSD", "LIST .h*", "NLST .*"):
            data = ftp.dial()
            reply = ftp.ask(line)
            got = b""
            if reply.code in (125, 150):
                while piece := data.recv(65536):
                    got += piece
                ftp.expect_reply(226, 250)
            else:
                assert reply.code in (550, 501), reply
            data.close()
            assert b"hidden" not in got and b".forkftp" not in got, got
        # The same in text type: a listing is text in either.
        ftp.expect("TYPE A", 200)
        assert rows("NLST") == sorted([*everything, "empty"])
        ftp.quit()
    with session("many") as ftp:
        for number in range(3000):
            open(on_disk("many", f"file-{number:04}"), "wb").close()
        wanted = [f"file-{number:04}" for number in range(3000)]
        assert sorted(ftp.retrieve("NLST").decode().split()) == wanted
        assert sorted(ftp.names()) == [name.encode() for name in wanted]
        assert len(ftp.retrieve("LIST").split(b"\r\n")) == 3001


run_each(names_of_any_bytes, sizes_and_times, facts, listings)
