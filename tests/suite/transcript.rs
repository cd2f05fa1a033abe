//! The session in `src/wire/PROTOCOL.md` is one that the server really holds, and its proofs are right.

use super::peer::{Frame, Peer, hex, put, request};
use super::server::{SECRET, Server};
use forkftp::proof::{Mac, Role, Secret, Transcript};
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/wire/PROTOCOL.md");
/// What stands there.
const TEXT: &str = include_str!("../../src/wire/PROTOCOL.md");

/// Plays the session of the page, and returns its frames with their directions.
fn play() -> Vec<(char, Frame)> {
    let server = Server::prepared(&["--proof"], |library| {
        let path = library.join("hello.txt");
        std::fs::write(&path, "Hello, drive!\n").expect("write");
        let file = std::fs::File::options()
            .write(true)
            .open(&path)
            .expect("open");
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000))
            .expect("mtime");
    });
    let mut peer = Peer::connect(&server);
    let mut seen = vec![('S', peer.hello.clone())];
    let prove = peer.proof(Mac::Sha256, Role::Client);
    let turns = [
        (request('A', &prove), 1),
        (request('L', &json!({"path": ""})), 2),
        (
            request('G', &json!({"path": "hello.txt", "digest": "sha256"})),
            3,
        ),
        (
            put(
                json!({"path": "notes.txt", "size": 6, "mtime": 1_700_000_001}),
                b"Notes\n",
            ),
            1,
        ),
        (request('G', &json!({"path": "absent.txt"})), 1),
        (request('X', &json!({})), 1),
        (request('Q', &json!({})), 1),
    ];
    for (sent, answers) in turns {
        peer.send(&sent);
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let length = u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]) as usize;
            seen.push((
                'C',
                Frame {
                    letter: char::from(rest[0]),
                    payload: rest[5..5 + length].to_vec(),
                },
            ));
            rest = &rest[5 + length..];
        }
        for _ in 0..answers {
            seen.push(('S', peer.next().expect("an answer")));
        }
    }
    peer.expect_end();
    seen
}

fn dump(session: &[(char, Frame)]) -> String {
    let mut text = String::new();
    for (from, frame) in session {
        for line in frame.bytes().chunks(16) {
            let shown: String = line
                .iter()
                .map(|&b| {
                    if (32..127).contains(&b) {
                        char::from(b)
                    } else {
                        '.'
                    }
                })
                .collect();
            let bytes: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
            writeln!(text, "{from} {:47}  {shown}", bytes.join(" ")).expect("text");
        }
    }
    text
}

fn parse(dump: &str) -> Vec<(char, Frame)> {
    let mut streams: Vec<(char, Vec<u8>)> = Vec::new();
    for line in dump.lines() {
        let from = line.chars().next().expect("direction");
        let bytes = line[2..49]
            .split_whitespace()
            .map(|b| u8::from_str_radix(b, 16).expect("hex"));
        match streams.last_mut() {
            Some((last, stream)) if *last == from => stream.extend(bytes),
            _ => streams.push((from, bytes.collect())),
        }
    }
    let mut frames = Vec::new();
    for (from, stream) in streams {
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let length = u32::from_be_bytes([rest[1], rest[2], rest[3], rest[4]]) as usize;
            frames.push((
                from,
                Frame {
                    letter: char::from(rest[0]),
                    payload: rest[5..5 + length].to_vec(),
                },
            ));
            rest = &rest[5 + length..];
        }
    }
    frames
}

/// What differs in each session: the nonces and what is proved with them, and what the upload is known by.
fn settled(mut session: Vec<(char, Frame)>) -> Vec<(char, Frame)> {
    for (_, frame) in session.iter_mut().take(3) {
        let mut payload = frame.json();
        for key in ["nonce", "proof"] {
            if let Some(value) = payload.get_mut(key) {
                *value = json!("varies");
            }
        }
        frame.payload = payload.to_string().into_bytes();
    }
    let stored = session.iter_mut().map(|(_, frame)| frame);
    for frame in stored.filter(|frame| frame.letter == 'K') {
        let mut payload = frame.json();
        if let Some(id) = payload.get_mut("id") {
            assert_eq!(id.as_str().map(str::len), Some(16));
            *id = json!("varies");
            frame.payload = payload.to_string().into_bytes();
        }
    }
    session
}

fn section(page: &str) -> (usize, usize) {
    let start = page.find("```hexdump\n").expect("the dump") + "```hexdump\n".len();
    (start, start + page[start..].find("```").expect("its end"))
}

/// After a change of the protocol: `FORKFTP_WRITE_TRANSCRIPT=1 cargo test transcript` writes the page anew.
#[test]
fn the_session_on_the_page_is_a_real_one() {
    let page = TEXT;
    let (start, end) = section(page);
    let played = play();
    if std::env::var_os("FORKFTP_WRITE_TRANSCRIPT").is_some() {
        let written = format!("{}{}{}", &page[..start], dump(&played), &page[end..]);
        std::fs::write(Path::new(PAGE), written).expect("write");
        return;
    }
    let told = parse(&page[start..end]);
    assert_eq!(told, parse(&dump(&told)), "the dump reads back");
    for (told, played) in settled(told.clone()).iter().zip(settled(played).iter()) {
        assert_eq!(
            told,
            played,
            "{} on the page, {} played",
            String::from_utf8_lossy(&told.1.payload),
            String::from_utf8_lossy(&played.1.payload)
        );
    }
    assert_eq!(told.len(), 20, "every frame of the session");
}

#[test]
fn the_proofs_on_the_page_are_right() {
    let page = TEXT;
    let (start, end) = section(page);
    let told = parse(&page[start..end]);
    let (hello, prove, proved) = (&told[0].1, told[1].1.json(), told[2].1.json());
    let mut nonce = [0; 32];
    for (i, byte) in nonce.iter_mut().enumerate() {
        *byte = u8::from_str_radix(
            &prove["nonce"].as_str().expect("nonce")[2 * i..2 * i + 2],
            16,
        )
        .expect("hex");
    }
    let secret = Secret::new(SECRET.as_bytes()).expect("secret");
    let seen = Transcript {
        hello: &hello.payload,
        client_nonce: &nonce,
        channel: b"",
    };
    assert_eq!(
        prove["proof"],
        hex(&seen.prove(&secret, Role::Client, Mac::Sha256))
    );
    assert_eq!(
        proved["proof"],
        hex(&seen.prove(&secret, Role::Server, Mac::Sha256))
    );
}
