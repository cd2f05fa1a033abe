#!/usr/bin/env python3
"""Types the commands of a page into a terminal, as whoever follows the page does. Run by `run`, which stands beside it.

    typist.py PAGE                        prints the headings that have commands below them
    typist.py PAGE HEADING USER FAILED    types those, as USER in their home, and prints what the terminal shows

$PASSWORD answers who asks for a password. What ended with another status than 0 goes to the file FAILED: the status and the command.
"""
import os
import pty
import pwd
import re
import select
import sys
import termios
import time

SECONDS = 90
ASKS = re.compile(rb"[Pp]assword[^\r\n]*: ?$")


def commands(page):
    """(heading, commands) of each section that has some: what stands between fences."""
    found, heading, block = [], "", None
    for line in open(page, encoding="utf-8"):
        if line.startswith("```"):
            if block is not None:
                found.append((heading, "".join(block)))
            block = [] if block is None else None
        elif block is not None:
            block.append(line)
        elif line.startswith("## "):
            heading = line[3:].strip()
    sections = {}
    for heading, block in found:
        sections[heading] = sections.get(heading, "") + block
    return sections


def begin(lines, user, failed):
    """A shell of USER at a terminal of its own: that terminal."""
    entry = pwd.getpwnam(user)
    pid, terminal = pty.fork()
    if pid == 0:
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.chdir(entry.pw_dir)
        note = f"trap 'echo \"$? $BASH_COMMAND\" >>{failed}' ERR\n"
        own = {"HOME": entry.pw_dir, "USER": user, "LOGNAME": user, "TERM": "dumb", "SYSTEMD_PAGER": "cat", "LC_ALL": "C.UTF-8"}
        # As Debian has it for who is not root: what is in sbin takes sudo.
        own["PATH"] = "/usr/local/bin:/usr/bin:/bin"
        os.execve("/bin/bash", ["bash", "-c", note + lines], own)
    return pid, terminal


def hides_what_is_typed(terminal):
    return not termios.tcgetattr(terminal)[3] & termios.ECHO


def converse(terminal, password):
    """Shows what the terminal does, and answers, until the shell has gone."""
    end, line = time.monotonic() + SECONDS, b""
    while True:
        if time.monotonic() > end:
            sys.exit(f"no end within {SECONDS} s")
        asked = ASKS.search(line)
        # Who asks first and hides what is typed afterwards forgets what was typed in between.
        if asked and hides_what_is_typed(terminal):
            os.write(terminal, password + b"\n")
            line = b""
        if not select.select([terminal], [], [], 0.05 if asked else 1)[0]:
            continue
        try:
            shown = os.read(terminal, 65536)
        except OSError:
            return
        if not shown:
            return
        sys.stdout.buffer.write(shown.replace(b"\r", b""))
        sys.stdout.buffer.flush()
        line = (line + shown).rsplit(b"\n", 1)[-1]


def main():
    sections = commands(sys.argv[1])
    if len(sys.argv) == 2:
        print("\n".join(sections))
        return
    _, _, heading, user, failed = sys.argv
    if heading not in sections:
        sys.exit(f"the page has no commands below {heading!r}")
    pid, terminal = begin(sections[heading], user, failed)
    try:
        converse(terminal, os.environ["PASSWORD"].encode())
    finally:
        # Whoever is still there has lost the terminal, and goes.
        os.close(terminal)
    os.waitpid(pid, 0)


main()
