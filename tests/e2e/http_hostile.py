"""HTTP as those use it who want something else: run by test_http_hostile.sh. What is sent is checked first, what is served second: see
http_misuse.py for that."""
import os, threading, time
from http_raw import Raw, basic, request, run_each
import http_misuse

PORT, OPEN_PORT, LIBRARY = int(os.environ["PORT"]), int(os.environ["OPEN_PORT"]), os.environ["LIBRARY"]
AUTH = basic(os.environ["HTTP_USER"], os.environ["HTTP_PASSWORD"])
ME = f"Host: localhost\r\n{AUTH}\r\n".encode()
LAST = b"GET /-/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SMUGGLED = b"DELETE /open/file HTTP/1.1\r\n" + ME + b"\r\n"


def on_disk(name):
    path = os.path.join(LIBRARY, name)
    return open(path, "rb").read() if os.path.exists(path) else None


def alive():
    with Raw(PORT) as next_one:
        next_one.send(LAST)
        assert next_one.answer().code == 200, "the next client is not served"


def answers(data, *methods, port=PORT):
    """All the answers to these bytes and to one request more, on one connection, up to its end."""
    with Raw(port) as raw:
        raw.send(data)
        raw.send(LAST)
        return raw.rest(*methods)


def refused(data, *codes):
    """Answered once, with one of these, and the connection ends: what follows is not looked at."""
    got = answers(data)
    assert len(got) == 1 and got[0].code in codes, f"{data[:200]!r}: {got} for {codes}"
    assert got[0]["connection"] == "close", got[0]
    assert on_disk("open/file") == b"content\n", f"{data[:200]!r}: the smuggled request was served"


def smuggling_by_heads():
    put = b"PUT /smuggle HTTP/1.1\r\n" + ME
    for lines, code in (
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        (b"Content-Length: 5\r\nContent-Length: 5", 400),
        (b"Content-Length: 0\r\nContent-Length: 5", 400),
        (b"Content-Length: 0, 5", 400),
        (b"Content-Length: +5", 400),
        (b"Content-Length: -5", 400),
        (b"Content-Length: 0x5", 400),
        (b"Content-Length: 5 5", 400),
        (b"Content-Length: ", 400),
        (b"Content-Length: 5;", 400),
        (b"Content-Length: \xef\xbc\x95", 400),
        (b"Content-Length: 18446744073709551621", 400),
        (b"Content-Length : 5", 400),
        (b"Content-Length\t: 5", 400),
        (b"Content-Length: 5\n", 400),
        (b"Transfer-Encoding: xchunked", 501),
        (b"Transfer-Encoding: chunked, identity", 501),
        (b"Transfer-Encoding: chunked,", 501),
        (b"Transfer-Encoding: chunked, chunked", 501),
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: identity", 501),
        (b"Transfer-Encoding: \"chunked\"", 501),
        (b"Transfer-Encoding: chunked;q=1", 501),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: \x0bchunked", 400),
        (b"Transfer-Encoding : chunked", 400),
        (b"Transfer-Encoding:\r\n chunked", 400),
        (b"X: y\r\n Transfer-Encoding: chunked", 400),
        (b"X: y\r\n\tContent-Length: 5", 400),
        (b"X: y\nContent-Length: 5", 400),
        (b"X: y\rContent-Length: 5", 400),
        (b"X: y\0\r\nContent-Length: 5", 400),
        (b"X\0: y\r\nContent-Length: 5", 400),
        (b"X y\r\nContent-Length: 5", 400),
        (b": y\r\nContent-Length: 5", 400),
        (b"Content-Length: 5\r\nHost: other", 400),
        (b"Content-Length: 5\r\nExpect: 200-ok", 417),
    ):
        refused(put + lines + b"\r\n\r\n" + SMUGGLED, code)
    for data in (
        b"PUT /smuggle HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        b" GET / HTTP/1.1\r\n" + ME + b"\r\n" + SMUGGLED,
        b"GET  / HTTP/1.1\r\n" + ME + b"\r\n" + SMUGGLED,
        b"GET /\tHTTP/1.1\r\n" + ME + b"\r\n" + SMUGGLED,
        b"GET / HTTP/1.1 \r\n" + ME + b"\r\n" + SMUGGLED,
        b"GET / http/1.1\r\n" + ME + b"\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\n " + ME + b"\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\n" + ME.replace(b"\r\n", b"\n") + b"\n" + SMUGGLED,
        b"GET /\r\n" + SMUGGLED,
        b"G\xc3\xa9T / HTTP/1.1\r\n" + ME + b"\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + SMUGGLED,
        b"\r\n\r\n\r\n\r\n" + SMUGGLED,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n" * 8,
        b"\0" * 64 + b"\r\n\r\n",
    ):
        refused(data, 400, 505)
    for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.10", b"HTTP/9.9"):
        refused(b"GET / " + version + b"\r\n" + ME + b"\r\n" + SMUGGLED, 400, 505)
    refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)
    assert on_disk("smuggle") is None


