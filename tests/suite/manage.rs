//! Folders made, names changed and freed, times set: what each letter does, what it refuses, and who may send it.

use super::peer::{Frame, Peer, put, request};
use super::server::Server;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

/// The code of a refusal, or `ok`.
fn outcome(frame: &Frame) -> String {
    match frame.letter {
        'K' => "ok".into(),
        _ => frame.code(),
    }
}

fn try_out(peer: &mut Peer, letter: char, payload: &Value) -> String {
    outcome(&peer.ask(letter, payload))
}

fn prepare(library: &Path) {
    std::fs::create_dir_all(library.join("folder/deep")).expect("mkdir");
    std::fs::create_dir(library.join("empty")).expect("mkdir");
    std::fs::write(library.join("file"), "twelve bytes").expect("write");
    std::fs::write(library.join("other"), "other").expect("write");
    std::fs::write(library.join("folder/inside"), "inside").expect("write");
    symlink("file", library.join("link")).expect("link");
    symlink("/", library.join("slash")).expect("link");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o666);
    nix::unistd::mkfifo(&library.join("fifo"), mode).expect("fifo");
}

/// A server whose clients have these rights, and its configuration.
fn with_account(account: &str) -> (Server, tempfile::NamedTempFile) {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    std::io::Write::write_all(&mut file, format!("[anonymous]\n{account}\n").as_bytes())
        .expect("write");
    let path = file.path().to_str().expect("path").to_owned();
    (Server::prepared(&["--config", &path], prepare), file)
}

