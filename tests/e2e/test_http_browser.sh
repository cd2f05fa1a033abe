#!/usr/bin/env bash
# A person with nothing but a browser: Chromium, driven through all that the page can do, on a desktop and a phone, with and without
# JavaScript, in English and Chinese; nothing that was stored ever runs, nothing is asked of any other server, and nobody is left out
# (axe-core). Screenshots stay in target/browser. NAMES=... runs some of tests/browser alone.
# Alone: a browser, and what it waits for, take both cores.
. "$(dirname "$0")/lib.sh"
need_client node=nodejs npm chromium

export HTTP_USER=trial HTTP_PASSWORD=s3cret.Pw LIBRARY
export BROWSER_MODULES=${FORKFTP_BROWSER_MODULES:-$REPO/target/browser} BROWSER_SHOTS=$REPO/target/browser/shots
mkdir -p "$BROWSER_MODULES" "$BROWSER_SHOTS"
# Exactly what the lock says, byte for byte.
if ! cmp -s "$REPO/tests/browser/package-lock.json" "$BROWSER_MODULES/package-lock.json" || [ ! -d "$BROWSER_MODULES/node_modules/axe-core" ]; then
    cp "$REPO/tests/browser/package.json" "$REPO/tests/browser/package-lock.json" "$BROWSER_MODULES/"
    timeout 60 npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$BROWSER_MODULES" \
        >"$SCRATCH/npm" 2>&1 || lacking "playwright-core, axe-core (npm: $(tail -n 1 "$SCRATCH/npm"))"
fi

mkdir -p "$LIBRARY/docs/inner" "$LIBRARY/many" "$LIBRARY/work/box"
python3 - "$LIBRARY" <<'END_OF_FILES'
import os, struct, sys, zlib
os.chdir(sys.argv[1])
def put(name, content):
    with open(name, "wb") as file:
        file.write(content)
def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
rows = b"".join(b"\0" + bytes(v for x in range(64) for v in (x * 4, y * 5, 150)) for y in range(48))
put("docs/picture.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
put("docs/script.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48" onload="alert(3)"><script>alert(3)</script><rect width="64" height="48" fill="teal"/></svg>')
parts = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R"
    b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>", b"<</Length 40>>stream\nBT /F1 24 Tf 50 100 Td (A paper) Tj ET   \nendstream"]
paper, places = b"%PDF-1.4\n", []
for i, part in enumerate(parts, 1):
    places.append(len(paper))
    paper += b"%d 0 obj\n%s\nendobj\n" % (i, part)
table = b"".join(b"%010d 00000 n \n" % place for place in places)
put("docs/paper.pdf", paper + b"xref\n0 5\n0000000000 65535 f \n" + table + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(paper))
put("docs/evil.html", b"<script>alert(document.domain); window.ran = 1</script>")
put("docs/<img src=x onerror=alert(1)>\"'&.txt", b"<script>alert(1)</script>")
put("docs/notes 2.txt", b"two\n")
put("docs/notes 10.txt", b"ten\n<b>not bold</b>\n")
put("docs/big.bin", bytes(range(256)) * 9000)
put("docs/inner/deep.txt", b"deep\n")
for i in range(1002):
    put(f"many/file {i:04}.txt", b"%d\n" % i)
END_OF_FILES

cd "$SCRATCH"
add_user "$HTTP_USER" --rights all
# The first server asks everybody who they are, the second lets everybody read, the third takes files of everybody and shows none.
HTTP_PORTS=
start() { # LOGIN [RIGHTS OF EVERYBODY]
    config <<END_OF_CONFIG
library = "library"
users_file = "users.toml"
shares_file = "shares.json"
max_failures = 1000
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
login = "$1"
${2:+[anonymous]
rights = [$2]}
END_OF_CONFIG
    launch serve --config "$SCRATCH/forkftpd.toml"
    HTTP_PORTS="$HTTP_PORTS${HTTP_PORTS:+ }$PORT"
}
start required
start optional '"list", "get"'
start optional '"put"'
export HTTP_PORTS CHROMIUM
CHROMIUM=$(command -v chromium)
# shellcheck disable=SC2086 # several names are several arguments
timeout --kill-after=5 100 node "$REPO/tests/browser/run.mjs" ${NAMES:-} || fail "in the browser"
