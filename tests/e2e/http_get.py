#!/usr/bin/env python3
"""What goes out over HTTP, looked at byte by byte. Run by test_http_get.sh, which says where everything is."""
import base64
import email.message
import email.utils
import hashlib
import http.client
import io
import os
import random
import socket
import subprocess
import sys
import time
import urllib.parse
import zipfile

PORT, LOGIN_PORT, LIBRARY, PASSWORD = int(sys.argv[1]), int(sys.argv[2]), os.fsencode(sys.argv[3]), sys.argv[4]
SIZE = 300_001


def at(name):
    return os.path.join(LIBRARY, os.fsencode(name))


def read(name):
    with open(at(name), "rb") as file:
        return file.read()


def write(name, content=b""):
    os.makedirs(os.path.dirname(at(name)), exist_ok=True)
    with open(at(name), "wb") as file:
        file.write(content)


class Client:
    """A connection that is kept."""

    def __init__(self, port=PORT, user=None):
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.user = user

    def ask(self, method, target, **fields):
        sent = {name.replace("_", "-"): value for name, value in fields.items()}
        if self.user:
            word = base64.b64encode(f"{self.user}:{PASSWORD}".encode()).decode()
            sent["Authorization"] = f"Basic {word}"
        self.http.request(method, target, headers=sent)
        answer = self.http.getresponse()
        # Fields that are not there are None.
        fields = answer.headers
        fields.status = answer.status
        return fields, answer.read()


def expect(found, wanted, what):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"


def status(client, wanted, method, target, **fields):
    answer, content = client.ask(method, target, **fields)
    expect(answer.status, wanted, f"{method} {target} {fields}")
    return answer, content


def the_statuses(client):
    answer, content = status(client, 200, "GET", "/file")
    expect(content, read("file"), "the file")
    expect(answer["Content-Length"], str(SIZE), "its length")
    expect(answer["Accept-Ranges"], "bytes", "Accept-Ranges")
    expect(answer["X-Content-Type-Options"], "nosniff", "nosniff")
    changed = int(os.stat(at("file")).st_mtime)
    expect(email.utils.parsedate_to_datetime(answer["Last-Modified"]).timestamp(), changed, "Last-Modified")
    head, content = status(client, 200, "HEAD", "/file")
    expect(content, b"", "content of HEAD")
    for field in ("Content-Length", "ETag", "Content-Type", "Last-Modified", "Content-Disposition"):
        expect(head[field], answer[field], f"{field} of HEAD")
    answer, _ = status(client, 308, "GET", "/folder?a=%2F&b")
    expect(answer["Location"], "/folder/?a=%2F&b", "where the folder is")
    for name, escaped in (("a b", "/a%20b/"), ("\\evil.example", "/%5Cevil.example/"), ("%2e", "/%252e/")):
        os.makedirs(at(name), exist_ok=True)
        answer, _ = status(client, 308, "GET", "/" + urllib.parse.quote(name))
        expect(answer["Location"], escaped, "where a folder is")
    status(client, 404, "GET", "/file/")
    status(client, 404, "GET", "/file/x")
    status(client, 404, "GET", "/none")
    status(client, 404, "GET", "/.hidden")
    status(client, 404, "GET", "/link")
    status(client, 404, "GET", "/.forkftp/stage")
    status(client, 404, "GET", "/file/?zip")
    status(client, 404, "GET", "/none/?zip")
    for target in ("/folder/../file", "/%2e%2e/file", "//evil.example", "//evil.example/..", "/folder//x"):
        status(client, 400, "GET", target)
    status(client, 403, "PUT", "/new", Content_Length="0")
    status(client, 200, "GET", "/empty")
    _, content = status(client, 200, "GET", "/file?download")
    expect(len(content), SIZE, "what is saved")


