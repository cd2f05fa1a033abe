"""What requests of the right form are for that want something else: other sites, ways out, scripts, forged cookies, hosts and lines. Run by
http_hostile.py."""
import html, json, os, re, urllib.parse
from http_raw import Raw, basic, request

PORT, OPEN_PORT, LIBRARY = int(os.environ["PORT"]), int(os.environ["OPEN_PORT"]), os.environ["LIBRARY"]
PASSWORD = os.environ["HTTP_PASSWORD"]
AUTH = basic(os.environ["HTTP_USER"], PASSWORD)
OURS = f"127.0.0.1:{PORT}"


def ask(method, target, *lines, port=PORT, source=None, **more):
    with Raw(port, source) as raw:
        raw.send(request(method, target, *lines, **more))
        return raw.answer(method)


def on_disk(name):
    path = os.path.join(LIBRARY, name)
    return open(path, "rb").read() if os.path.exists(path) else None


def other_sites():
    """A browser's user does nothing here that another site's page makes up; a program, and a page of ours, do."""
    boundary = "Content-Type: multipart/form-data; boundary=b"
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="forged"\r\n\r\nx\r\n--b--\r\n'
    form = "Content-Type: application/x-www-form-urlencoded"
    unsafe = (
        ("PUT", "/open/forged", [], b"x"), ("POST", "/open/", [boundary], part), ("DELETE", "/open/file", [], None),
        ("MKCOL", "/open/forged/", [], None), ("MOVE", "/open/file", ["Destination: /open/forged"], None),
        ("POST", "/-/login", [form], f"user=trial&password={PASSWORD}".encode()), ("POST", "/-/logout", [form], b"everywhere=1"),
    )
    for lines in (["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"], ["Origin: null"], ["Origin: http://evil.example"],
                  [f"Origin: http://127.0.0.1:{PORT + 1}"], [f"Origin: http://{OURS}.evil.example"], [f"Origin: http://evil.example/{OURS}"],
                  ["Origin: http://127.0.0.1"], ["Origin: "], [f"Origin: http://{OURS}", "Origin: http://evil.example"], [f"Origin: http://evil@{OURS}"],
                  [f"Origin: ftp://{OURS}"], [f"Origin: http://{OURS}", "Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: none, cross-site"],
                  ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"]):
        for method, target, own, body in unsafe:
            answer = ask(method, target, AUTH, *own, *lines, body=body, host=OURS)
            assert answer.code == 403, f"{method} {target} {lines}: {answer}"
            assert answer["set-cookie"] is None, answer
    assert on_disk("open/file") == b"content\n" and not os.path.exists(os.path.join(LIBRARY, "open/forged"))
    for lines in ([], [f"Origin: http://{OURS}"], ["Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"]):
        assert ask("PUT", "/open/forged", AUTH, *lines, body=b"x", host=OURS).code in (200, 201), lines
    assert ask("DELETE", "/open/forged", AUTH).code == 204
    # What is only looked at nobody else's page reads: nothing says that it may.
    for lines in (["Origin: http://evil.example"], ["Origin: null", "Access-Control-Request-Method: PUT"]):
        for method in ("GET", "OPTIONS"):
            answer = ask(method, "/open/file", AUTH, *lines)
            assert not any(name.startswith("access-control") for name, _ in answer.fields), answer


WAYS_OUT = ("/../outside", "/%2e%2e/outside", "/%2e./outside", "/%252e%252e/outside", "/..%2foutside", "/..%5coutside", "/..\\outside",
            "/%c0%ae%c0%ae/outside", "/%e0%80%ae%e0%80%ae/outside", "/%f0%80%80%ae%f0%80%80%ae/outside", "/%ef%bc%8e%ef%bc%8e/outside", "/..;/outside",
            "/%u002e%u002e/outside", "//outside", "//etc/passwd", "/./../outside", "/open/../../outside", "/open/./../../outside", "/open//../outside",
            "/open/link", "/open/folder-link/outside", "/open/root-link/etc/passwd", "/open/%66older-link/outside", "/.hidden", "/%2ehidden", "/%2Ehidden",
            "/.private/file", "/open/../.private/file", "/.forkftp/stage", "/%2eforkftp/stage", "/-/../.hidden", "/-/../../outside", "/-/%2e%2e/outside",
            "/%2d/../outside", "/-/s/../../outside", "/-/app.js/../../../outside", "/open/%00/../file", "/outside%00.txt", "/open/file%00", "/open/file%0a",
            "/%2fetc%2fpasswd", "/etc/passwd", "/open/file/../../outside", "http://test/../outside", "http://test/%2e%2e/outside", "/.", "/..", "/open/..")


def ways_out():
    def nothing(answer, about, *codes):
        assert answer.code in codes, f"{about}: {answer} for {codes}"
        for secret in (b"outside-content", b"secret-content", b"root:"):
            assert secret not in answer.body, f"{about}: {answer}"
    jailed = basic("jailed", PASSWORD)
    for target in WAYS_OUT:
        for who in (AUTH, jailed):
            nothing(ask("GET", target, who), target, 400, 404)
        nothing(ask("GET", target, port=OPEN_PORT), target, 400, 404)
        nothing(ask("HEAD", target, AUTH), target, 400, 404)
        # A name with two dots behind an escape is one like any other, in a folder that is not there.
        nothing(ask("PUT", target, AUTH, body=b"forged"), f"PUT {target}", 400, 404, 405, 409)
        nothing(ask("DELETE", target, AUTH), f"DELETE {target}", 400, 404, 405)
        nothing(ask("GET", target + "/", AUTH), f"{target}/", 400, 404)
        nothing(ask("GET", target + "?zip", AUTH), f"{target}?zip", 400, 404)
        nothing(ask("MKCOL", target + "/new/", AUTH), f"MKCOL {target}", 400, 404, 405, 409)
        nothing(ask("MOVE", "/open/file", AUTH, f"Destination: {target}"), f"MOVE to {target}", 400, 404, 409, 412, 502, 403)
        nothing(ask("MOVE", target, AUTH, "Destination: /stolen"), f"MOVE {target}", 400, 404, 405, 409)
        assert on_disk("open/file") == b"content\n", target
    for target in ("/etc/passwd/", "/-/x", "/-/", "/-", "/%2d/x", "/-/login", "http://evil.example/open/new", "https://test:1/x", "//test/open/new", "", "x", "/a%2fb", "/\n"[:1] + "%0d%0aX: y"):
        answer = ask("MOVE", "/open/file", AUTH, f"Destination: {target}")
        assert answer.code in (400, 403, 404, 409, 502), f"MOVE to {target!r}: {answer}"
        assert on_disk("open/file") == b"content\n", target
    for target in ("/-/x", "/-", "/-/", "/%2d/x", "/%2D"):
        assert ask("PUT", target, AUTH, body=b"x").code in (400, 403, 404, 405), target
        assert ask("MKCOL", target, AUTH).code in (400, 403, 404, 405), target
    # In a form, the last part of the name alone is one.
    for name in ("../../outside", "..\\\\..\\\\outside", "/etc/outside", ".hidden", "..", "-", "a\\\"b/../c", "C:\\\\outside"):
        body = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\nforged\r\n--b--\r\n'.encode()
        answer = ask("POST", "/open/folder/", AUTH, "Content-Type: multipart/form-data; boundary=b", "Accept: application/json", body=body)
        assert answer.code in (200, 201, 400, 409), f"{name}: {answer}"
    for place in ("", "open"):
        assert on_disk(os.path.join(place, "outside")) is None
    for name in os.listdir(os.path.join(LIBRARY, "open/folder")):
        assert ask("DELETE", "/open/folder/" + urllib.parse.quote(name), AUTH).code == 204, name


SCRIPTS = ('<script>alert(1)<', '"><img src=x onerror=alert(1)>', "'><svg onload=alert(1)>", "</title><b>", "</script><b>", "<!--<script>", "&lt;b&gt;", "javascript:alert(1)", "a\u2028b\u202egpj.exe",
           "`${alert(1)}`", "{{7*7}}", "a b;c=d", "per%3Cb%3E", "\\evil.example", "%0d%0aSet-Cookie: x=y", "=cmd|' /C calc'!A0", "\u00fc")


def scripts():
    folder = "/open/folder/"
    names = [name for name in SCRIPTS if "/" not in name]
    for name in names:
        assert ask("PUT", folder + urllib.parse.quote(name), AUTH, body=b"<script>alert(1)</script>").code == 201, name
        assert ask("MKCOL", folder + urllib.parse.quote("f" + name) + "/", AUTH).code == 201, name
    listing = ask("GET", folder, AUTH, "Accept: application/json")
    assert listing.body.isascii() or listing["content-type"].startswith("application/json")
    known = {entry["name"]: entry for entry in json.loads(listing.body)["entries"]}
    assert set(known) == {*names, *("f" + name for name in names)}, set(known)
    for name, entry in known.items():
        href = urllib.parse.urljoin(f"http://{OURS}{folder}", entry["href"])
        assert href.startswith(f"http://{OURS}{folder}") and not set(entry["href"]) & set("<>\"'` \\"), entry
        target = href.removeprefix(f"http://{OURS}")
        with Raw(PORT) as raw:
            raw.send(request("GET", target, AUTH, host=OURS))
            answer = raw.answer()
        assert answer.code == 200, f"{entry}: {answer}"
        if entry["kind"] == "file":
            safe(answer)
            location = ask("GET", target + "?download", AUTH)
            disposition = location["content-disposition"]
            assert disposition.startswith("attachment") and disposition.isascii(), disposition
            assert re.fullmatch(r"""attachment(; filename="[^"\\]*")?(; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*)?""", disposition), disposition
        else:
            # The redirection to it stays here.
            redirect = ask("GET", target.rstrip("/"), AUTH, host=OURS)
            assert redirect.code == 308 and goes_nowhere_else(redirect["location"]), redirect
    for query in ("", *("?q=" + urllib.parse.quote(name) for name in SCRIPTS), '?sort="><script>&order=<script>&from=<script>&count=-1', "?q=%ff%00%0d%0a"):
        page = ask("GET", folder + query, AUTH, "Accept: text/html")
        assert page.code in (200, 400), page
        harmless(page)
    for target in ("/<script>alert(1)</script>", "/%3Cscript%3Ealert(1)%3C/script%3E", '/-/login?to="><script>alert(1)</script>', "/-/<script>", "/-/s/<script>/<script>", "/-/login?to=javascript:alert(1)"):
        for accept in ("text/html", "application/json", "*/*"):
            harmless(ask("GET", target, AUTH, f"Accept: {accept}"))
    for name in names:
        assert ask("DELETE", folder + urllib.parse.quote(name), AUTH).code == 204
        assert ask("DELETE", folder + urllib.parse.quote("f" + name) + "/", AUTH).code == 204
    # Whatever a file says that it is, it does nothing in our name.
    for name in ("x.html", "x.htm", "x.svg", "x.xhtml", "x.xml", "x.js", "x.css", "x.pdf", "x.txt", "x.png", "x.swf", "x.mht", "x", "x.html.txt", "x.shtml", "x.hta", "x.xsl", "x.json", "x.md", "x.wasm", "index.html"):
        body = b"<html><script>alert(1)</script><svg onload=alert(1)>"
        assert ask("PUT", folder + name, AUTH, body=body).code == 201
        answer = ask("GET", folder + name, AUTH)
        safe(answer)
        kind = answer["content-type"].split(";")[0]
        inline = (answer["content-disposition"] or "").startswith("inline")
        assert not inline or kind in ("text/plain", "application/pdf") or re.fullmatch("(image|audio|video)/[a-z0-9.+-]+", kind) and "svg" not in kind, f"{name}: {answer}"
        assert ask("DELETE", folder + name, AUTH).code == 204


def safe(answer):
    """What a file of a user's carries, whatever is in it."""
    policy = answer["content-security-policy"] or ""
    assert "sandbox" in policy and "default-src 'none'" in policy and "allow-scripts" not in policy and "allow-same-origin" not in policy, answer
    assert answer["x-content-type-options"] == "nosniff", answer


def harmless(answer):
    """Neither what was asked for nor what is there stands in it as anything but text."""
    assert answer["x-content-type-options"] == "nosniff", answer
    if not (answer["content-type"] or "").startswith("text/html"):
        return
    text = answer.body.decode()
    for mark in ("<script>alert", "<img src=x", "<svg onload", "</title><b>", "</script><b>", "<!--<script>", "javascript:alert"):
        assert not re.search(r"(href|src|action)=[\"']?" + re.escape(mark), text) and (mark[0] != "<" or mark not in text), f"{mark} in {answer}"
    policy = answer["content-security-policy"] or ""
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy and "frame-ancestors 'none'" in policy, f"{policy}: {answer}"


def goes_nowhere_else(location):
    return location.startswith("/") and not location.startswith(("//", "/\\")) and location.isascii() and location.isprintable() and "evil.example" not in location[:15]


def hosts():
    for host in ("evil.example", "evil.example:80@test", "a b", "a/b", "<script>", "[::1]:99999", "", "x" * 4000, "a,b"):
        for target in ("/open", "/open/", "/missing"):
            answer = ask("GET", target, AUTH, "Accept: text/html", host=host)
            # This listening socket is a loopback address: a name that leads there is none of ours.
            wanted = (200, 308, 404) if host.startswith("[") else (400, 421)
            assert answer.code in wanted, f"{host}: {answer}"
            assert answer["location"] is None or goes_nowhere_else(answer["location"]), answer
            assert b"evil.example" not in answer.body and b"<script>alert" not in answer.body, answer
    for lines in (["X-Forwarded-Host: evil.example"], ["X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https"], ["Forwarded: host=evil.example"], ["X-Original-URL: /-/health", "X-Rewrite-URL: /-/health"]):
        answer = ask("GET", "/open", AUTH, *lines)
        assert answer.code == 308 and goes_nowhere_else(answer["location"]), answer


def log_in(lines=(), to="/open/", user=None, port=PORT, source=None):
    body = urllib.parse.urlencode({"user": user or os.environ["HTTP_USER"], "password": PASSWORD, "to": to}).encode()
    return ask("POST", "/-/login", "Content-Type: application/x-www-form-urlencoded", *lines, port=port, source=source, body=body)


def cookie_of(answer):
    cookie = answer["set-cookie"]
    assert cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and "Domain" not in cookie, answer
    pair = cookie.split(";")[0]
    assert re.fullmatch("forkftp=[0-9a-f]{64}", pair), cookie
    return pair


def cookies():
    chosen = "forkftp=" + "a" * 64
    answer = log_in([f"Cookie: {chosen}"])
    assert answer.code == 303 and answer["cache-control"] and "no-store" in answer["cache-control"], answer
    ours = cookie_of(answer)
    assert ours != chosen, "it takes what the client chooses"
    assert ask("GET", "/open/file", f"Cookie: {chosen}").code == 401
    assert ask("GET", "/open/file", f"Cookie: {ours}").code == 200
    # A second login leaves nothing of the first; a logout nothing at all.
    second = cookie_of(log_in([f"Cookie: {ours}"]))
    assert second != ours and ask("GET", "/open/file", f"Cookie: {ours}").code == 401
    listing = ask("GET", "/open/", f"Cookie: {second}", "Accept: text/html")
    for answer in (listing, ask("GET", "/open/", f"Cookie: {second}", "Accept: application/json"), ask("GET", "/open/file", f"Cookie: {second}")):
        control = answer["cache-control"] or ""
        assert "no-store" in control or "no-cache" in control or "private" in control, f"kept for the next at this machine: {answer}"
        assert "public" not in control, answer
    assert "no-store" in (listing["cache-control"] or "") or "no-cache" in listing["cache-control"], f"shown after the logout: {listing}"
    answer = ask("POST", "/-/logout", f"Cookie: {second}", "Content-Type: application/x-www-form-urlencoded", body=b"")
    assert answer.code == 303 and ("Max-Age=0" in answer["set-cookie"] or "1970" in answer["set-cookie"]), answer
    assert ask("GET", "/open/file", f"Cookie: {second}").code == 401
    # Of a visitor nobody logs out anybody else.
    mine = cookie_of(log_in())
    for cookie in ("", chosen):
        ask("POST", "/-/logout", *([f"Cookie: {cookie}"] if cookie else []), "Content-Type: application/x-www-form-urlencoded", body=b"everywhere=1")
        assert ask("GET", "/open/file", f"Cookie: {mine}").code == 200
    for garbage in ("", "=", "forkftp", "forkftp=", "forkftp==", "forkftp=;;;", "forkftp=" + "g" * 64, "forkftp=" + "A" * 64, "forkftp=" + "a" * 63, "forkftp=" + "a" * 65, "forkftp=" + "a" * 12000,
                    "forkftp=\"" + "a" * 64 + "\"", "; ".join(["forkftp=x"] * 900), "forkftp=%00", b"forkftp=\xff\xfe", "$Version=1; forkftp=a", "__Host-forkftp=" + "a" * 64, "FORKFTP=" + mine[8:]):
        line = b"Cookie: " + (garbage if isinstance(garbage, bytes) else garbage.encode())
        assert ask("GET", "/open/file", line).code == 401, garbage
        assert ask("GET", "/open/file", line, port=OPEN_PORT).code == 200, garbage
    for lines in ([f"Cookie: {mine}", f"Cookie: {chosen}"], [f"Cookie: {chosen}; {mine}"], [f"Cookie: {mine}; {chosen}"], [f"Cookie: x=y; {mine}; z"]):
        assert ask("GET", "/open/file", *lines).code in (200, 401), lines
    # What a page of another user's is asked for on this connection is sent on to another.
    with Raw(PORT) as raw:
        raw.send(request("GET", "/open/file", f"Cookie: {mine}") + request("GET", "/open/file", basic("jailed", PASSWORD)) + request("GET", "/open/file", f"Cookie: {mine}"))
        got = raw.rest()
        assert [answer.code for answer in got] == [200, 307] and goes_nowhere_else(got[1]["location"]), got
    with Raw(PORT) as raw:
        raw.send(request("GET", "/file", basic("jailed", PASSWORD)) + request("PUT", "/new", f"Cookie: {mine}", body=b"x"))
        assert [answer.code for answer in raw.rest()] == [200, 307] and on_disk("open/new") is None and on_disk("new") is None
    with Raw(OPEN_PORT) as raw:
        raw.send(request("GET", "/open/file") + request("PUT", "/new", f"Cookie: {mine}", body=b"x"))
        got = raw.rest()
        assert [answer.code for answer in got] == [200, 307] and on_disk("new") is None, got


def credentials():
    # Each from an address of its own: who guesses waits.
    for n, value in enumerate(("Basic", "Basic ", "Basic !!!!", "Basic YQ==", "Basic Og==", "Basic //79", "Basic " + "A" * 12000, "Bearer x", "Negotiate x", "", "Digest username=x", "basic\tx", "Basic YTpi YTpi")):
        answer = ask("GET", "/open/file", f"Authorization: {value}", source=f"127.0.2.{n + 1}")
        assert answer.code in (401, 400) and b"content" not in answer.body, f"{value[:40]}: {answer}"
    answer = ask("GET", "/open/file", AUTH, AUTH, source="127.0.0.3")
    assert answer.code in (400, 401), f"twice: {answer}"
    # Names that would be lines of the log, or ways through it.
    for n, name in enumerate(("forged\nforged 2026", "\x1b[2J\x1b]0;x\x07", "trial\0", "../../users", "x" * 3000)):
        answer = ask("GET", "/open/file", basic(name, "x"), source=f"127.0.1.{n + 1}")
        assert answer.code == 401, f"{name!r}: {answer}"
    for target in ("/forged%0aforged", "/%1b[2J", "/a%0d%0aforged:%20x"):
        assert ask("GET", target, AUTH, "User-Agent: x\x1b[2J"[:13], "Referer: forged").code in (400, 404), target


def splitting():
    """Where a login leads to is here, whatever was asked for, and nothing is said beside it."""
    for to in ("//evil.example", "///evil.example", "https://evil.example", "http:evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\r\nSet-Cookie: x=y", "\r\n\r\n<script>", "javascript:alert(1)",
               "data:text/html,x", "/%0d%0aSet-Cookie:%20x=y", "/..//evil.example", "/.//evil.example", "@evil.example", "evil.example", "/" + "a" * 7000, "", " //evil.example", "/ü", "/-/logout", "/a b"):
        answer = log_in(to=to)
        assert answer.code in (303, 413), f"{to!r}: {answer}"
        if answer.code == 303:
            assert goes_nowhere_else(answer["location"]), f"{to!r}: {answer}"
            assert len(answer.all("set-cookie")) == 1, answer
        page = ask("GET", "/-/login?to=" + urllib.parse.quote(to), "Accept: text/html")
        harmless(page)
        found = re.search(r'name="?to"? value="([^"]*)"', page.body.decode())
        assert not found or goes_nowhere_else(html.unescape(found[1])), f"{to!r}: {page.body}"
    answer = ask("GET", "/open/x%0d%0aSet-Cookie:%20x=y/", "Accept: text/html")
    assert answer.code in (303, 400, 404) and answer["set-cookie"] is None, answer
    for n, body in enumerate((b"user=trial", b"password=x", b"&&&&==", b"user=%ff&password=%00", b"\xff\xfe", b"user=trial&user=reader&password=" + PASSWORD.encode(), b"x=" + b"y" * 100_000, b"a&" * 50_000)):
        answer = ask("POST", "/-/login", "Content-Type: application/x-www-form-urlencoded", source=f"127.0.3.{n + 1}", body=body)
        assert answer.code in (303, 400, 401, 413) and (answer.code != 303 or b"trial" in body), f"{body[:40]}: {answer}"


CHECKS = (other_sites, ways_out, scripts, hosts, cookies, credentials, splitting)
