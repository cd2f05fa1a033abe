//! The commands that read a ledger, on one that a server wrote.

use super::{file_of, lines, start};
use crate::http::client::Http;
use crate::parity::client::Ftp;
use crate::peer::{Peer, put};
use crate::server::{Server, run};
use serde_json::{Value, json};
use std::path::Path;

/// A server at which much was done: what it knows is in the ledger.
fn busy() -> Server {
    let server = start("");
    let mut peer = Peer::connect(&server);
    assert_eq!(peer.log_in("all", "pencil").letter, 'K');
    for name in ["one", "two", "three", "gone", "d/a", "d/b"] {
        let content = name.repeat(5);
        peer.send(&put(
            json!({"path": name, "parents": true}),
            content.as_bytes(),
        ));
        peer.expect('K');
    }
    assert_eq!(peer.ask('R', &json!({"path": "d", "to": "e"})).letter, 'K');
    assert_eq!(peer.ask('F', &json!({"path": "gone"})).letter, 'K');
    peer.send(&put(json!({"path": "two", "overwrite": true}), b"newer"));
    peer.expect('K');
    let mut ftp = Ftp::enter(&server.addresses[1], "ann");
    ftp.store("STOR mine", b"content of ann");
    ftp.fetch("RETR mine").expect("content");
    ftp.expect("DELE yours", 550);
    let mut http = Http::of(&server.addresses[2], "rita");
    assert_eq!(http.get("/two").body, b"newer");
    assert_eq!(http.put("/no", b"x").code, 403);
    // The last of it is written without being waited for.
    crate::server::eventually("all of it", || lines(&file_of(&server)).len() == 14);
    server
}

fn forkftpd(server: &Server, words: &str) -> (Option<i32>, String) {
    let config = server.folder().join("forkftpd.toml");
    let config = config.to_str().expect("text");
    let mut arguments: Vec<_> = words.split(' ').collect();
    arguments.extend(["--config", config]);
    run(&arguments)
}

/// Those lines that a list shows.
fn listed(server: &Server, words: &str) -> Vec<Value> {
    let command = format!("receipts list --json {words}");
    let (code, text) = forkftpd(server, command.trim_end());
    assert_eq!(code, Some(0), "{text}");
    let parsed = |line| serde_json::from_str(line).expect("JSON");
    text.lines().map(parsed).collect()
}

#[test]
fn lists_show_what_is_asked_for() {
    let server = busy();
    let all = lines(&file_of(&server));
    assert_eq!(listed(&server, ""), all);
    assert_eq!(listed(&server, "-n 2"), all[12..]);
    let id = all[0]["id"].as_str().expect("id");
    for (words, count) in [
        ("--user all", 9),
        ("--user ann --face ftp", 3),
        ("--user nobody", 0),
        ("--deed upload", 9),
        ("--failed", 2),
        ("--path d", 3),
        ("--path /e/", 1),
        ("--path ann/mine", 2),
        (&format!("--id {id}"), 1),
        ("--since 1h", 14),
        ("--until 1h", 0),
        ("--since 2020-01-01 --until 2020-01-02", 0),
    ] {
        assert_eq!(listed(&server, words).len(), count, "{words}");
    }
    let (code, text) = forkftpd(&server, "receipts list --deed rename");
    assert_eq!(code, Some(0));
    let row = text.lines().nth(1).expect("row");
    assert!(row.contains("rename") && row.ends_with("d -> e"), "{text}");
    // A damaged line is said, and costs nothing else.
    let path = file_of(&server);
    let sound = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, format!("\x1b[31m\n{sound}")).expect("write");
    let (code, text) = forkftpd(&server, "receipts list");
    assert_eq!(code, Some(0));
    assert_eq!(text.lines().count(), 1 + 14 + 1, "{text}");
    assert!(!text.contains('\x1b') && text.contains("1 line of the ledger cannot be read"));
}

