"""Frames by hand, for the tests that misbehave: every byte on the wire is the test's own choice.

The environment has PORT, and SECRET_FILE of the server under test. A check that fails raises AssertionError.
"""
import hashlib, json, os, socket, struct, sys, threading, time
from drive_client import mac_of
from urllib.parse import quote_from_bytes

PORT = int(os.environ.get("PORT", "0"))


def secret():
    with open(os.environ["FORKFTP_SECRET_FILE"], "rb") as file:
        return file.read().rstrip()


def frame(letter, payload=b"", length=None):
    """One frame; a length that is not the payload's is a lie told on purpose."""
    if isinstance(payload, (dict, list)):
        payload = json.dumps(payload)
    if isinstance(payload, str):
        payload = payload.encode()
    letter = letter if isinstance(letter, bytes) else letter.encode()
    return letter + struct.pack(">I", len(payload) if length is None else length) + payload


def put_frames(path, data, **options):
    """A whole put: P, D, Z."""
    digest = {"digest": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return b"".join([frame("P", {"path": quote_from_bytes(path), "digest": "sha256", **options}),
                     *(frame("D", data[i:i + 65536]) for i in range(0, len(data), 65536)), frame("Z", digest)])


def exactly(sock, count):
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise EOFError(f"end of the connection after {len(data)} of {count} bytes")
        data += piece
    return bytes(data)


class Checks:
    """Checks that run side by side, each in a thread; `finish` waits for all, and fails when one of them did."""

    def __init__(self, *checks):
        self.failures = []
        self.threads = [threading.Thread(target=self.run, args=(check,), daemon=True) for check in checks]
        for thread in self.threads:
            thread.start()

    def run(self, check):
        try:
            check()
        except BaseException as error:
            self.failures.append(f"{check.__name__}: {type(error).__name__} {error}")

    def running(self):
        return any(thread.is_alive() for thread in self.threads)

    def finish(self):
        for thread in self.threads:
            thread.join()
        assert not self.failures, "\n" + "\n".join(self.failures)


class Raw:
    """One connection; `proof=True` makes the handshake as well."""

    def __init__(self, proof=True, port=None, source=None, receive_buffer=None, timeout=20, pair=None):
        if pair is None:
            self.sock = socket.socket(socket.AF_INET)
            if receive_buffer:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source:
                self.sock.bind((source, 0))
            self.sock.settimeout(timeout)
            self.sock.connect(("127.0.0.1", port or PORT))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.sock = pair
            self.sock.settimeout(timeout)
        self.first = None
        if proof:
            self.hello = self.expect("H")
            self.prove()
            self.expect("K")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def proof(self, role=b"client", mac="hmac-sha256", key=None, hello=None, nonce=None, **changes):
        """The frame A, right unless something is changed."""
        nonce = nonce or os.urandom(32)
        mac_hex = mac_of(key or secret(), mac, role, hello or self.hello, nonce)
        return frame("A", {"nonce": nonce.hex(), "mac": mac, "proof": mac_hex} | changes)

    def prove(self, **how):
        self.send(self.proof(**how))

    def send(self, data):
        self.sock.sendall(data)

    def exactly(self, count):
        return exactly(self.sock, count)

    def receive(self):
        letter, length = struct.unpack(">cI", self.exactly(5))
        return letter.decode("latin-1"), self.exactly(length)

    def expect(self, letter):
        got, payload = self.receive()
        assert got == letter, f"{got} {payload[:300]!r} instead of {letter}"
        return payload

    def expect_code(self, *codes):
        """The next frame is E with one of these codes."""
        error = json.loads(self.expect("E"))
        assert error["code"] in codes, f"{error} instead of {codes}"
        assert isinstance(error["message"], str) and "\n" not in error["message"], error
        return error

    def expect_end(self):
        """Nothing more comes, and the connection ends (a reset is an end, too)."""
        try:
            rest = self.sock.recv(65536)
        except ConnectionError:
            return
        assert not rest, f"{rest[:200]!r} where the end should be"

    def ends_with(self, *codes):
        """An error, and then the end. A reset may swallow the error when we were still sending."""
        try:
            self.expect_code(*codes)
            self.expect_end()
        except (ConnectionError, EOFError) as error:
            raise AssertionError(f"the end without E {codes}: {error}") from None

    def alive(self):
        """The session goes on: an echo comes back."""
        self.send(frame("N", b"still there?"))
        assert self.expect("N") == b"still there?"

    def listing(self, path=""):
        self.send(frame("L", {"path": path}))
        return self.read_listing()

    def read_listing(self):
        lines = b""
        while True:
            letter, payload = self.receive()
            if letter == "D":
                assert payload.endswith(b"\n"), "a D that does not end with a whole line"
                lines += payload
            else:
                assert letter == "Z", (letter, payload)
                entries = [json.loads(line) for line in lines.splitlines()]
                assert json.loads(payload)["entries"] == len(entries)
                return {entry["name"]: entry for entry in entries}

    def get(self, path, **options):
        """The bytes of a file, checked; None for what `E not-found` refuses."""
        self.send(frame("G", {"path": path, "digest": "sha256", **options}))
        return self.read_get()

    def read_get(self):
        letter, payload = self.receive()
        if letter == "E":
            assert json.loads(payload)["code"] == "not-found", payload
            return None
        assert letter == "K", (letter, payload)
        data = bytearray()
        while True:
            letter, payload = self.receive()
            if letter == "Z":
                assert json.loads(payload)["digest"] == hashlib.sha256(data).hexdigest(), "digest"
                return bytes(data)
            assert letter == "D", (letter, payload)
            data += payload

    def reset(self):
        """Ends the connection as a crash would: with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def until_end(sock, seconds):
    """Reads and forgets until the peer ends the connection; how long that took, or None."""
    start = time.monotonic()
    sock.settimeout(seconds)
    try:
        while time.monotonic() - start < seconds:
            if not sock.recv(1 << 20):
                return time.monotonic() - start
    except TimeoutError:
        return None
    except ConnectionError:
        return time.monotonic() - start
    return None