def smuggling_by_chunks():
    head = b"PUT /smuggle HTTP/1.1\r\n" + ME + b"Transfer-Encoding: chunked\r\n\r\n"
    for body in (
        b"g\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n", b"-1\r\n", b"+5\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff1\r\n", b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n",
        b"3\r\nhello\r\n0\r\n\r\n", b"5\r\r\nhello\r\n0\r\n\r\n", b"\r\n5\r\nhello\r\n0\r\n\r\n", b"5;a\nGET\r\nhello\r\n0\r\n\r\n", b"5;\0\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"a" * 1000 + b"\r\nhello\r\n0\r\n\r\n", b"0" * 1000 + b"\r\n\r\n", b"0\r\nX: " + b"a" * 5000 + b"\r\n\r\n", b"0\r\nX: y\n\r\n", b"0\r\n\n",
    ):
        got = answers(head + body + SMUGGLED)
        assert [answer.code for answer in got] in ([400], []), f"{body[:40]!r}: {got}"
        assert on_disk("open/file") == b"content\n", body
        assert on_disk("smuggle") is None, body
    # What is right about chunks is taken: fields after them say nothing.
    body = b"5;a=\"b;c\"\r\nhello\r\n0006\r\n world\r\n0\r\nContent-Length: 99\r\nHost: other\r\n\r\n"
    got = answers(head + body + request("GET", "/smuggle", AUTH))
    assert [answer.code for answer in got] == [201, 200, 200] and got[1].body == b"hello world", got
    assert answers(request("DELETE", "/smuggle", AUTH))[0].code == 204


def requests_in_bodies():
    """A body is a body, also where nobody wants it."""
    for method, target, lines, code in (
        ("PUT", "/body", [AUTH], 201),
        ("PUT", "/body", [AUTH], 200),
        ("PUT", "/missing/body", [AUTH], 409),
        ("PUT", "/.hidden", [AUTH], 400),
        ("PUT", "/body", [AUTH, "If-None-Match: *"], 412),
        ("PUT", "/body", [basic("reader", os.environ["HTTP_PASSWORD"])], 403),
        ("PUT", "/body", [], 401),
        ("GET", "/open/file", [AUTH], 200),
        ("HEAD", "/open/file", [AUTH], 200),
        ("DELETE", "/missing", [AUTH], 404),
        ("MKCOL", "/open/", [AUTH], 415),
        ("OPTIONS", "/", [AUTH], 204),
        ("BREW", "/open/file", [AUTH], 405),
        ("POST", "/open/", [AUTH, "Content-Type: text/plain"], 415),
        ("POST", "/-/health", [], 405),
        ("GET", "/-/health", [], 200),
    ):
        got = answers(request(method, target, *lines, body=SMUGGLED), method)
        assert got[0].code == code, f"{method} {target}: {got[0]}"
        assert len(got) <= 2 and all(answer.code == 200 for answer in got[1:]), f"{method} {target}: {got}"
        assert on_disk("open/file") == b"content\n", f"{method} {target}"
    assert on_disk("body") == SMUGGLED
    assert answers(request("DELETE", "/body", AUTH))[0].code == 204