#[test]
fn verify_finds_what_is_not_as_it_was_put() {
    let server = busy();
    let library = server.library();
    let verify = |words: &str| forkftpd(&server, &format!("receipts verify{words}"));
    let (code, text) = verify("");
    assert_eq!((code, &*text), (Some(0), "6 files as stored\n"));
    // One byte, as long as before; a file that is gone; one that is longer; and one that nobody put.
    std::fs::write(library.join("one"), "onEoneoneoneone").expect("write");
    std::fs::remove_file(library.join("e/a")).expect("remove");
    std::fs::write(library.join("ann/mine"), "longer than it was").expect("write");
    std::fs::write(library.join("found"), "x").expect("write");
    let (code, text) = verify("");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("altered     \"one\" (another blake3;"),
        "{text}"
    );
    assert!(text.contains("missing     \"e/a\" ("), "{text}");
    assert!(
        text.contains("altered     \"ann/mine\" (18 bytes instead of 14;"),
        "{text}"
    );
    assert!(
        text.ends_with("3 files as stored, 1 missing, 2 altered\n"),
        "{text}"
    );
    let (code, text) = verify(" --sizes --all");
    assert_eq!(code, Some(1));
    assert!(text.contains("unknown     \"found\" (1 B)"), "{text}");
    assert!(
        text.ends_with("4 files as stored, 1 missing, 1 altered, 1 without a receipt\n"),
        "{text}"
    );
    let (_, text) = verify(" --json");
    let told: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let last = told.last().expect("summary");
    assert_eq!(
        (&last["missing"], &last["altered"], &last["sound"]),
        (&1.into(), &2.into(), &3.into())
    );
    assert!(
        told.iter()
            .any(|line| line["problem"] == "missing" && line["path"] == "e/a")
    );
    // A link in the place of a file leads nowhere.
    std::fs::remove_file(library.join("one")).expect("remove");
    std::os::unix::fs::symlink("/etc/passwd", library.join("one")).expect("link");
    let (_, text) = verify("");
    assert!(text.contains("missing     \"one\""), "{text}");
    // All in order again; but the ledger is damaged.
    std::fs::remove_file(library.join("one")).expect("remove");
    std::fs::write(library.join("one"), "one".repeat(5)).expect("write");
    std::fs::write(library.join("e/a"), "d/a".repeat(5)).expect("write");
    std::fs::write(library.join("ann/mine"), "content of ann").expect("write");
    assert_eq!(verify("").0, Some(0));
    let path = file_of(&server);
    let sound = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, format!("{sound}{{\"half\n")).expect("write");
    let (code, text) = verify("");
    assert_eq!(code, Some(1));
    assert!(text.contains("ledger.jsonl:15 of the ledger"), "{text}");
}

/// What was rotated away, and packed, is read with the rest.
#[test]
fn rotated_ledgers_are_read_in_their_order() {
    let server = busy();
    let path = file_of(&server);
    let text = std::fs::read_to_string(&path).expect("read");
    let all: Vec<_> = text.lines().collect();
    let write = |name: &str, lines: &[&str]| {
        let at = server.folder().join(name);
        std::fs::write(&at, lines.join("\n") + "\n").expect("write");
        at
    };
    let old = write("ledger.jsonl.2", &all[..5]);
    write("ledger.jsonl.1", &all[5..9]);
    write("ledger.jsonl", &all[9..]);
    let packed = std::process::Command::new("gzip").arg(&old).status();
    assert!(packed.expect("gzip").success());
    assert_eq!(listed(&server, "").len(), 14);
    assert_eq!(listed(&server, "")[0], lines_of(&text)[0]);
    assert_eq!(forkftpd(&server, "receipts verify").0, Some(0));
    // Named one by one, in any order.
    let named = |name: &str| {
        server
            .folder()
            .join(name)
            .to_str()
            .expect("text")
            .to_owned()
    };
    let (one, two) = (named("ledger.jsonl.1"), named("ledger.jsonl.2.gz"));
    let words = format!("receipts list --json --ledger {one} {two}");
    let (code, text) = run(&words.split(' ').collect::<Vec<_>>());
    assert_eq!((code, text.lines().count()), (Some(0), 9));
    assert_eq!(text.lines().next(), Some(all[0]));
}

