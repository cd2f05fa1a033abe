#!/usr/bin/env bash
# Python's ftplib does everything it can do with a server, plain and under TLS of both versions with data connections that resume the
# session: transfers in both types, passive and active, listings, folders, renaming, deleting, resuming both ways, times, hard names.
. "$(dirname "$0")/ftp.sh"
serve_ftp 'active = true'
noise 3000000 1 >big

python3 - "$HERE" "${HARD_NAMES[@]}" <<'PYTHON'
import ftplib, io, os, ssl, sys, time
sys.path.insert(0, sys.argv[1])
from ftp_raw import client_context, is_all_read, wait_until
NAMES = sys.argv[2:]
LIBRARY, USER, PASSWORD = (os.environ[name] for name in ("LIBRARY", "FTP_USER", "FTP_PASSWORD"))
PORT, TLS_PORT = int(os.environ["PORT"]), int(os.environ["TLS_PORT"])
BIG = open("big", "rb").read()

class Resuming(ftplib.FTP_TLS):
    """As the Python documentation's readers write it: the data connection resumes the control connection's session."""
    def ntransfercmd(self, command, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, command, rest)
        if self._prot_p:
            data = self.context.wrap_socket(data, session=self.sock.session)
        return data, size

class Implicit(Resuming):
    """TLS from the first byte."""
    def connect(self, host, port, timeout=20):
        self.host, self.port, self.timeout = host, port, timeout
        import socket
        self.sock = self.context.wrap_socket(socket.create_connection((host, port), timeout))
        self.af = self.sock.family
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def login(self, user, password):
        return ftplib.FTP.login(self, user, password)  # AUTH has been made superfluous

def session(way):
    kind, version = way
    if kind == "plain":
        ftp = ftplib.FTP(timeout=20)
    else:
        ftp = {"explicit": Resuming, "implicit": Implicit}[kind](context=client_context(version), timeout=20)
    ftp.connect("127.0.0.1", TLS_PORT if kind == "implicit" else PORT)
    ftp.login(USER, PASSWORD)
    if kind != "plain":
        ftp.prot_p()
    return ftp

def get(ftp, name, rest=None):
    data = io.BytesIO()
    ftp.retrbinary("RETR " + name, data.write, rest=rest)
    return data.getvalue()

def on_disk(name):
    with open(os.path.join(LIBRARY, name), "rb") as file:
        return file.read()

def everything(way):
    with session(way) as ftp:
        folder = "-".join(filter(None, way))
        assert ftp.mkd(folder) == "/" + folder
        ftp.cwd(folder)
        assert ftp.pwd() == "/" + folder
        assert ftp.storbinary("STOR big", io.BytesIO(BIG)).startswith("226")
        assert on_disk(folder + "/big") == BIG and get(ftp, "big") == BIG
        assert get(ftp, "big", rest=1_000_000) == BIG[1_000_000:]
        assert ftp.size("big") == len(BIG)
        # Text: lines end as the network has them on the way, as this system has them at both ends.
        text = b"one\ntwo\n\nthree\n"
        ftp.storlines("STOR text", io.BytesIO(text))
        assert on_disk(folder + "/text") == text, on_disk(folder + "/text")
        lines = []
        ftp.retrlines("RETR text", lines.append)
        assert lines == ["one", "two", "", "three"], lines
        # Times.
        assert ftp.sendcmd("MFMT 20200229123456 text").startswith("213 ")
        assert os.stat(os.path.join(LIBRARY, folder, "text")).st_mtime == 1582979696
        assert ftp.sendcmd("MDTM text") == "213 20200229123456"
        # Listings agree.
        facts = dict(ftp.mlsd(facts=["type", "size", "modify"]))
        facts = {name: fact for name, fact in facts.items() if fact["type"] not in ("cdir", "pdir")}
        assert sorted(facts) == ["big", "text"], facts
        assert facts["big"]["size"] == str(len(BIG)) and facts["text"]["modify"].startswith("20200229123456"), facts
        assert sorted(ftp.nlst()) == ["big", "text"], ftp.nlst()
        rows = []
        ftp.dir(rows.append)
        assert len(rows) == 2 and rows[0].startswith("-rw") and any(" 3000000 " in row for row in rows), rows
        # Folders, names, ends.
        ftp.mkd("sub")
        ftp.rename("text", "sub/moved")
        assert ftp.nlst("sub") in (["moved"], ["sub/moved"]), ftp.nlst("sub")
        for refused in (lambda: ftp.rmd("sub"), lambda: ftp.delete("sub"), lambda: ftp.delete("none"), lambda: ftp.cwd("none")):
            try:
                refused()
            except ftplib.error_perm as error:
                assert str(error).startswith("550"), error
            else:
                raise AssertionError("done, though it cannot be")
        ftp.delete("sub/moved")
        ftp.rmd("sub")
        # Active.
        ftp.set_pasv(False)
        ftp.storbinary("STOR active", io.BytesIO(BIG))
        assert get(ftp, "active") == BIG
        ftp.set_pasv(True)
        ftp.delete("active")
        ftp.delete("big")
        ftp.cwd("..")
        ftp.rmd(folder)
        assert not os.path.exists(os.path.join(LIBRARY, folder))
        ftp.quit()

