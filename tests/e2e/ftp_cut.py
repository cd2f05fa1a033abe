#!/usr/bin/env python3
"""What does a consumer find under the final name after an upload that failed half-way? Asked of any FTP server.

    ftp_cut.py HOST PORT USER PASSWORD LIBRARY_PATH [--tls] [--fresh] [--silence SECONDS] [--modes a,b,...]

LIBRARY_PATH is the folder, on this machine, that the user sees as /. Before each mode the target is a good file of 500,000 bytes
(with --fresh: absent); then another of the same size is sent over it and fails at 300,000 bytes. One row is printed for each mode:

    mode TAB OLD|NEW|TRUNC|EMPTY|GONE|MIXED TAB reply [TAB names left beside it]

The reply has the codes that came after the 150, `-` where nobody was left to hear one or none came. The modes:

    ok                  nothing fails: NEW
    kill                the client's process is killed; the system ends the data connection first, the control connection next
    kill-control-first  the same, the other way round
    rst                 the data connection is reset, the control connection lives
    rst-both            both are reset
    nodata              the data connection never comes
    abor                ABOR in mid-transfer
    allo                ALLO has announced the size, the data connection ends early and orderly, the control connection lives
    no-notify           (TLS only) the data connection ends without close_notify, the control connection lives
    early               the data connection ends early and orderly, nothing was announced: in plain FTP nobody can tell it from a whole file
"""
import argparse, os, signal, sys, time
from ftp_raw import Ftp, finish, finish_without_notify, is_pair_open, reset, wait_until

OLD = bytes(range(250)) * 2000
NEW = bytes(255 - byte for byte in range(250)) * 2000
CUT = 300_000
TARGET = "cut-target.bin"
PLAIN = ["ok", "kill", "kill-control-first", "rst", "rst-both", "nodata", "abor", "allo", "early"]
SECURE = [*PLAIN, "no-notify"]


