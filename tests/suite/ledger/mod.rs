//! The ledger: a line for everything that was done with a file, whoever asked for it and by whichever protocol, true to what the client
//! heard; and the commands that read it.

mod accidents;
mod commands;
mod faces;
mod telling;

use super::server::{Server, eventually};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Drive, FTP and HTTP, in the clear.
const CONFIG: &str = r#"durability = "none"
ledger_file = "ledger.jsonl"
shares_file = "shares.json"
[anonymous]
rights = ["list", "get"]
[[listen]]
address = "127.0.0.1:0"
proof = "none"
login = "optional"
[[listen]]
address = "127.0.0.1:0"
protocol = "ftp"
tls = "off"
[[listen]]
address = "127.0.0.1:0"
protocol = "http"
tls = "off"
login = "optional"
"#;

const EVERYTHING: &str =
    "rights = [\"list\", \"get\", \"put\", \"overwrite\", \"delete\", \"rename\", \"mkdir\"]";

/// A server with the users all, ann, who lives in the folder of her name, and rita, who only reads.
fn start(keys: &str) -> Server {
    let ann = format!("{EVERYTHING}\nhome = \"ann\"");
    let users = [
        ("all", "pencil", EVERYTHING),
        ("ann", "pencil", &*ann),
        ("rita", "pencil", "rights = [\"list\", \"get\"]"),
    ];
    Server::configured(&format!("{keys}\n{CONFIG}"), &users, |library| {
        std::fs::create_dir(library.join("ann")).expect("home");
    })
}

fn file_of(server: &Server) -> PathBuf {
    server.folder().join("ledger.jsonl")
}

/// What stands in the ledger: every line is whole.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("ledger");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let parsed = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    text.lines().map(parsed).collect()
}

/// The next `count` lines after those that were `seen`, once they are there; and no more.
fn next(server: &Server, seen: &mut usize, count: usize) -> Vec<Value> {
    let path = file_of(server);
    eventually("lines in the ledger", || {
        lines(&path).len() >= *seen + count
    });
    let new = lines(&path).split_off(*seen);
    assert_eq!(new.len(), count, "{new:?}");
    *seen += count;
    new
}

/// The next line, which says this of a deed.
fn expect(server: &Server, seen: &mut usize, deed: &str, outcome: &str, path: &str) -> Value {
    let line = next(server, seen, 1).remove(0);
    let found = (&line["deed"], &line["outcome"], &line["path"]);
    assert_eq!(
        found,
        (&deed.into(), &outcome.into(), &path.into()),
        "{line}"
    );
    line
}