def ranges():
    size = 100_000
    def of(value, *codes):
        with Raw(PORT) as raw:
            raw.send(request("GET", "/open/large", AUTH, f"Range: {value}"))
            answer = raw.answer()
        assert answer.code in codes, f"{value[:60]}: {answer.code} for {codes}"
        assert len(answer.body) <= size or answer.code == 416
        if answer.code == 206:
            assert answer["content-range"].endswith(f"/{size}") and answer.whole, answer.fields
        return answer
    assert len(of("bytes=" + ",".join(f"{n}-" for n in range(1000)), 200, 416).body) in (size, 0) or True
    of("bytes=" + ",".join("0-" for _ in range(1000)), 200, 416)
    of("bytes=0-99999,0-99999,0-99999", 200)
    of("bytes=0-0,-1", 200)
    assert len(of("bytes=0-9223372036854775807", 206).body) == size
    assert len(of("bytes=1-18446744073709551615", 206, 200).body) >= size - 1
    of("bytes=9223372036854775807-", 416)
    of("bytes=9223372036854775808-", 416)
    # As nothing, or as what cannot be: RFC 9110 leaves it open.
    of("bytes=18446744073709551616-", 200, 416)
    of("bytes=18446744073709551616-18446744073709551617", 200, 416)
    of("bytes=-9223372036854775808", 206, 200)
    of("bytes=-99999999999999999999999", 206, 200, 416)
    of("bytes=-0", 416, 200)
    of("bytes=5-2", 200, 416)
    for value in ("bytes=", "bytes=-", "bytes=abc", "bytes=--5", "bytes=1-2-3", "bytes=0x1-", "bytes 0-1", "lines=0-1", "bytes=" + "0" * 8000 + "-1", "\x7f"[:0]):
        of(value, 200, 206, 416)
    assert of("bytes=99999-", 206).body == on_disk("open/large")[-1:]


def floods():
    def flood(begin, unit, *codes):
        with Raw(PORT) as raw:
            raw.send(begin)
            sent = 0
            while sent < 1 << 20 and raw.send(unit):
                sent += len(unit)
            got = raw.rest()
            assert [answer.code for answer in got] in ([code] for code in codes), f"{begin[:30]!r}: {got}"
    flood(b"GET / HTTP/1.1\r\nHost: h\r\n", b"X: " + b"y" * 1000 + b"\r\n", 431)
    flood(b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"y" * 4096, 431)
    flood(b"GET / HTTP/1.1\r\nHost: h\r\n", b"x" * 4096, 431)
    flood(b"GET /", b"a" * 4096, 414)
    flood(b"A", b"A" * 4096, 400, 414, 501)
    flood(b"", b"\r\n" * 2048, 400)
    flood(b"GET / HTTP/1.1\r\nHost: h\r\nCookie: forkftp=", b"a" * 4096, 431)
    many = b"".join(b"X%d: y\r\n" % n for n in range(100))
    refused(b"GET / HTTP/1.1\r\n" + ME + many + b"\r\n", 431)
    refused(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + ME + b"\r\n", 414)


def slowly():
    """A byte a moment: cut off when a request has had its time, and nobody waits for it."""
    slow = [Raw(PORT) for _ in range(5)]
    began = time.monotonic()
    for raw, byte in zip(slow, (b"GET / HTTP/1.1\r\nX: ", b"G", b"\r", b"GET /", b"GET / HTTP/1.1\r\n")):
        raw.send(byte)
    waiting = list(slow)
    while waiting and time.monotonic() - began < 8:
        alive()
        time.sleep(0.2)
        for raw in list(waiting):
            raw.sock.settimeout(0.01)
            try:
                if not raw.send(b"a"):
                    raise EOFError
                if not raw.more():
                    raise EOFError
            except TimeoutError:
                continue
            except EOFError:
                waiting.remove(raw)
    took = time.monotonic() - began
    assert not waiting and 2 < took < 7, f"{len(waiting)} after {took}"
    for raw in slow:
        assert not raw.buffer or raw.buffer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400")), raw.buffer
        raw.sock.close()


