"""FTP by hand, for the tests that misbehave: every byte, every connection and every end of one is the test's own choice.

Works against any FTP server. A check that fails raises AssertionError. Names are bytes or text (UTF-8); replies keep their bytes.
"""
import re, socket, ssl, struct, sys, time, traceback


class Reply:
    """One reply: its code, and its lines without their ends."""

    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[0][:3])

    @property
    def text(self):
        return b"\n".join(self.lines).decode("utf-8", "surrogateescape")

    def __repr__(self):
        return repr(self.text[:300])


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def reset(sock):
    """Ends a connection as a crash of the machine's network would: with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def sockets(local_port, remote_port):
    """The rows of the system's table of TCP sockets for this end of a connection: (state, bytes unsent, bytes unread)."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = open(table).read().splitlines()[1:]
        except FileNotFoundError:
            continue
        for row in rows:
            fields = row.split()
            if tuple(int(end.rsplit(":", 1)[1], 16) for end in fields[1:3]) == (local_port, remote_port):
                unsent, unread = (int(count, 16) for count in fields[4].split(":"))
                yield fields[3], unsent, unread


def is_pair_open(server_port, our_port):
    """Whether the server's end of a loopback connection still belongs to a process: what tells that it has noticed our death."""
    # Established, or half closed by us: the states in which an end waits for its own process.
    return any(state in ("01", "08") for state, _, _ in sockets(server_port, our_port))


def is_all_read(sock):
    """Whether the server's process has read all that was sent over this loopback connection."""
    here, there = sock.getsockname()[1], sock.getpeername()[1]
    return all(unsent == 0 for _, unsent, _ in sockets(here, there)) and all(unread == 0 for _, _, unread in sockets(there, here))


