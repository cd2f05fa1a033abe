"""Passes standard input on, stops in the middle, and goes on when it is told to: whatever is at the other end waits with it.
gate.py BYTES REACHED GO: after so many bytes the file REACHED is made, and the file GO is waited for."""
import os, sys, time

left, reached, go = int(sys.argv[1]), sys.argv[2], sys.argv[3]
while True:
    block = os.read(0, min(1 << 20, left) if left else 1 << 20)
    if not block:
        break
    if left:
        left -= len(block)
        if not left:
            open(reached, "w").close()
            while not os.path.exists(go):
                time.sleep(0.05)
    while block:
        block = block[os.write(1, block):]
if left:
    sys.exit("the end came before the gate")