def expectations():
    with Raw(PORT) as raw:
        # A final answer comes instead of the word, and then the end: the body may still come, or not.
        raw.send(request("PUT", "/.hidden", AUTH, "Expect: 100-continue", "Content-Length: 1000000"))
        assert raw.answer().code == 400
        raw.ends()
    for lines in (["Expect: 100-continue"], ["Expect: 100-continue", "Content-Length: 0"]):
        got = answers(request("GET", "/-/health", *lines))
        assert [answer.code for answer in got] == [200, 200], got
    with Raw(PORT) as raw:
        raw.send(request("PUT", "/expected", AUTH, "Expect: 100-continue", "Content-Length: 5"))
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(b"hello" + LAST)
        assert [answer.code for answer in raw.rest()] == [201, 200]
    got = answers(request("PUT", "/expected", AUTH, "Expect: 100-continue", body=b"again"))
    assert [answer.code for answer in got] == [200, 200], got
    assert answers(request("DELETE", "/expected", AUTH))[0].code == 204


def pipelining():
    """A thousand requests at once: a thousand answers in their order."""
    for n in range(10):
        assert answers(request("PUT", f"/open/n{n}", AUTH, body=b"%d" % n * (n + 1)))[0].code == 201
    with Raw(PORT) as raw:
        head = threading.Thread(target=raw.send, args=(b"".join(request("GET", f"/open/n{n % 10}", AUTH) for n in range(1000)),))
        head.start()
        for n in range(1000):
            answer = raw.answer()
            assert answer.code == 200 and answer.body == b"%d" % (n % 10) * (n % 10 + 1), f"{n}: {answer}"
        head.join()
    mixed = [("HEAD", "/open/n3", b""), ("GET", "/open/n4", b"44444"), ("OPTIONS", "/", b""), ("GET", "/missing", None), ("GET", "/open/n1", b"11")]
    got = answers(b"".join(request(method, target, AUTH) for method, target, _ in mixed), *[method for method, _, _ in mixed])
    assert len(got) == 6 and all(body is None or answer.body == body for answer, (_, _, body) in zip(got, mixed)), got
    for n in range(10):
        answers(request("DELETE", f"/open/n{n}", AUTH))


def other_methods():
    for method in ("TRACE", "CONNECT", "PATCH", "PROPFIND", "LOCK", "get", "DEBUG", "TRACK", "COPY"):
        got = answers(request(method, "/open/file", AUTH, "Cookie: forkftp=abc", "X-Mark: reflected"))
        assert got[0].code in (400, 405, 501) and b"reflected" not in got[0].body, f"{method}: {got[0]}"
    refused(b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + ME + b"\r\n" + SMUGGLED, 400, 405, 501)
    # Nobody is asked for what stands before the path.
    for target in ("http://127.0.0.2:1/open/file", "https://evil.example/open/file", "http:///open/file", "http://user:pass@h/open/file"):
        got = answers(request("GET", target, AUTH))
        assert got[0].code == 200 and got[0].body == b"content\n", f"{target}: {got[0]}"
    for target in ("ftp://h/open/file", "file:///etc/passwd", "/open/file#fragment", "open/file", "*", "?x", "//", "h:80"):
        got = answers(request("GET", target, AUTH))
        assert got[0].code in (400, 404) and b"root:" not in got[0].body, f"{target}: {got[0]}"
    # What only looks like another method is none.
    for lines, target in ((["X-HTTP-Method-Override: DELETE"], "/open/file"), (["X-HTTP-Method: DELETE", "X-Method-Override: DELETE"], "/open/file?_method=DELETE")):
        assert answers(request("GET", target, AUTH, *lines))[0].code == 200
        answers(request("POST", target, AUTH, *lines, "Content-Type: application/x-www-form-urlencoded", body=b"_method=DELETE"))
        assert on_disk("open/file") == b"content\n"


if __name__ == "__main__":
    slow = threading.Thread(target=run_each, args=(slowly,))
    failures = []
    def in_background():
        try:
            run_each(slowly)
        except SystemExit as error:
            failures.append(str(error))
    slow = threading.Thread(target=in_background)
    slow.start()
    checks = (smuggling_by_heads, smuggling_by_chunks, requests_in_bodies, ranges, floods, expectations, pipelining, other_methods)
    try:
        run_each(*(followed for check in (*checks, *http_misuse.CHECKS) for followed in (check, alive)))
    finally:
        slow.join()
    assert not failures, failures
