#!/usr/bin/env python3
"""A drive server that lies, to see what the client believes. It prints its port and serves one way of lying until it is killed.

fake_server.py escape|list-escape|digest|short|long|garbage|proof|none|huge|message|terminal
"""
import hashlib, json, os, socket, struct, sys, threading
from drive_client import mac_of
from raw import exactly, frame

DATA = b"what the server sends\n" * 1000
EVIL = ["../../evil", "/tmp/evil-absolute", "a/../../evil", "..", ".", "", "a//evil", "evil%0Aline", "a%00evil", "%2E%2E/evil", ".hidden-evil",
        "a/.ssh/evil", "./evil"]


def lines(entries):
    return b"".join(json.dumps({"name": name, "type": kind, "size": size, "mtime": 1700000000}).encode() + b"\n" for name, kind, size in entries)


def serve(sock, lie):
    secret = open(os.environ["FORKFTP_SECRET_FILE"], "rb").read().rstrip()
    hello = json.dumps({"protocol": "forkftp/1", "nonce": os.urandom(32).hex(), "macs": ["hmac-sha256", "hmac-md5"], "login": "none",
                        "digests": ["sha256", "md5"], "commands": "GLNPQ",
                        "limits": {"control": 65536, "data": 8388608, "idle": 300}}).encode()
    sock.sendall(frame("H", hello))
    while True:
        letter, length = struct.unpack(">cI", exactly(sock, 5))
        payload = exactly(sock, length)
        if letter == b"A":
            asked = json.loads(payload)
            proof = mac_of(secret if lie != "proof" else b"not the secret at all", asked["mac"], b"server", hello, bytes.fromhex(asked["nonce"]))
            sock.sendall(frame("K", {"proof": proof}))
        elif letter == b"L":
            entries = [("good", "file", len(DATA))]
            if lie == "escape":
                entries = [(name, "file", len(DATA)) for name in EVIL] + entries
            elif lie == "list-escape":
                entries = [("..", "folder", 0), ("../out", "folder", 0), ("../out/evil", "file", len(DATA))] + entries
            elif lie == "terminal":
                entries = [("red %1B[31m", "file", 1), ("c1 \u009b31m", "file", 1), ("raw %9B31m", "file", 1), ("bidi \u202etxt", "file", 1)] + entries
            elif lie == "garbage":
                sock.sendall(frame("D", b"{]\n"))
            body = lines(entries)
            sock.sendall(frame("D", body) + frame("Z", {"entries": len(entries)}))
        elif letter == b"G":
            asked = json.loads(payload)
            if lie == "huge":
                sock.sendall(frame("K", {"size": 1 << 60, "offset": 0, "length": 1 << 60, "mtime": 0}) + frame("D", b"", 0xfffffff0))
                continue
            if lie == "message":
                sock.sendall(frame("E", {"code": "denied", "message": "no \x1b[31mred\nforged line \u009b31m"}))
                continue
            digest = hashlib.new(asked.get("digest", "sha256") if asked.get("digest") in ("sha256", "md5") else "sha256")
            digest.update(DATA)
            announced = len(DATA) + (7 if lie == "short" else -7 if lie == "long" else 0)
            proof = "00" * 32 if lie == "digest" else digest.hexdigest()
            sock.sendall(frame("K", {"size": announced, "offset": 0, "length": announced, "mtime": 1700000000})
                         + frame("D", DATA) + frame("Z", {"digest": proof}))
        elif letter == b"Q":
            sock.sendall(frame("K", {}))
            return
        else:
            sock.sendall(frame("E", {"code": "letter", "message": "not here"}))


def one(sock, lie):
    try:
        serve(sock, lie)
    except (OSError, EOFError):
        pass
    finally:
        sock.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=one, args=(listener.accept()[0], sys.argv[1]), daemon=True).start()


if __name__ == "__main__":
    main()
