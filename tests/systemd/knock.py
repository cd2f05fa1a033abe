"""Knocks at the three doors, over and over, until the file DONE is there: each time somebody has to answer as the protocol begins.
knock.py DONE COUNT: how often they did stands in the file COUNT. Ends with 1 at the first door that stays shut."""
import os, socket, sys, time

done, count = sys.argv[1], sys.argv[2]
DOORS = [(8888, b"", b"H"), (21, b"", b"220"), (8443, b"GET /-/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"HTTP/1.1 200")]
answered = 0
while not os.path.exists(done):
    for port, asks, says in DOORS:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
                peer.sendall(asks)
                heard = b""
                while len(heard) < len(says):
                    more = peer.recv(4096)
                    if not more:
                        break
                    heard += more
        except OSError as error:
            sys.exit(f"port {port} after {answered} answers: {error}")
        if not heard.startswith(says):
            sys.exit(f"port {port} after {answered} answers: {heard[:80]!r}")
        answered += 1
    with open(count + ".new", "w") as file:
        file.write(f"{answered}\n")
    os.rename(count + ".new", count)
    time.sleep(0.01)