def resume(way):
    name = "cut-" + way[0]
    ftp = session(way)
    ftp.voidcmd("TYPE I")
    data = ftp.transfercmd("STOR " + name)
    data.sendall(BIG[:1_500_000])
    wait_until(lambda: is_all_read(data))
    ftp.sock.close()  # the control connection goes in mid-transfer
    ftp.file.close()
    data.close()
    with session(way) as ftp:
        ftp.voidcmd("TYPE I")
        sizes = []
        def known():
            try:
                sizes.append(ftp.size(name))
                return True
            except ftplib.error_perm as error:
                assert str(error).startswith("550"), error
                return False
        wait_until(known)
        wait_until(lambda: known() and len(sizes) > 4 and sizes[-1] == sizes[-4])
        assert 0 < sizes[-1] <= 1_500_000, sizes
        assert not os.path.exists(os.path.join(LIBRARY, name)), "half a file is there"
        rest = io.BytesIO(BIG)
        rest.seek(sizes[-1])
        ftp.storbinary("STOR " + name, rest, rest=sizes[-1])
        assert on_disk(name) == BIG
        ftp.storbinary("APPE " + name, io.BytesIO(b"more"))
        assert on_disk(name) == BIG + b"more"
        ftp.delete(name)
        ftp.quit()

ways = [("plain", None), *((kind, version) for kind in ("explicit", "implicit") for version in ("1.2", "1.3"))]
for way in ways:
    everything(way)
for way in (ways[0], ways[2]):
    resume(way)

for way in (ways[0], ways[2]):
    with session(way) as ftp:
        ftp.mkd("hard")
        ftp.cwd("hard")
        for name in NAMES:
            ftp.storbinary("STOR " + name, io.BytesIO(name.encode()))
            assert get(ftp, name) == name.encode(), name
            assert ftp.size(name) == len(name.encode())
        assert sorted(ftp.nlst()) == sorted(NAMES), ftp.nlst()
        assert sorted(name for name, facts in ftp.mlsd() if facts["type"] == "file") == sorted(NAMES)
        assert sorted(os.listdir(os.path.join(LIBRARY, "hard"))) == sorted(NAMES)
        for number, name in enumerate(NAMES):
            ftp.rename(name, f"{name}{number}")
            ftp.delete(f"{name}{number}")
            assert ftp.mkd(name) == "/hard/" + name, name
            ftp.cwd(name)
            assert ftp.pwd() == "/hard/" + name
            ftp.cwd("..")
            ftp.rmd(name)
        ftp.cwd("/")
        ftp.rmd("hard")

# A hundred transfers over one TLS session: the tickets do not run out.
with session(("explicit", "1.3")) as ftp:
    for number in range(100):
        ftp.storbinary("STOR many", io.BytesIO(b"%d" % number))
    assert get(ftp, "many") == b"99"
PYTHON
wait_for 5 no_sessions
partials_are 0 || fail "left: $(find "$LIBRARY/.forkftp")"