fn lines_of(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn the_numbers_of_stats_add_up() {
    let server = busy();
    let all = lines(&file_of(&server));
    let sum = |deed: &str, key: fn(&Value) -> u64| -> u64 {
        let meant = |line: &&Value| line["deed"] == deed && line["outcome"] == "ok";
        all.iter().filter(meant).map(key).sum()
    };
    let bytes = |line: &Value| line["size"].as_u64().unwrap_or(0);
    for by in ["day", "hour", "user", "face"] {
        let (code, text) = forkftpd(&server, &format!("stats --json --by {by}"));
        assert_eq!(code, Some(0), "{text}");
        let told: Value = serde_json::from_str(&text).expect("JSON");
        let total = &told["total"];
        assert_eq!(total["uploads"], sum("upload", |_| 1));
        assert_eq!(total["uploaded"], sum("upload", bytes));
        assert_eq!(total["downloads"], sum("download", |_| 1));
        assert_eq!(total["downloaded"], sum("download", bytes));
        assert_eq!(
            (&total["deletes"], &total["renames"], &total["failed"]),
            (&1.into(), &1.into(), &2.into())
        );
        let rows = told["rows"].as_array().expect("rows");
        for key in ["uploads", "uploaded", "downloads", "downloaded", "failed"] {
            let of_rows: u64 = rows
                .iter()
                .map(|row| row[key].as_u64().expect("number"))
                .sum();
            assert_eq!(total[key], of_rows, "{key} by {by}");
        }
        let count = match by {
            "day" => 30,
            "hour" => 48,
            _ => 3,
        };
        assert_eq!(rows.len(), count, "{by}");
    }
    let (_, text) = forkftpd(&server, "stats --by user");
    let ann = text
        .lines()
        .find(|line| line.starts_with("ann"))
        .expect("ann");
    let cells: Vec<_> = ann.split_whitespace().collect();
    assert_eq!(
        cells,
        ["ann", "1", "14", "B", "1", "14", "B", "0", "0", "1"]
    );
    let picture = server.folder().join("picture.svg");
    let words = format!("stats --svg {}", picture.display());
    assert_eq!(forkftpd(&server, &words), (Some(0), String::new()));
    let text = std::fs::read_to_string(picture).expect("picture");
    assert!(text.starts_with("<svg") && text.contains("prefers-color-scheme:dark"));
}

#[test]
fn a_ledger_that_is_not_there_or_unsafe_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("folder");
    let config = folder.path().join("forkftpd.toml");
    let library = folder.path().join("library");
    std::fs::create_dir(&library).expect("library");
    let check = |text: &str| {
        let text = format!(
            "library = \"library\"\n{text}\n[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\n"
        );
        std::fs::write(&config, text).expect("write");
        run(&["check", "--config", config.to_str().expect("text")])
    };
    let at = |name: &str| folder.path().join(name);
    std::os::unix::fs::symlink("/dev/null", at("link")).expect("link");
    private(&at("loose"), 0o666);
    for (key, said) in [
        ("ledger_file = \"library/ledger\"", "forkftpd.toml:2: "),
        ("ledger_file = \"none/ledger\"", "its folder is not there"),
        ("ledger_file = \"link\"", "is a link"),
        ("ledger_file = \"loose\"", "chmod go-w"),
        ("xferlog = \"x\"\nledger_file = \"x\"", "forkftpd.toml:3: "),
    ] {
        let (code, text) = check(key);
        assert!(code == Some(1) && text.contains(said), "{key}: {text}");
    }
    let (code, text) = check("ledger_file = \"ledger\"");
    assert!(code == Some(0) && text.contains("ledger "), "{text}");
    // To look is not to make.
    assert!(!at("ledger").exists());
    for (words, said) in [
        ("receipts list", "it is not there"),
        ("stats", "it is not there"),
        ("receipts list --ledger none", "none"),
    ] {
        let mut words: Vec<_> = words.split(' ').collect();
        words.extend(["--config", config.to_str().expect("text")]);
        let (code, text) = run(&words);
        assert!(code == Some(1) && text.contains(said), "{words:?}: {text}");
    }
    check("");
    let (code, text) = run(&["stats", "--config", config.to_str().expect("text")]);
    assert!(
        code == Some(1) && text.contains("names no ledger_file"),
        "{text}"
    );
}

fn private(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, "").expect("write");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}
