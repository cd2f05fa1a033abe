#!/usr/bin/env python3
"""A client for forkftp's drive protocol, written from src/wire/PROTOCOL.md alone.

drive_client.py [--secret-file F] [--mac hmac-sha256|hmac-md5] [--user NAME --password-file F] HOST PORT
                list [PATH]|get NAME LOCAL|put LOCAL NAME|ping|quit|demo
Exit status: 0 done, 1 refused, 2 usage, 3 no connection, 4 proof or login.
"""
import argparse, base64, hashlib, hmac, json, os, select, socket, struct, sys, time
from urllib.parse import quote_from_bytes, unquote_to_bytes


class Refused(Exception):
    """An E frame from the server."""
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


def mac_of(secret, mac, role, hello, nonce):
    """The proof of one role over the transcript (no TLS: an empty exporter)."""
    parts = [b"forkftp/1 proof\0", role, b"\0", mac.encode(), b"\0",
             struct.pack(">I", len(hello)), hello, struct.pack(">I", len(nonce)), nonce, struct.pack(">I", 0)]
    return hmac.new(secret, b"".join(parts), {"hmac-sha256": "sha256", "hmac-md5": "md5"}[mac]).hexdigest()


def connect(host, port):
    sock = socket.create_connection((host, int(port)))
    return sock.makefile("rb"), sock.makefile("wb")


