#!/usr/bin/env python3
"""A drive server that knows one user, by a verifier that forkftpd made, and a login written from RFC 5802 alone. It prints its port, then
what it saw, a line each.

login_server.py required|optional|none|lying USER VERIFIER
"""
import base64, hashlib, hmac, json, os, socket, struct, sys
from raw import exactly, frame

how, user, verifier = sys.argv[1:]
scheme, cost, keys = verifier.split("$")
iterations, salt = cost.split(":")
stored, server_key = (base64.b64decode(key) for key in keys.split(":"))
assert scheme == "SCRAM-SHA-256", scheme


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def serve(sock):
    said = None
    sock.sendall(frame("H", {"protocol": "forkftp/1", "nonce": os.urandom(32).hex(), "macs": [], "login": "required" if how == "lying" else how,
                             "mechanisms": ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], "digests": ["blake3"], "commands": "LNQ",
                             "limits": {"control": 65536, "data": 8388608, "idle": 300}}))
    while True:
        letter, length = struct.unpack(">cI", exactly(sock, 5))
        payload = exactly(sock, length)
        if letter == b"U" and said is None:
            first = json.loads(payload)["message"]
            header, bare = first[:3], first[3:]
            assert header == "n,,", first
            name, nonce = bare.split(",")
            if name != "n=" + user:
                sock.sendall(frame("E", {"code": "login", "message": "login refused"}))
                continue
            nonce = nonce[2:] + base64.b64encode(os.urandom(24)).decode()
            said = f"r={nonce},s={salt},i={iterations}"
            sock.sendall(frame("K", {"message": said}))
        elif letter == b"U":
            final, proof = json.loads(payload)["message"].rsplit(",p=", 1)
            assert final == f"c=biws,r={nonce}", final
            signed = f"{bare},{said},{final}"
            client_key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), mac(stored, signed)))
            right = hashlib.sha256(client_key).digest() == stored
            print("right" if right else "wrong", flush=True)
            if not right and how != "lying":
                sock.sendall(frame("E", {"code": "login", "message": "login refused"}))
                continue
            signature = bytes(32) if how == "lying" else mac(server_key, signed)
            sock.sendall(frame("K", {"message": "v=" + base64.b64encode(signature).decode(), "user": user, "rights": ["list"]}))
        elif letter == b"N":
            print("echo", flush=True)
            sock.sendall(frame("N", payload))
        elif letter == b"Q":
            sock.sendall(frame("K", {}))
            return
        else:
            sock.sendall(frame("E", {"code": "letter", "message": "not here"}))


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    with listener.accept()[0] as sock:
        try:
            serve(sock)
        except (OSError, EOFError):
            print("gone", flush=True)
