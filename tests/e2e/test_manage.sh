#!/usr/bin/env bash
# Folders are made, names changed and freed, times set, from the command and from the shell; what cannot be done is said, and costs
# nothing else.
. "$(dirname "$0")/lib.sh"

# What was made here belongs to whom the server runs as.
given() { [ "$(id -u)" -ne 0 ] || chown -Rh nobody "$LIBRARY"; }

mkdir -p "$SCRATCH/here"
printf 'Hello, drive!\n' >"$LIBRARY/hello.txt"
ln -s hello.txt "$LIBRARY/link"
serve
cd "$SCRATCH/here"

# Folders.
expect_status 0 "$FORKFTP" mkdir "$URL/new"
cat "$OUT" "$ERR" | cmp -s - /dev/null || fail "mkdir has something to say"
[ -d "$LIBRARY/new" ] || fail "mkdir made nothing"
expect_status 1 "$FORKFTP" mkdir "$URL/new"
has "$ERR" '^forkftp: mkdir new: .*taken'
expect_status 0 "$FORKFTP" mkdir -p "$URL/new"
expect_status 1 "$FORKFTP" mkdir "$URL/a/b/c"
expect_status 0 "$FORKFTP" mkdir -p "$URL/a/b/c d%FC/"
[ -d "$LIBRARY/a/b/"$'c d\xfc' ] || fail "mkdir -p made something else"

# Names.
expect_status 0 "$FORKFTP" mv "$URL/" hello.txt a/hi.txt
absent "$LIBRARY/hello.txt"
expect_status 0 "$FORKFTP" mv "$URL/a" hi.txt b/
has "$LIBRARY/a/b/hi.txt" Hello
printf 'other\n' >"$LIBRARY/other"
given
expect_status 1 "$FORKFTP" mv "$URL/" other a/b/hi.txt
has "$ERR" '^forkftp: mv other: .*taken'
has "$LIBRARY/a/b/hi.txt" Hello
expect_status 0 "$FORKFTP" mv "$URL/" other a/b/hi.txt --overwrite
has "$LIBRARY/a/b/hi.txt" other
expect_status 1 "$FORKFTP" mv "$URL/" a a/b/a
has "$ERR" 'into itself'
expect_status 1 "$FORKFTP" mv "$URL/" a new --overwrite
expect_status 1 "$FORKFTP" mv "$URL/" link elsewhere
expect_status 2 "$FORKFTP" mv "$URL/" ../x y
expect_status 2 "$FORKFTP" mv "$URL/" a
[ -L "$LIBRARY/link" ] || fail "the link is gone"

# What is there, for people and for programs.
expect_status 0 "$FORKFTP" touch "$URL/a" b/hi.txt --time 2001-02-03T04:05:06.75Z
expect_status 0 "$FORKFTP" stat "$URL/a" b/hi.txt --json
python3 -c 'import json, sys; assert json.load(open(sys.argv[1])) == {"name": "a/b/hi.txt", "type": "file", "size": 6, "mtime": 981173106, "nsec": 750000000}' "$OUT" ||
    fail "stat --json says $(cat "$OUT")"
expect_status 0 "$FORKFTP" stat "$URL/a/b/hi.txt"
has "$OUT" '^size +6 bytes'
expect_status 0 "$FORKFTP" stat "$URL"
has "$OUT" '^type +folder'
expect_status 0 "$FORKFTP" touch "$URL/" a/b/hi.txt
[ $(($(date +%s) - $(stat -c %Y "$LIBRARY/a/b/hi.txt"))) -lt 60 ] || fail "touch did not set the time of now"
expect_status 1 "$FORKFTP" touch "$URL/" a
expect_status 1 "$FORKFTP" touch "$URL/" no-such
absent "$LIBRARY/no-such"
expect_status 2 "$FORKFTP" touch "$URL/" a --time tomorrow
expect_status 1 "$FORKFTP" stat "$URL/" link

# Removing: one name that cannot go does not keep the others, and the status says so.
touch "$LIBRARY"/{one,two}
expect_status 1 "$FORKFTP" rm "$URL/" one no-such two new
absent "$LIBRARY/one" "$LIBRARY/two" "$LIBRARY/new"
[ "$(wc -l <"$ERR")" -eq 1 ] || fail "rm says $(cat "$ERR")"
has "$ERR" '^forkftp: rm no-such: no such'
expect_status 0 "$FORKFTP" rm -f "$URL/" no-such
expect_status 1 "$FORKFTP" rm "$URL/" a
has "$ERR" 'not empty.*-r'
expect_status 1 "$FORKFTP" rm -r "$URL/" link
expect_status 2 "$FORKFTP" rm -r "$URL/"
expect_status 0 "$FORKFTP" rm -r "$URL/" a/
absent "$LIBRARY/a"