class Cut:
    def __init__(self, options):
        self.options = options
        self.path = os.path.join(options.library, TARGET)

    def session(self):
        options = self.options
        ftp = Ftp(options.port, options.host, options.user, options.password, "explicit" if options.tls else None,
                  timeout=options.silence)
        ftp.expect("TYPE I", 200)
        return ftp

    def prepare(self):
        """OLD under the target's name, or nothing; made by the server itself, so that it may replace it."""
        with self.session() as ftp:
            if self.options.fresh and os.path.exists(self.path):
                ftp.expect(f"DELE {TARGET}", 250)
            if not self.options.fresh:
                ftp.put(TARGET, OLD)
            ftp.quit()
        wait_until(lambda: self.state() == ("GONE" if self.options.fresh else "OLD"))

    def state(self):
        try:
            with open(self.path, "rb") as file:
                found = file.read()
        except FileNotFoundError:
            return "GONE"
        for name, content in (("OLD", OLD), ("NEW", NEW)):
            if found == content:
                return name
        return "EMPTY" if not found else "TRUNC" if NEW.startswith(found) else "MIXED"

    def names(self):
        return {name for name in os.listdir(self.options.library) if name != ".forkftp"}

    def half(self, ftp):
        """Begins the upload and sends what comes before the cut."""
        data = ftp.begin(f"STOR {TARGET}")
        data.sendall(NEW[:CUT])
        return data

    def codes(self, ftp):
        """The codes that come until the server has no more to say: a NOOP is answered, or the connection ends, or silence."""
        codes = []
        try:
            codes.append(ftp.reply().code)
            ftp.command("NOOP")
            while True:
                reply = ftp.reply()
                if reply.code == 200:
                    break
                codes.append(reply.code)
        except (OSError, EOFError):
            pass
        return "+".join(map(str, codes)) or "-"

    def die(self, control_first):
        """A client whose process is killed in mid-transfer; comes back when the server has let go of both connections."""
        ready, word = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                ftp = self.session()
                data = self.half(ftp)
                # The system closes descriptors in the order of their numbers: the control connection has the lower one.
                control, low = ftp.sock.fileno(), min(ftp.sock.fileno(), data.fileno())
                ports = f"{ftp.sock.getpeername()[1]} {ftp.sock.getsockname()[1]} " \
                        f"{data.getpeername()[1]} {data.getsockname()[1]}"
                if not control_first and control == low:
                    spare = os.dup(control)
                    os.dup2(data.fileno(), control)
                    os.dup2(spare, data.fileno())
                    os.close(spare)
                os.write(word, ports.encode())
                signal.pause()
            except BaseException as error:
                print(f"client: {error!r}", file=sys.stderr)
            os._exit(1)
        os.close(word)
        ports = os.read(ready, 100).split()
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert len(ports) == 4, "the client did not come to the point of its death"
        control_there, control_here, data_there, data_here = map(int, ports)
        wait_until(lambda: not is_pair_open(control_there, control_here) and not is_pair_open(data_there, data_here),
                   self.options.silence)
        return "-"

    def abort(self, ftp):
        data = self.half(ftp)
        ftp.command("ABOR")
        ftp.sock.settimeout(2)  # some servers say nothing until the data connection ends: that is the silence waited for
        try:
            codes = [ftp.reply().code]
        except TimeoutError:
            codes = []
        ftp.sock.settimeout(self.options.silence)
        data.close()
        rest = self.codes(ftp)
        return "+".join([*map(str, codes), *([rest] if rest != "-" else [])])

    def run(self, mode):
        """Does it, and gives the reply's codes."""
        if mode in ("kill", "kill-control-first"):
            return self.die(mode == "kill-control-first")
        with self.session() as ftp:
            if mode == "ok":
                return str(ftp.put(TARGET, NEW).code)
            if mode == "nodata":
                ftp.epsv()
                ftp.command(f"STOR {TARGET}")
                codes = self.codes(ftp)
                return codes.removeprefix("150+")
            if mode == "abor":
                return self.abort(ftp)
            if mode == "allo":
                ftp.expect(f"ALLO {len(NEW)}", 200, 202)
            data = self.half(ftp)
            if mode == "rst":
                reset(data)
            elif mode == "rst-both":
                pair = ftp.sock.getpeername()[1], ftp.sock.getsockname()[1]
                there = data.getpeername()[1], data.getsockname()[1]
                reset(data)
                reset(ftp.sock)
                wait_until(lambda: not is_pair_open(*pair) and not is_pair_open(*there), self.options.silence)
                return "-"
            elif mode == "no-notify":
                finish_without_notify(data)
            else:
                finish(data)
            return self.codes(ftp)

    def settled(self):
        """The state, once it has not changed for 300 ms: a server may go on for a moment after it has hung up."""
        last, since = None, 0.0
        end = time.monotonic() + 5
        while time.monotonic() < end:
            state = self.state()
            if state != last:
                last, since = state, time.monotonic()
            elif time.monotonic() - since > 0.3:
                break
            time.sleep(0.02)
        return last


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("library")
    parser.add_argument("--tls", action="store_true", help="explicit TLS on both connections")
    parser.add_argument("--fresh", action="store_true", help="there is no file of that name before")
    parser.add_argument("--silence", type=float, default=15, help="how long to wait for a server that says nothing (15)")
    parser.add_argument("--modes", help="only these, with commas between")
    options = parser.parse_args()
    cut = Cut(options)
    for mode in options.modes.split(",") if options.modes else SECURE if options.tls else PLAIN:
        cut.prepare()
        before = cut.names()
        reply = cut.run(mode)
        state = cut.settled()
        left = sorted(cut.names() - before - {TARGET})
        for name in left:  # some servers refuse the next upload while it is there
            try:
                os.unlink(os.path.join(options.library, name))
            except OSError:
                pass
        print("\t".join([mode, state, reply, *([" ".join(map(ascii, left))] if left else [])]), flush=True)


if __name__ == "__main__":
    main()