class Drive:
    def __init__(self, stream_in, stream_out, secret=None, mac=None):
        self.input, self.output = stream_in, stream_out
        hello = self.expect("H")
        self.hello = json.loads(hello)
        if self.hello["protocol"] != "forkftp/1":
            raise Refused("protocol", "the server speaks " + self.hello["protocol"])
        if self.hello["macs"]:
            mac, nonce, secret = mac or self.hello["macs"][0], os.urandom(32), secret or b""
            self.send("A", {"nonce": nonce.hex(), "mac": mac, "proof": mac_of(secret, mac, b"client", hello, nonce)})
            answer = json.loads(self.expect("K"))["proof"]
            if not hmac.compare_digest(answer, mac_of(secret, mac, b"server", hello, nonce)):
                raise Refused("proof", "the server does not know the secret")

    def login(self, user, password):
        """SCRAM-SHA-256 without channel binding, for names and passwords in ASCII, which SASLprep leaves as they are."""
        def ask(message):
            self.send("U", {"message": message})
            return json.loads(self.expect("K"))
        mine = os.urandom(24).hex()
        first = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={mine}"
        challenge = ask("n,," + first)["message"]
        nonce, salt, iterations = (part[2:] for part in challenge.split(",")[:3])
        if not nonce.startswith(mine) or int(iterations) < 4096:
            raise Refused("login", "the server takes no part in this login")
        salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(salt), int(iterations))
        final = f"c=biws,r={nonce}"
        seen = f"{first},{challenge},{final}".encode()
        client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
        mask = hmac.digest(hashlib.sha256(client_key).digest(), seen, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, mask))
        answer = ask(f"{final},p={base64.b64encode(proof).decode()}")
        if answer["message"] != "v=" + base64.b64encode(hmac.digest(server_key, seen, "sha256")).decode():
            raise Refused("login", "the server does not know the user")
        return answer["rights"]

    def send(self, letter, payload=b""):
        payload = json.dumps(payload).encode() if isinstance(payload, dict) else payload
        self.output.write(letter.encode() + struct.pack(">I", len(payload)) + payload)

    def exactly(self, count):
        self.output.flush()
        data = self.input.read(count)
        if len(data) < count:
            raise ConnectionError("the server closed the connection")
        return data

    def receive(self):
        letter, length = struct.unpack(">cI", self.exactly(5))
        return letter.decode(), self.exactly(length)

    def expect(self, letters):
        """The payload of the next frame when one letter will do, letter and payload otherwise."""
        letter, payload = self.receive()
        if letter == "E":
            raise Refused(json.loads(payload)["code"], json.loads(payload)["message"])
        if letter not in letters:
            raise ConnectionError(f"unexpected frame {letter}")
        return payload if len(letters) == 1 else (letter, payload)

    def run(self):
        """The payloads of the D frames of an answer, and at last the object in its Z."""
        while (frame := self.expect("DZ"))[0] == "D":
            yield frame[1]
        yield json.loads(frame[1])

    def list(self, path=b"", recursive=False):
        self.send("L", {"path": quote_from_bytes(path), "recursive": recursive})
        *lines, end = self.run()
        entries = [json.loads(line) for line in b"".join(lines).splitlines()]
        assert end["entries"] == len(entries), "the list is not whole"
        return sorted((unquote_to_bytes(e["name"]), e["type"], e["size"]) for e in entries)

    def get(self, path, target, digest="sha256", **options):
        self.send("G", {"path": quote_from_bytes(path), "digest": digest, **options})
        head, total = json.loads(self.expect("K")), hashlib.new(digest)
        for piece in self.run():
            if isinstance(piece, bytes):
                total.update(piece)
                target.write(piece)
        if piece["digest"] != total.hexdigest():
            raise Refused("digest", "the bytes are not those of the file")
        return head

    def put(self, source, path, digest="sha256", **options):
        total, size = hashlib.new(digest), 0
        self.send("P", {"path": quote_from_bytes(path), "digest": digest, **options})
        while piece := source.read(262144):
            if select.select([self.input], [], [], 0)[0]:  # an answer before the end is a refusal
                self.send("E", {"code": "cancelled", "message": "the server has refused"})
                break
            total.update(piece)
            size += len(piece)
            self.send("D", piece)
        else:
            self.send("Z", {"size": size, "digest": total.hexdigest()})
        return json.loads(self.expect("K"))

    def ping(self, payload=b"ping"):
        start = time.monotonic()
        self.send("N", payload)
        assert self.expect("N") == payload, "the echo is not what was sent"
        return time.monotonic() - start

    def quit(self):
        self.send("Q", {})
        assert json.loads(self.expect("K")) == {} and not self.input.read(1), "no clean end"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in "--secret-file", "--mac", "--user", "--password-file", "host", "port", "command":
        parser.add_argument(name)
    parser.add_argument("args", nargs="*")
    opts = parser.parse_args()
    secret = open(opts.secret_file, "rb").read().rstrip() if opts.secret_file else None
    try:
        drive = Drive(*connect(opts.host, opts.port), secret, opts.mac)
        if opts.user:
            drive.login(opts.user, open(opts.password_file, "rb").read().rstrip(b"\r\n"))
        match [opts.command, *(os.fsencode(arg) for arg in opts.args)]:
            case ["list", *path] if len(path) < 2:
                for name, kind, size in drive.list(*path):
                    print(f"{kind} {size} {name.decode('utf-8', 'backslashreplace')}")
            case ["get", name, local]:
                print("got", drive.get(name, open(local, "wb"))["size"], "bytes")
            case ["put", local, name]:
                print("put", drive.put(open(local, "rb"), name, size=os.stat(local).st_size)["size"], "bytes")
            case ["ping"]:
                print(f"{drive.ping() * 1000:.2f} ms")
            case ["demo"]:
                print("put:", drive.put(open(__file__, "rb"), b"demo.py", overwrite=True))
                print("list:", *drive.list(), sep="\n  ")
                print("get:", drive.get(b"demo.py", open(os.devnull, "wb")))
            case [other, *_] if other != "quit":
                parser.error("that is not a command")
        drive.quit()
    except (Refused, OSError) as error:
        print(f"{opts.command}: {error}", file=sys.stderr)
        return 3 if isinstance(error, OSError) else 4 if error.code in ("proof", "login") else 1


if __name__ == "__main__":
    sys.exit(main())