def the_parts(client):
    whole = read("file")
    tag = client.ask("HEAD", "/file")[0]["ETag"]
    dice = random.Random(4)
    cases = [(0, 0), (0, SIZE - 1), (SIZE - 1, SIZE - 1), (SIZE - 1, SIZE + 9), (65535, 65536), (0, 65535), (0, 65536)]
    cases += [sorted((dice.randrange(SIZE), dice.randrange(SIZE))) for _ in range(60)]
    for first, last in cases:
        answer, content = status(client, 206, "GET", "/file", Range=f"bytes={first}-{last}")
        last = min(last, SIZE - 1)
        expect(content, whole[first : last + 1], f"{first}-{last}")
        expect(answer["Content-Range"], f"bytes {first}-{last}/{SIZE}", "Content-Range")
        expect(answer["ETag"], tag, "ETag of a part")
    for value, wanted in (("-1", whole[-1:]), ("-999999999999999999999999", whole), ("299990-", whole[299990:])):
        _, content = status(client, 206, "GET", "/file", Range=f"bytes={value}")
        expect(content, wanted, value)
    for value in (f"{SIZE}-", "-0", "99999999999999999999999999-"):
        answer, content = status(client, 416, "GET", "/file", Range=f"bytes={value}")
        expect(answer["Content-Range"], f"bytes */{SIZE}", value)
    bomb = ",".join(f"{i}-" for i in range(2000))
    for value in ("bytes=0-0,5-9", "bytes=9-0", "bytes=x", "lines=0-1", f"bytes={bomb}"):
        answer, content = status(client, 200, "GET", "/file", Range=value)
        expect((content, answer["Content-Range"]), (whole, None), value[:20])
    # Of HEAD there are no parts (RFC 9110, section 14.2), and of nothing either.
    answer, _ = status(client, 200, "HEAD", "/file", Range="bytes=0-1")
    expect(answer["Content-Length"], str(SIZE), "HEAD with a range")
    status(client, 416, "GET", "/empty", Range="bytes=0-")
    status(client, 200, "GET", "/empty", Range="bytes=-5")
    # More than 2 GiB in, near the end; the disk has none of it.
    size = (1 << 31) + 4096
    with open(at("sparse"), "wb") as file:
        file.truncate(size - 3)
        file.seek(0, 2)
        file.write(b"end")
    answer, content = status(client, 206, "GET", "/sparse", Range=f"bytes={size - 5}-")
    expect((content, answer["Content-Range"]), (b"\0\0end", f"bytes {size - 5}-{size - 1}/{size}"), "the end of 2 GiB")
    expect(client.ask("HEAD", "/sparse")[0]["Content-Length"], str(size), "2 GiB")
    os.unlink(at("sparse"))