#[test]
fn each_letter_does_what_it_says() {
    for durability in ["full", "none"] {
        let server = Server::prepared(&["--durability", durability], prepare);
        let mut peer = Peer::connect(&server);
        let at = |name: &str| server.library().join(name);
        let hello = peer.hello.json();
        for letter in "MRFST".chars() {
            let commands = hello["commands"].as_str().expect("commands");
            assert!(commands.contains(letter), "{letter}");
        }
        let answer = peer.ask('M', &json!({"path": "new"}));
        assert_eq!((answer.letter, answer.json()), ('K', json!({})));
        assert!(at("new").is_dir());
        assert_eq!(
            try_out(&mut peer, 'M', &json!({"path": "a/b/c", "parents": true})),
            "ok"
        );
        assert_eq!(
            try_out(&mut peer, 'M', &json!({"path": "a/b/c", "parents": true})),
            "ok"
        );
        assert!(at("a/b/c").is_dir());

        let before = at("file").metadata().expect("facts").ino();
        let answer = peer.ask('R', &json!({"path": "file", "to": "a/b/moved"}));
        assert_eq!((answer.letter, answer.json()), ('K', json!({})));
        assert_eq!(at("a/b/moved").metadata().expect("facts").ino(), before);
        assert!(!at("file").exists());
        let over = json!({"path": "a/b/moved", "to": "other", "overwrite": true});
        assert_eq!(try_out(&mut peer, 'R', &over), "ok");
        assert_eq!(peer.get("other"), b"twelve bytes");
        assert_eq!(
            try_out(
                &mut peer,
                'R',
                &json!({"path": "folder", "to": "new/folder"})
            ),
            "ok"
        );
        assert_eq!(peer.get("new/folder/inside"), b"inside");
        server.wait_for("to=new/folder");

        let time = json!({"path": "other", "mtime": -5, "nsec": 999_999_999});
        assert_eq!(try_out(&mut peer, 'T', &time), "ok");
        let entry = peer.ask('S', &json!({"path": "other"})).json();
        let wanted =
            json!({"name": "other", "type": "file", "size": 12, "mtime": -5, "nsec": 999_999_999});
        assert_eq!(entry, wanted);
        let entry = peer.ask('S', &json!({"path": "new/folder"})).json();
        assert_eq!(
            (&entry["type"], &entry["size"]),
            (&json!("folder"), &json!(0))
        );
        assert_eq!(peer.ask('S', &json!({"path": ""})).json()["type"], "folder");

        assert_eq!(
            try_out(&mut peer, 'F', &json!({"path": "new"})),
            "not-empty"
        );
        let all = [
            "new/folder/inside",
            "new/folder/deep",
            "new/folder",
            "new",
            "other",
        ];
        let run: Vec<u8> = all
            .iter()
            .flat_map(|path| request('F', &json!({"path": path})))
            .collect();
        peer.send(&run);
        for path in all {
            assert_eq!(outcome(&peer.next().expect("an answer")), "ok", "{path}");
        }
        assert_eq!(
            try_out(&mut peer, 'S', &json!({"path": "new"})),
            "not-found"
        );
        let line = server.wait_for("path=other bytes=12");
        assert!(line.contains("remove"), "{line}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let server = Server::prepared(&[], prepare);
    let mut peer = Peer::connect(&server);
    std::fs::write(server.library().join(".hidden"), "x").expect("write");
    for (letter, payload, code) in [
        ('M', json!({"path": "file"}), "exists"),
        ('M', json!({"path": "folder"}), "exists"),
        ('M', json!({"path": "link", "parents": true}), "exists"),
        ('M', json!({"path": "no/such"}), "not-found"),
        ('M', json!({"path": "file/below"}), "not-folder"),
        ('M', json!({"path": ".forkftp"}), "name"),
        (
            'M',
            json!({"path": "slash/tmp/forkftp-was-here", "parents": true}),
            "not-found",
        ),
        ('M', json!({"path": ""}), "exists"),
        ('M', json!({"path": "x", "mode": 511}), "request"),
        ('R', json!({"path": "file", "to": "other"}), "exists"),
        (
            'R',
            json!({"path": "file", "to": "folder", "overwrite": true}),
            "is-folder",
        ),
        (
            'R',
            json!({"path": "file", "to": "file", "overwrite": true}),
            "exists",
        ),
        (
            'R',
            json!({"path": "file", "to": "link", "overwrite": true}),
            "exists",
        ),
        (
            'R',
            json!({"path": "file", "to": "fifo", "overwrite": true}),
            "exists",
        ),
        (
            'R',
            json!({"path": "file", "to": ".hidden", "overwrite": true}),
            "name",
        ),
        (
            'R',
            json!({"path": "file", "to": "slash/tmp/x"}),
            "not-found",
        ),
        ('R', json!({"path": "file", "to": "no/such"}), "not-found"),
        ('R', json!({"path": "file", "to": "../up"}), "name"),
        (
            'R',
            json!({"path": "folder", "to": "empty", "overwrite": true}),
            "exists",
        ),
        (
            'R',
            json!({"path": "folder", "to": "other", "overwrite": true}),
            "exists",
        ),
        (
            'R',
            json!({"path": "folder", "to": "folder/deep/folder"}),
            "name",
        ),
        ('R', json!({"path": "link", "to": "x"}), "not-found"),
        ('R', json!({"path": "fifo", "to": "x"}), "not-found"),
        ('R', json!({"path": ".hidden", "to": "x"}), "not-found"),
        ('R', json!({"path": ".forkftp", "to": "x"}), "not-found"),
        ('R', json!({"path": "", "to": "x"}), "denied"),
        ('R', json!({"path": "file"}), "request"),
        ('F', json!({"path": "folder"}), "not-empty"),
        ('F', json!({"path": "link"}), "not-found"),
        ('F', json!({"path": "fifo"}), "not-found"),
        ('F', json!({"path": ".hidden"}), "not-found"),
        ('F', json!({"path": ".forkftp/stage"}), "not-found"),
        ('F', json!({"path": "slash/etc/passwd"}), "not-found"),
        ('F', json!({"path": "absent"}), "not-found"),
        ('F', json!({"path": ""}), "denied"),
        ('F', json!({"path": "folder", "recursive": true}), "request"),
        ('S', json!({"path": "link"}), "not-found"),
        ('S', json!({"path": "fifo"}), "not-found"),
        ('S', json!({"path": ".hidden"}), "not-found"),
        ('S', json!({"path": "file/below"}), "not-folder"),
        ('T', json!({"path": "link", "mtime": 1}), "not-found"),
        ('T', json!({"path": "fifo", "mtime": 1}), "not-found"),
        ('T', json!({"path": "folder", "mtime": 1}), "is-folder"),
        (
            'T',
            json!({"path": "file", "mtime": 1, "nsec": 1_000_000_000}),
            "request",
        ),
        ('T', json!({"path": "file"}), "request"),
    ] {
        assert_eq!(
            try_out(&mut peer, letter, &payload),
            code,
            "{letter} {payload}"
        );
    }
    assert_eq!(peer.get("file"), b"twelve bytes");
    assert_eq!(peer.get("other"), b"other");
    let listed = peer.list(&json!({"path": "", "recursive": true}));
    assert_eq!(
        listed,
        [
            "empty",
            "file",
            "folder",
            "folder/deep",
            "folder/inside",
            "other"
        ]
    );
    let link = std::fs::read_link(server.library().join("link")).expect("link");
    assert_eq!(link, Path::new("file"));
    let time = server
        .library()
        .join("file")
        .metadata()
        .expect("facts")
        .mtime();
    assert!(
        time > 1_700_000_000,
        "the time of the link's target was set"
    );
}

/// A request with a right and without it.
fn needs(right: &str) -> Vec<(char, Value)> {
    match right {
        "mkdir" => vec![
            ('M', json!({"path": "made"})),
            ('M', json!({"path": "folder", "parents": true})),
        ],
        "delete" => vec![
            ('F', json!({"path": "empty"})),
            ('F', json!({"path": "other"})),
        ],
        "rename" => vec![('R', json!({"path": "file", "to": "renamed"}))],
        "overwrite" => vec![('T', json!({"path": "file", "mtime": 7}))],
        "list" | "get" => vec![('S', json!({"path": "file"}))],
        other => panic!("{other}"),
    }
}

#[test]
fn each_right_is_needed() {
    let all = [
        "list",
        "get",
        "put",
        "overwrite",
        "delete",
        "rename",
        "mkdir",
    ];
    let rights = |keep: &dyn Fn(&&&str) -> bool| {
        let kept: Vec<_> = all
            .iter()
            .filter(keep)
            .map(|right| format!("{right:?}"))
            .collect();
        format!("rights = [{}]", kept.join(", "))
    };
    for right in ["mkdir", "delete", "rename", "overwrite", "list", "get"] {
        let (server, _file) = with_account(&rights(&|r| **r == right));
        let mut peer = Peer::connect(&server);
        for (letter, payload) in needs(right) {
            assert_eq!(try_out(&mut peer, letter, &payload), "ok", "{right} alone");
        }
        // Either of two lets one look.
        let both: &[&str] = if matches!(right, "list" | "get") {
            &["list", "get"]
        } else {
            &[right]
        };
        let (server, _file) = with_account(&rights(&|r| !both.contains(r)));
        let mut peer = Peer::connect(&server);
        for (letter, payload) in needs(right) {
            assert_eq!(
                try_out(&mut peer, letter, &payload),
                "denied",
                "all but {right}"
            );
            let mut absent = payload;
            absent["path"] = json!("no/such");
            assert_eq!(
                try_out(&mut peer, letter, &absent),
                "denied",
                "it tells what is there"
            );
        }
        server.wait_for("refused=denied");
    }
    let (server, _file) = with_account(r#"rights = ["rename"]"#);
    let mut peer = Peer::connect(&server);
    let over = json!({"path": "file", "to": "other", "overwrite": true});
    assert_eq!(
        try_out(&mut peer, 'R', &over),
        "denied",
        "replacing is a right of its own"
    );
    let plain = std::fs::read(server.library().join("other")).expect("read");
    assert_eq!(plain, b"other");
}

#[test]
fn a_get_under_way_outlives_its_name() {
    let content = super::peer::noise(24 << 20, 3);
    let server = Server::prepared(&["--durability", "none"], |library| {
        std::fs::write(library.join("large"), &content).expect("write");
    });
    let (mut one, mut two) = (Peer::connect(&server), Peer::connect(&server));
    one.send(&request('G', &json!({"path": "large"})));
    let start = one.expect('K');
    assert_eq!(start.json()["size"], content.len());
    // More is on its way than the kernel holds, so that the server is in the middle of it.
    assert_eq!(try_out(&mut two, 'F', &json!({"path": "large"})), "ok");
    assert_eq!(
        try_out(&mut two, 'S', &json!({"path": "large"})),
        "not-found"
    );
    let mut got = Vec::new();
    loop {
        let frame = one.next().expect("data");
        match frame.letter {
            'D' => got.extend_from_slice(&frame.payload),
            'Z' => break,
            other => panic!("{other}"),
        }
    }
    assert!(got == content, "the whole file");
}

#[test]
fn puts_before_a_request_are_there_when_it_is_answered() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(&server);
    let mut run = put(json!({"path": "a", "size": 3}), b"one");
    run.extend(request('R', &json!({"path": "a", "to": "b"})));
    run.extend(put(json!({"path": "a", "size": 3}), b"two"));
    run.extend(request('F', &json!({"path": "a"})));
    peer.send(&run);
    for what in ["put", "rename", "put", "remove"] {
        assert_eq!(outcome(&peer.next().expect("an answer")), "ok", "{what}");
    }
    assert_eq!(peer.list(&json!({"path": ""})), ["b"]);
    assert_eq!(peer.get("b"), b"one");
}