# A large tree with names of all kinds goes, and nothing else; what is hidden in it stays, and is said.
mkdir -p "$LIBRARY/tree/x/y/z" "$LIBRARY/tree/100% \"q\"" "$LIBRARY/tree/"$'\xff'
for n in {1..300}; do : >"$LIBRARY/tree/x/y/file $n"; done
touch "$LIBRARY/tree/100% \"q\"/%41" "$LIBRARY/tree/"$'\xff/\xfe' "$LIBRARY/tree/x/y/z/deep"
cp -r "$LIBRARY/tree" "$LIBRARY/second"
ln -s / "$LIBRARY/second/x/y/root"
given
expect_status 0 "$FORKFTP" rm -r "$URL/" tree
absent "$LIBRARY/tree"
expect_status 1 "$FORKFTP" rm -r "$URL/" second
[ "$(cd "$LIBRARY" && find second | sort | tr '\n' ' ')" = "second second/x second/x/y second/x/y/root " ] ||
    fail "rm -r left $(cd "$LIBRARY" && find second)"
has "$ERR" 'rm second/x/y: .*not empty'
[ -e /etc ] || fail "the link was followed"

# put -r brings empty folders along.
mkdir -p src/full src/empty/deeper src/hidden
: >src/full/file
: >src/hidden/.secret
expect_status 0 "$FORKFTP" put -r "$URL/up/" src
made=$(cd "$LIBRARY/up" && find . | sort | tr '\n' ' ')
[ "$made" = ". ./src ./src/empty ./src/empty/deeper ./src/full ./src/full/file ./src/hidden " ] || fail "put -r made $made"

# The shell knows the same words.
mkdir shell
printf '%s\n' 'mkdir -p s/t' 'cd s' 'put ../src/full/file' 'mv file "t/new name"' 'stat "t/new name"' 'touch "t/new name" --time 2001-02-03T04:05:06Z' \
    'mv "t/new name" ./' '-rm absent' 'rm -f absent' 'rm t' 'mkdir u' 'rm -r u /up' quit >commands
(cd shell && expect_status 0 "$FORKFTP" shell "$URL" <../commands)
has "$OUT" '^name +/s/t/new name'
[ "$(stat -c %Y "$LIBRARY/s/new name")" -eq 981173106 ] || fail "the shell did not touch"
absent "$LIBRARY/s/t" "$LIBRARY/up" "$LIBRARY/s/u"
printf '%s\n' 'rm absent' 'mkdir never' | (expect_status 1 "$FORKFTP" shell "$URL")
absent "$LIBRARY/never"
stop

# Who may do what is the operator's to say.
config <<EOT
library = "$LIBRARY"
secret_file = "$SECRET"
[[listen]]
address = "127.0.0.1:0"
[anonymous]
rights = ["list", "get", "put"]
EOT
launch serve --config "$SCRATCH/forkftpd.toml"
printf 'x\n' >"$LIBRARY/file"
given
for words in "mkdir $URL/new" "mv $URL/ file x" "rm $URL/ file" "touch $URL/ file"; do
    # shellcheck disable=SC2086 # a command and its words
    expect_status 1 "$FORKFTP" $words
    has "$ERR" 'permission denied'
done
expect_status 0 "$FORKFTP" stat "$URL/" file
mkdir -p src2/empty
: >src2/file
expect_status 1 "$FORKFTP" put -r "$URL/" src2
has "$ERR" 'empty: permission denied'
stop

# A server of an older version is not asked for what it does not know.
start_in_background python3 "$HERE/fake_server.py" none >"$SCRATCH/port"
wait_for 5 test -s "$SCRATCH/port"
URL=drive://127.0.0.1:$(head -n 1 "$SCRATCH/port")
for words in "mkdir $URL/x" "mv $URL/ a b" "rm $URL/ a" "stat $URL/ a" "touch $URL/ a"; do
    # shellcheck disable=SC2086 # a command and its words
    expect_status 1 "$FORKFTP" $words
    has "$ERR" 'this server cannot'
done
