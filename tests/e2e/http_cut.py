#!/usr/bin/env python3
"""What does a consumer find under the final name after an upload by HTTP that failed half-way? Asked of any HTTP server that takes PUT.

    http_cut.py HOST PORT LIBRARY_PATH [--tls] [--fresh] [--size BYTES] [--modes a,b,...] [--kill-child COMMAND]

LIBRARY_PATH is the folder, on this machine, that is served as /. Before each mode the target is a good file of 500,000 bytes (with
--fresh: absent); then another is sent over it and fails at six tenths. One row is printed for each mode:

    mode TAB OLD|NEW|TRUNC|EMPTY|GONE|MIXED TAB status [TAB names left beside it]

The status is that of the answer, `-` where nobody was left to hear one or none came. The modes:

    ok              nothing fails: NEW
    kill            the client's process is killed
    rst             the connection is reset
    half            the client has no more to send (shutdown), though its Content-Length says otherwise, and waits for an answer
    chunk-cut       in chunks: the connection ends in the middle of one
    chunk-last      all chunks but the last, empty one came, and the client waits for an answer
    chunk-bad       what should be the head of a chunk is none
    form            a form in one file of which the connection ends
    form-no-end     the form is whole but for its last boundary, the body but for nothing: only the form says that it is cut
    form-chunk-last the form is whole, the body in chunks is not
    no-notify       (TLS only) the connection ends without close_notify
    child           (with --kill-child) the server's process is killed
"""
import argparse, os, signal, socket, ssl, struct, subprocess, sys, time

TARGET = "cut-target.bin"
BOUNDARY = "c1da5f9e0b"
PLAIN = ["ok", "kill", "rst", "half", "chunk-cut", "chunk-last", "chunk-bad", "form", "form-no-end", "form-chunk-last"]


def wait_until(what, seconds=15):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Cut:
    def __init__(self, options):
        self.options = options
        self.path = os.path.join(options.library, TARGET)
        times = options.size // 250
        self.old, self.new = bytes(range(250)) * 2000, bytes(255 - byte for byte in range(250)) * times
        self.cut = options.size * 6 // 10

    def connect(self):
        sock = socket.create_connection((self.options.host, self.options.port), timeout=10)
        if self.options.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock)
        return sock

    def head(self, fields, method="PUT", path=TARGET):
        host = f"{self.options.host}:{self.options.port}"
        return "\r\n".join([f"{method} /{path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()

    def put(self):
        return self.head([f"Content-Length: {len(self.new)}"])

    def post(self, *fields):
        return self.head([f"Content-Type: multipart/form-data; boundary={BOUNDARY}", *fields], "POST", "")

    def form(self):
        return (f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{TARGET}\"\r\n\r\n".encode() + self.new,
                f"\r\n--{BOUNDARY}--\r\n".encode())

    def status(self, sock):
        """The status of the answer, or `-`."""
        answer = b""
        try:
            while b"\r\n" not in answer:
                piece = sock.recv(4096)
                if not piece:
                    break
                answer += piece
        except OSError:
            pass
        finally:
            sock.close()
        return answer[9:12].decode() if answer.startswith(b"HTTP/1.1 ") else "-"

    def state(self):
        try:
            with open(self.path, "rb") as file:
                found = file.read()
        except FileNotFoundError:
            return "GONE"
        for name, content in (("OLD", self.old), ("NEW", self.new)):
            if found == content:
                return name
        return "EMPTY" if not found else "TRUNC" if self.new.startswith(found) else "MIXED"

    def names(self):
        return {name for name in os.listdir(self.options.library) if name != ".forkftp"}

    def prepare(self):
        """OLD under the target's name, or nothing; made by the server itself, so that it may replace it."""
        if self.options.fresh and os.path.exists(self.path):
            os.unlink(self.path)
        if not self.options.fresh:
            sock = self.connect()
            sock.sendall(self.head([f"Content-Length: {len(self.old)}"]) + self.old)
            assert self.status(sock) in ("200", "201", "204"), "OLD was not taken"
        wait_until(lambda: self.state() == ("GONE" if self.options.fresh else "OLD"))

    def die(self):
        ready, word = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                sock = self.connect()
                sock.sendall(self.put() + self.new[:self.cut])
                os.write(word, b".")
                signal.pause()
            except BaseException as error:
                print(f"client: {error!r}", file=sys.stderr)
            os._exit(1)
        os.close(word)
        came = os.read(ready, 1)
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert came == b".", "the client did not come to the point of its death"
        return "-"

    def run(self, mode):
        """Does it, and gives the answer's status."""
        if mode == "kill":
            return self.die()
        sock = self.connect()
        half, whole = self.new[:self.cut], self.new
        chunk = lambda data: b"%x\r\n%s\r\n" % (len(data), data)
        chunked = self.head(["Transfer-Encoding: chunked"])
        if mode == "ok":
            sock.sendall(self.put() + whole)
            return self.status(sock)
        if mode in ("rst", "child", "no-notify"):
            sock.sendall(self.put() + half)
            if mode == "child":
                subprocess.run(self.options.kill_child, shell=True, check=True, timeout=20)
                return self.status(sock)
            if mode == "rst":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # An SSLSocket says no goodbye when it is only closed.
            sock.close()
            return "-"
        form, end = self.form()
        in_chunks = self.post("Transfer-Encoding: chunked")
        sent = {
            "half": self.put() + half,
            "chunk-cut": chunked + b"%x\r\n" % len(whole) + half,
            "chunk-last": chunked + chunk(whole),
            "chunk-bad": chunked + chunk(half) + b"bad\n",
            "form": self.post(f"Content-Length: {len(form + end)}") + form[:self.cut],
            "form-no-end": self.post(f"Content-Length: {len(form)}") + form,
            "form-chunk-last": in_chunks + chunk(form + end),
        }[mode]
        sock.sendall(sent)
        if self.options.tls:
            # One way of a TLS connection cannot be shut alone by this library: it says goodbye and leaves.
            if mode not in ("chunk-bad", "form-no-end"):
                try:
                    sock = sock.unwrap()
                except OSError:
                    pass
        elif mode not in ("chunk-bad", "form-no-end"):
            sock.shutdown(socket.SHUT_WR)
        return self.status(sock)

    def settled(self):
        """The state, once it has not changed for 100 ms: a server may go on for a moment after it has hung up."""
        last, since = None, 0.0
        end = time.monotonic() + 5
        while time.monotonic() < end:
            state = self.state()
            if state != last:
                last, since = state, time.monotonic()
            elif time.monotonic() - since > 0.1:
                break
            time.sleep(0.02)
        return last


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("library")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--fresh", action="store_true", help="there is no file of that name before")
    parser.add_argument("--size", type=int, default=500_000, help="bytes of the new file, a multiple of 250 (500000)")
    parser.add_argument("--modes", help="only these, with commas between")
    parser.add_argument("--kill-child", help="a command that kills the server's process for this client")
    options = parser.parse_args()
    cut = Cut(options)
    every = PLAIN + ["no-notify"] * options.tls + ["child"] * bool(options.kill_child)
    modes = options.modes.split(",") if options.modes else every
    for mode in modes:
        cut.prepare()
        before = cut.names()
        status = cut.run(mode)
        state = cut.settled()
        left = sorted(cut.names() - before - {TARGET})
        print("\t".join([mode, state, status, *([" ".join(map(ascii, left))] if left else [])]), flush=True)


if __name__ == "__main__":
    main()
