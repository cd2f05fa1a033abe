"""A journal for tests: takes entries of systemd's native protocol at the given socket, strictly, and writes each as a line of JSON to
standard output, with the process that sent it."""
import json, os, re, socket, struct, sys

sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
sock.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
print(json.dumps({"MESSAGE": "ready"}), flush=True)


def fields(data):
    while data:
        line, data = data.split(b"\n", 1)
        key, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", data)
            value, end, data = data[8 : 8 + length], data[8 + length : 9 + length], data[9 + length :]
            assert len(value) == length and end == b"\n", data
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]*", key), key
        yield key.decode(), value.decode()


while True:
    data, ancillary, flags, _ = sock.recvmsg(1 << 18, socket.CMSG_SPACE(12))
    assert not flags & socket.MSG_TRUNC
    (pid, _, _), = (struct.unpack("3i", content) for level, kind, content in ancillary if kind == socket.SCM_CREDENTIALS)
    entry = {}
    for key, value in fields(data):
        assert key not in entry, key
        entry[key] = value
    print(json.dumps(entry | {"_PID": pid}), flush=True)