def the_conditions(client):
    head = client.ask("HEAD", "/file")[0]
    tag, date = head["ETag"], head["Last-Modified"]
    before, after = "Fri, 28 Feb 2020 00:00:00 GMT", "Sun, 01 Mar 2020 00:00:00 GMT"
    for wanted, fields in (
        (304, {"If_None_Match": tag}),
        (304, {"If_None_Match": f'"x", W/{tag}'}),
        (304, {"If_None_Match": "*"}),
        (304, {"If_Modified_Since": date}),
        (304, {"If_Modified_Since": after, "Range": "bytes=0-1"}),
        (200, {"If_Modified_Since": before}),
        (200, {"If_None_Match": '"x"', "If_Modified_Since": after}),
        (200, {"If_Match": tag}),
        (200, {"If_Match": "*"}),
        (412, {"If_Match": '"x"'}),
        (412, {"If_Match": f"W/{tag}"}),
        (412, {"If_Unmodified_Since": before}),
        (200, {"If_Unmodified_Since": date}),
        (200, {"If_Match": tag, "If_Unmodified_Since": before}),
        (412, {"If_Match": '"x"', "If_None_Match": tag}),
        (206, {"If_Range": tag, "Range": "bytes=1-2"}),
        (206, {"If_Range": date, "Range": "bytes=1-2"}),
        (200, {"If_Range": '"x"', "Range": "bytes=1-2"}),
        (200, {"If_Range": f"W/{tag}", "Range": "bytes=1-2"}),
        (200, {"If_Range": after, "Range": "bytes=1-2"}),
        (412, {"If_Match": '"x"', "Range": "bytes=1-2"}),
        (416, {"If_Range": tag, "Range": f"bytes={SIZE}-"}),
        (200, {"If_Range": '"x"', "Range": f"bytes={SIZE}-"}),
    ):
        for method in ("GET", "HEAD"):
            whole = 200 if method == "HEAD" and wanted in (206, 416) else wanted
            answer, content = status(client, whole, method, "/file", **fields)
            if wanted in (304, 412):
                expect(answer["ETag"], tag, f"ETag with {wanted}")
            if wanted == 304:
                expect((content, answer["Content-Type"]), (b"", None), "304")
    # The same bytes at the same second, in another file: another version.
    write("other", read("file"))
    stat = os.stat(at("file"))
    os.utime(at("other"), ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.rename(at("other"), at("file"))
    status(client, 200, "GET", "/file", If_None_Match=tag)
    # A condition on what is not there changes nothing.
    status(client, 404, "GET", "/none", If_Match="*")


def the_types(client):
    """Whatever users store, nothing of it runs as if it were the server's."""
    program = b"<script>document.title='run'</script>"
    shown = {
        "txt": "text/plain; charset=utf-8",
        "md": "text/plain; charset=utf-8",
        "json": "text/plain; charset=utf-8",
        "css": "text/plain; charset=utf-8",
        "png": "image/png",
        "jpg": "image/jpeg",
        "gif": "image/gif",
        "webp": "image/webp",
        "avif": "image/avif",
        "bmp": "image/bmp",
        "ico": "image/x-icon",
        "mp3": "audio/mpeg",
        "mp4": "video/mp4",
        "pdf": "application/pdf",
    }
    saved = "html htm HTML xhtml xht svg SVG svgz xml xsl rss atom js mjs htc swf jar wasm mht mhtml shtml php exe unknown".split()
    for extension in [*shown, *saved, "zip", ""]:
        name = f"types/a.{extension}" if extension else "types/a"
        write(name, program)
        answer, content = status(client, 200, "GET", "/" + name)
        expect(content, program, name)
        policy = answer["Content-Security-Policy"]
        assert policy.startswith("sandbox; default-src 'none';") and "allow-" not in policy, policy
        expect(answer["X-Content-Type-Options"], "nosniff", name)
        if extension in shown:
            how, kind = "inline", shown[extension]
        else:
            how, kind = "attachment", "application/zip" if extension == "zip" else "application/octet-stream"
        expect(answer["Content-Type"], kind, name)
        expect(answer["Content-Disposition"].split(";")[0], how, name)
        part = client.ask("GET", "/" + name, Range="bytes=0-3")[0]
        expect((part["Content-Security-Policy"], part["Content-Type"]), (policy, kind), f"part of {name}")
    answer, _ = client.ask("GET", "/types/a.txt?download=1")
    assert answer["Content-Disposition"].startswith("attachment;"), answer["Content-Disposition"]


def the_names(client):
    names = ['quo"te', "apo'strophe", "back\\slash", "per%cent", "per%41cent", "hash#tag", "what?x=1", "a+b&c=d", "semi;colon",
             " blank ", "ümläut.txt", "日本.txt", "e\u0301.txt", "a" * 255, "*", ":", "~", "x\u202egpj.exe"]
    for name in names:
        write("names/" + name, name.encode())
        answer, content = status(client, 200, "GET", "/names/" + urllib.parse.quote(name))
        expect(content, name.encode(), name)
        field = answer["Content-Disposition"]
        assert all(" " <= c <= "~" for c in field), field
        message = email.message.Message()
        message["Content-Disposition"] = field
        # Whoever understands it has the name as it is.
        told = [part for part in field.split("; ") if part.startswith("filename*=")]
        found = urllib.parse.unquote(told[0].split("''")[1]) if told else message.get_filename()
        expect(found, name, field)
    with open(os.path.join(LIBRARY, b"names", b"caf\xe9"), "wb") as file:
        file.write(b"latin")
    answer, content = status(client, 200, "GET", "/names/caf%e9")
    expect((content, answer["Content-Disposition"].split("; ")[1]), (b"latin", 'filename="caf_"'), "a name that is no UTF-8")


def begin(target):
    """A client that reads little at a time: what it has asked for is not all on its way before it goes on."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", PORT))
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return client, answer


def is_cut(answer):
    try:
        while answer.read(1 << 16):
            pass
    except http.client.IncompleteRead:
        return True
    return answer.length not in (0, None)


def the_cuts():
    size = 40_000_000
    # A client that has seen enough. What went to it is written down.
    write("cut/left", b"0" * size)
    client, answer = begin("/cut/left")
    answer.read(1000)
    answer.close()
    client.close()
    os.unlink(at("cut/left"))
    spoilt = {
        "shorter": lambda name: os.truncate(at(name), 1000),
        "changed": lambda name: os.utime(at(name)),
    }
    for what, spoil in spoilt.items():
        write("cut/one", b"1" * size)
        write("cut/two", b"2" * size)
        client, answer = begin("/cut/one")
        expect(answer.length, size, "the length of what is to be cut")
        answer.read(1000)
        spoil("cut/one")
        assert is_cut(answer), f"a file that became {what} looks whole"
        client.close()
        client, answer = begin("/cut/?zip")
        expect((answer.status, answer.getheader("Transfer-Encoding")), (200, "chunked"), "a zip")
        answer.read(1000)
        spoil("cut/one")
        spoil("cut/two")
        assert is_cut(answer), f"a zip of files that became {what} looks whole"
        client.close()
    write("cut/one", b"1" * size)
    client, answer = begin("/cut/?zip")
    answer.read(1000)
    os.unlink(at("cut/one"))
    os.unlink(at("cut/two"))
    # The one that was open is sent; the other is missed.
    assert is_cut(answer), "a zip without one of its files looks whole"
    client.close()


def the_archive(client):
    base = os.path.join(LIBRARY, b"tree")
    whole = {}
    stamp = 1_583_020_798
    for i in range(300):
        name = f"tree/folder {i % 7}/ü{i}"
        write(name, os.urandom(i * 37))
        whole[name[5:]] = read(name)
    write("tree/big", os.urandom(3_000_000))
    whole["big"] = read("tree/big")
    write("tree/empty")
    whole["empty"] = b""
    write("tree/x\\..\\y", b"back")
    whole["x\ufffd..\ufffdy~5c5c"] = b"back"
    with open(os.path.join(base, b"caf\xe9"), "wb") as file:
        file.write(b"latin")
    whole["caf\ufffd~e9"] = b"latin"
    os.makedirs(at("tree/nothing/in it"))
    write("tree/.hidden", b"no")
    os.symlink("big", at("tree/link"))
    for folder, _, files in os.walk(base):
        for name in files:
            os.utime(os.path.join(folder, name), (stamp, stamp), follow_symlinks=False)
    answer, content = status(client, 200, "GET", "/tree/?zip")
    expect(answer["Content-Type"], "application/zip", "a zip")
    expect(answer["Content-Disposition"], 'attachment; filename="tree.zip"', "a zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        expect(archive.testzip(), None, "a bad file in the zip")
        entries = archive.infolist()
        found = {entry.filename: archive.read(entry) for entry in entries if not entry.is_dir()}
        expect(len(entries), len({entry.filename for entry in entries}), "names that are there twice")
        folders = {entry.filename for entry in entries if entry.is_dir()}
        assert found == whole, set(found) ^ set(whole)
        assert {"nothing/", "nothing/in it/", "folder 0/"} <= folders, folders
        for entry in entries:
            assert entry.compress_type == zipfile.ZIP_STORED
            parts = entry.filename.rstrip("/").split("/")
            assert not entry.filename.startswith("/") and not {"", ".", ".."} & set(parts), entry.filename
            if not entry.is_dir():
                expect(entry.date_time, time.gmtime(stamp)[:6], entry.filename)
    # As people do it, with times and all.
    with open("tree.zip", "wb") as file:
        file.write(content)
    subprocess.run(["unzip", "-tq", "tree.zip"], check=True, stdout=subprocess.DEVNULL)
    head, content = status(client, 200, "HEAD", "/tree/?zip")
    expect((content, head["Content-Type"]), (b"", "application/zip"), "HEAD of a zip")
    _, content = status(client, 200, "GET", "/tree/nothing/in%20it/?zip")
    expect(zipfile.ZipFile(io.BytesIO(content)).namelist(), [], "a zip of nothing")
    answer, content = status(client, 200, "GET", "/?zip")
    expect(answer["Content-Disposition"], 'attachment; filename="files.zip"', "a zip of everything")
    assert not any(name.startswith(".") for name in zipfile.ZipFile(io.BytesIO(content)).namelist())
    # HTTP/1.0 knows no chunks: the end of the connection is the end.
    old = socket.create_connection(("127.0.0.1", PORT), timeout=20)
    old.sendall(b"GET /tree/nothing/?zip HTTP/1.0\r\n\r\n")
    answer = http.client.HTTPResponse(old)
    answer.begin()
    expect(zipfile.ZipFile(io.BytesIO(answer.read())).namelist(), ["in it/"], "a zip over HTTP/1.0")


def the_rights():
    """A zip shows names and content: who may not have both has none; and who may not fetch is not fetched for."""
    reader, lister = Client(LOGIN_PORT, "reader"), Client(LOGIN_PORT, "lister")
    status(reader, 200, "GET", "/file")
    status(reader, 403, "GET", "/folder/?zip")
    status(lister, 403, "GET", "/file")
    status(lister, 403, "GET", "/none")
    status(lister, 308, "GET", "/folder")
    status(lister, 403, "GET", "/folder/?zip")
    slow = Client(LOGIN_PORT, "slow")
    for target in ("/file", "/slow/?zip"):
        write("slow/file", read("file"))
        began = time.monotonic()
        _, content = status(slow, 200, "GET", target)
        took = time.monotonic() - began
        # 300 kB at 200 kB a second, less what is saved up.
        assert took > 1.2, f"{target} took {took} s"
    answer = status(slow, 200, "GET", "/empty")[0]
    expect(answer["Cache-Control"], "private, no-cache", "what is for one user")
    writer = Client(LOGIN_PORT, "writer")
    content = os.urandom(100_000)
    writer.http.request("PUT", "/kept", body=content, headers={"Authorization": "Basic " + base64.b64encode(f"writer:{PASSWORD}".encode()).decode()})
    answer = writer.http.getresponse()
    answer.read()
    expect(answer.status, 201, "PUT")
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    for fields in ({}, {"Range": "bytes=5-9"}):
        answer, _ = writer.ask("GET", "/kept", **fields)
        expect(answer["Repr-Digest"], f"sha-256=:{digest}:", "the digest that is kept")


def main():
    client = Client()
    the_statuses(client)
    the_parts(client)
    the_conditions(client)
    the_types(client)
    the_names(client)
    the_cuts()
    the_archive(client)
    the_rights()


main()
