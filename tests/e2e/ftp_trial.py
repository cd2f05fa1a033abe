"""What the FTP checks share: sessions with the server that ftp.sh has started, and its library on this machine's disk."""
import os
from ftp_raw import Ftp

PORT, TLS_PORT = int(os.environ["PORT"]), int(os.environ["TLS_PORT"])
LIBRARY = os.environ["LIBRARY"].encode()
USER, PASSWORD = os.environ["FTP_USER"], os.environ["FTP_PASSWORD"]


def session(folder=None, port=PORT, user=USER, **how):
    """A session of the user, in binary type, in a new folder of that name where one is given."""
    ftp = Ftp(port, user=user, password=PASSWORD, **how)
    ftp.expect("TYPE I", 200)
    if folder:
        ftp.expect(f"MKD {folder}", 257)
        ftp.expect(f"CWD {folder}", 250)
    return ftp


def on_disk(*path):
    return os.path.join(LIBRARY, *(part if isinstance(part, bytes) else part.encode() for part in path))


def content(*path):
    with open(on_disk(*path), "rb") as file:
        return file.read()


def features(ftp):
    reply = ftp.expect("FEAT", 211)
    assert reply.lines[0].startswith(b"211-") and reply.lines[-1].startswith(b"211 "), reply
    assert all(line.startswith(b" ") and not line.startswith(b"  ") for line in reply.lines[1:-1]), reply
    return [line[1:].decode() for line in reply.lines[1:-1]]
