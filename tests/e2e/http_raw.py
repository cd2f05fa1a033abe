"""HTTP/1.1 byte by byte: sends what a test wants sent, and takes an answer apart more strictly than any client does."""
import base64, os, re, socket, sys, time, traceback

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
PATIENCE = 10


class Answer:
    def __init__(self, code, fields, body, whole):
        self.code, self.fields, self.body, self.whole = code, fields, body, whole

    def all(self, name):
        return [value for known, value in self.fields if known == name.lower()]

    def __getitem__(self, name):
        values = self.all(name)
        assert len(values) <= 1, f"{name} {len(values)} times: {values}"
        return values[0] if values else None

    def __repr__(self):
        return f"{self.code} {self.fields} {self.body[:200]!r}"


class Raw:
    """A connection; what is left unread of it when it is closed is nobody's concern."""

    def __init__(self, port, source=None):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE, source and (source, 0))
        self.sock.settimeout(PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """False when the server has hung up."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def more(self):
        try:
            came = self.sock.recv(1 << 16)
        except ConnectionResetError:
            came = b""
        self.buffer += came
        return bool(came)

    def until(self, what):
        while what not in self.buffer:
            if not self.more():
                return None
        at = self.buffer.index(what) + len(what)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def exactly(self, count):
        while len(self.buffer) < count and self.more():
            pass
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def answer(self, method="GET"):
        """The next answer; None at the end of the connection."""
        while True:
            head = self.until(b"\r\n\r\n")
            if head is None:
                assert not self.buffer, f"the connection ended within an answer: {self.buffer[:200]!r}"
                return None
            lines = head[:-4].split(b"\r\n")
            assert not any(b"\n" in line or b"\r" in line or b"\0" in line for line in lines), head
            status = re.fullmatch(rb"HTTP/1\.1 (\d\d\d) [A-Za-z -]+", lines[0])
            assert status, lines[0]
            code, fields = int(status[1]), []
            for line in lines[1:]:
                name, colon, value = line.partition(b": ")
                assert colon and TOKEN.fullmatch(name), line
                fields.append((name.lower().decode(), value.decode()))
            if code != 100:
                break
        answer = Answer(code, fields, b"", True)
        if method == "HEAD" or code in (204, 304):
            return answer
        length, coding = answer["content-length"], answer["transfer-encoding"]
        assert length is None or coding is None, answer
        if length is not None:
            answer.body = self.exactly(int(length))
            answer.whole = len(answer.body) == int(length)
        elif coding == "chunked":
            while True:
                size = self.until(b"\r\n")
                if size is None:
                    answer.whole = False
                    break
                piece = self.exactly(int(size, 16) + 2)
                assert piece.endswith(b"\r\n"), piece[-20:]
                answer.body += piece[:-2]
                if int(size, 16) == 0:
                    break
        else:
            assert answer["connection"] == "close", answer
            while self.more():
                pass
            answer.body, self.buffer = self.buffer, b""
        return answer

    def ends(self):
        assert not self.buffer, self.buffer
        assert not self.more(), self.buffer

    def rest(self, *methods):
        """The answers up to the end of the connection, to requests of these methods."""
        answers = []
        for method in [*methods, *["GET"] * 10_000]:
            answer = self.answer(method)
            if answer is None:
                return answers
            answers.append(answer)


def request(method, target, *lines, body=None, host="localhost"):
    """The bytes of a request."""
    fields = [] if host is None else [f"Host: {host}"]
    fields += lines
    if body is not None:
        fields.append(f"Content-Length: {len(body)}")
    as_bytes = [line if isinstance(line, bytes) else line.encode() for line in fields]
    target = target if isinstance(target, bytes) else target.encode()
    return b"\r\n".join([method.encode() + b" " + target + b" HTTP/1.1", *as_bytes, b"", body or b""])


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def run_each(*checks):
    """Every check, one after another; says which have failed and where, and then fails."""
    failed = 0
    only = os.environ.get("CHECKS", "").split()
    for check in checks:
        if only and check.__name__ not in only:
            continue
        began = time.monotonic()
        try:
            check()
            if only:
                print(f"{check.__name__}: {time.monotonic() - began:.1f} s")
        except Exception as error:
            failed += 1
            own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.endswith("http_raw.py")]
            print(f"{check.__name__}: line {own[-1].lineno}: {own[-1].line}\n    {type(error).__name__}: {str(error)[:600]}", file=sys.stderr)
    if failed:
        sys.exit(f"{failed} of {len(checks)} checks failed")