def wait_until(what, seconds=15):
    """Tries every 10 ms until it is true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"waited {seconds} s in vain for {getattr(what, '__name__', what)}"
        time.sleep(0.01)


class Ftp:
    """One control connection, its greeting read.

    tls: None, "explicit" (AUTH TLS, PBSZ, PROT P) or "implicit". `version` is "1.2" or "1.3" when only that one may be spoken.
    """

    def __init__(self, port, host="127.0.0.1", user=None, password=None, tls=None, version=None, source=None, timeout=20,
                 greeting=True):
        self.host, self.port, self.timeout = host, port, timeout
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.settimeout(timeout)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.private = False
        self.resume = True
        self.context = None
        self.listening = None
        if tls:
            self.context = client_context(version)
        if tls == "implicit":
            self.handshake()
            self.private = True
        if greeting:
            self.greeting = self.reply()
            assert self.greeting.code == 220, self.greeting
        if tls == "explicit":
            self.secure_control()
        if user is not None:
            self.login(user, password)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()
        if self.listening:
            self.listening.close()

    # The control connection.

    def handshake(self):
        self.sock = self.context.wrap_socket(self.sock, suppress_ragged_eofs=False)

    def secure_control(self, protect=True):
        self.expect("AUTH TLS", 234)
        assert not self.buffer, self.buffer
        self.context = self.context or client_context()
        self.handshake()
        if protect:
            self.expect("PBSZ 0", 200)
            self.expect("PROT P", 200)
            self.private = True

    def login(self, user, password):
        reply = self.ask(b"USER " + as_bytes(user))
        if reply.code == 331:
            reply = self.ask(b"PASS " + as_bytes(password))
        assert reply.code == 230, reply
        return reply

    def send(self, data):
        self.sock.sendall(as_bytes(data))

    def command(self, line):
        self.send(as_bytes(line) + b"\r\n")

    def line(self):
        while b"\r\n" not in self.buffer:
            assert len(self.buffer) < 1 << 20, "a reply line without an end"
            piece = self.sock.recv(65536)
            if not piece:
                raise EOFError(f"end of the control connection after {self.buffer[:200]!r}")
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        assert b"\n" not in line and b"\r" not in line, f"a bare line end in a reply: {line!r}"
        return line

    def reply(self):
        first = self.line()
        assert re.match(rb"[1-5][0-5][0-9][ -]", first), f"no reply: {first[:200]!r}"
        lines = [first]
        if first[3:4] == b"-":
            while not lines[-1].startswith(first[:3] + b" "):
                assert len(lines) < 100_000, "a reply without an end"
                lines.append(self.line())
        return Reply(lines)

    def ask(self, line):
        self.command(line)
        return self.reply()

    def expect(self, line, *codes):
        """The command is answered by one of these codes (a number below 10 stands for a whole class)."""
        return self.check(line, self.ask(line), *codes)

    def expect_reply(self, *codes):
        return self.check("(next reply)", self.reply(), *codes)

    @staticmethod
    def check(line, reply, *codes):
        fits = any(code in (reply.code, reply.code // 100) for code in codes)
        assert fits, f"{line!r} was answered {reply} instead of {codes}"
        return reply

    def silent(self, seconds):
        """Nothing is said for so long."""
        assert not self.buffer, f"{self.buffer[:200]!r} where there should be silence"
        self.sock.settimeout(seconds)
        try:
            piece = self.sock.recv(1000)
        except (TimeoutError, ssl.SSLWantReadError):
            return
        finally:
            self.sock.settimeout(self.timeout)
        assert False, f"{piece!r} where there should be silence"

    def alive(self):
        self.expect("NOOP", 200)

    def quit(self):
        self.expect("QUIT", 221)
        self.expect_end()
        self.close()

    def rest_of_it(self):
        """Everything until the end of the connection; a reset is an end, too."""
        data, self.buffer = self.buffer, b""
        try:
            while piece := self.sock.recv(65536):
                data += piece
        except (ConnectionError, ssl.SSLError):
            pass
        return data

    def expect_end(self, *codes):
        """The connection ends, after replies of these codes at most."""
        rest = self.rest_of_it()
        for line in rest.split(b"\r\n"):
            if line[3:4] == b" ":
                assert int(line[:3]) in codes, f"{line!r} before the end"

    # Data connections.

    def epsv(self):
        reply = self.expect("EPSV", 229)
        return int(re.search(rb"\(\|\|\|(\d+)\|\)", reply.lines[-1])[1])

    def pasv(self):
        reply = self.expect("PASV", 227)
        numbers = [int(n) for n in re.search(rb"(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", reply.lines[-1]).groups()]
        return ".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5]

    def dial(self, epsv=True, source=None):
        """A data connection to where the server says; without TLS as yet."""
        host, port = (self.host, self.epsv()) if epsv else self.pasv()
        return self.connect_data(host, port, source)

    def connect_data(self, host, port, source=None):
        data = socket.socket(self.sock.family)
        data.settimeout(self.timeout)
        if source:
            data.bind((source, 0))
        data.connect((host, port))
        data.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return data

    def listen(self, extended=True):
        """Tells the server to connect to us, for active mode; the reply to it."""
        self.listening = socket.socket(self.sock.family)
        self.listening.settimeout(self.timeout)
        ours = self.sock.getsockname()[0]
        self.listening.bind((ours, 0))
        self.listening.listen(1)
        port = self.listening.getsockname()[1]
        if extended:
            return self.ask(f"EPRT |{2 if ':' in ours else 1}|{ours}|{port}|")
        return self.ask(f"PORT {ours.replace('.', ',')},{port >> 8},{port & 255}")

    def secure(self, data, resume=None):
        """TLS over a data connection where PROT P was said, resuming the control connection's session."""
        if not self.private:
            return data
        session = self.sock.session if (self.resume if resume is None else resume) else None
        return self.context.wrap_socket(data, suppress_ragged_eofs=False, session=session)

    def begin(self, command, rest=None, epsv=True, active=False):
        """Begins a transfer: the data connection once the server has said 150 or 125."""
        if active:
            reply = self.listen()
            assert reply.code == 200, reply
        data = None if active else self.dial(epsv)
        if rest is not None:
            self.expect(f"REST {rest}", 350)
        try:
            self.began = self.expect(command, 1)
        except AssertionError:
            if data:
                data.close()
            raise
        if active:
            data = self.listening.accept()[0]
            data.settimeout(self.timeout)
            self.listening.close()
            self.listening = None
        return self.secure(data)

    def refused(self, command, *codes, rest=None):
        """A transfer that is not begun; the data connection was there."""
        data = self.dial()
        if rest is not None:
            self.expect(f"REST {rest}", 350)
        try:
            return self.expect(command, *codes)
        finally:
            data.close()

    def retrieve(self, command, **how):
        """All bytes of a transfer from the server, which has to say 226."""
        data = self.begin(command, **how)
        received = read_all(data)
        self.last = self.expect_reply(226, 250)
        return received

    def store(self, command, content, **how):
        """A whole upload; the reply to it."""
        data = self.begin(command, **how)
        data.sendall(content)
        finish(data)
        self.last = self.reply()
        return self.last

    def put(self, name, content, **how):
        reply = self.store(b"STOR " + as_bytes(name), content, **how)
        assert reply.code in (226, 250), reply
        return reply

    def get(self, name, **how):
        return self.retrieve(b"RETR " + as_bytes(name), **how)

    def names(self, path=""):
        """The names of MLSD, as bytes, with their facts."""
        found = {}
        for line in self.retrieve(b"MLSD " + as_bytes(path) if path else b"MLSD").split(b"\r\n"):
            if line:
                facts, name = line.split(b" ", 1)
                assert name not in found, f"{name!r} twice"
                found[name] = dict(fact.decode().lower().split("=", 1) for fact in facts.split(b";") if fact)
        return {name: facts for name, facts in found.items() if facts.get("type") not in ("cdir", "pdir")}


def client_context(version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = {
            "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    return context


def read_all(data):
    """Everything until the orderly end; under TLS that is close_notify, and anything else is an error."""
    received = bytearray()
    while piece := data.recv(1 << 16):
        received += piece
    if isinstance(data, ssl.SSLSocket):
        data = data.unwrap()
    data.close()
    return bytes(received)


def finish(data):
    """The orderly end of what we sent: under TLS with close_notify. The server's in answer is not asked for: some give none."""
    if isinstance(data, ssl.SSLSocket):
        try:
            data = data.unwrap()
        except OSError:
            pass
    data.close()


def finish_without_notify(data):
    """The end of the connection without the end of the TLS session: what a cut looks like."""
    data.shutdown(socket.SHUT_WR)  # an SSLSocket sends no close_notify here
    data.close()


def run_each(*checks):
    """Every check, one after another; says which have failed and where, and then fails."""
    failed = 0
    for check in checks:
        try:
            check()
        except Exception as error:
            failed += 1
            own = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.endswith("ftp_raw.py")]
            print(f"{check.__name__}: line {own[-1].lineno}: {own[-1].line}\n    {type(error).__name__}: {error}", file=sys.stderr)
    if failed:
        sys.exit(f"{failed} of {len(checks)} checks failed")
