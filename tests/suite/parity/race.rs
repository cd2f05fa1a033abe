//! The race of `crate::race`, run by FTP.

use super::client::{Ftp, Reply};
use super::serve;
use crate::race::{assert_raced, bait, facts, lay_traps, length, swap};
use crate::server::PATIENCE;
use crate::walls::contains;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What one thing is tried with.
enum How {
    /// Something is sent, after the command.
    Send,
    /// Something comes.
    Fetch,
    /// Replies alone, to each of the commands in turn for as long as they are good.
    Ask(&'static [u16]),
}

/// All that is tried in one round; `#` stands for its number. Each leaves things so that the next round can do the same.
const ROUND: [(&str, &[&str], How); 24] = [
    ("get", &["RETR door/file"], How::Fetch),
    ("list", &["LIST door"], How::Fetch),
    ("list all", &["LIST -R door"], How::Fetch),
    ("names", &["NLST door/*"], How::Fetch),
    ("facts", &["MLSD door"], How::Fetch),
    ("stat of a folder", &["STAT door"], How::Ask(&[212])),
    ("facts of a file", &["MLST door/file"], How::Ask(&[250])),
    ("size", &["SIZE door/file"], How::Ask(&[213])),
    ("digest", &["HASH door/file"], How::Ask(&[213])),
    ("time", &["MFMT 20200101000000 door/file"], How::Ask(&[213])),
    ("mode", &["SITE CHMOD 644 door/file"], How::Ask(&[200])),
    ("go there", &["CWD door", "CWD /"], How::Ask(&[250, 250])),
    ("put", &["STOR door/new-#"], How::Send),
    ("append", &["APPE door/new-#"], How::Send),
    ("make", &["MKD door/made-#"], How::Ask(&[257])),
    (
        "rename within",
        &["RNFR door/new-#", "RNTO door/moved-#"],
        How::Ask(&[350, 250]),
    ),
    ("put beside", &["STOR top-#"], How::Send),
    (
        "rename into",
        &["RNFR top-#", "RNTO door/in-#"],
        How::Ask(&[350, 250]),
    ),
    (
        "rename out of",
        &["RNFR door/moved-#", "RNTO out-#"],
        How::Ask(&[350, 250]),
    ),
    (
        "rename over",
        &["RNFR out-#", "RNTO door/over"],
        How::Ask(&[350, 250]),
    ),
    ("remove a file", &["DELE door/in-#"], How::Ask(&[250])),
    ("remove a folder", &["RMD door/made-#"], How::Ask(&[250])),
    ("leaf get", &["RETR leaf"], How::Fetch),
    ("leaf size", &["SIZE leaf"], How::Ask(&[213])),
];

#[test]
fn by_ftp_a_folder_that_keeps_becoming_a_link_leads_nowhere_either() {
    for level in ["full", "off"] {
        race(level, length() / 2);
    }
}

fn carry_out(ftp: &mut Ftp, commands: &[String], how: &How) -> Result<Vec<u8>, Reply> {
    match how {
        How::Fetch => ftp.fetch(&commands[0]),
        How::Send => match ftp.store(&commands[0], b"mine") {
            Reply { code: 226, .. } => Ok(Vec::new()),
            refused => Err(refused),
        },
        How::Ask(codes) => {
            let mut said = Vec::new();
            for (command, code) in commands.iter().zip(*codes) {
                let reply = ftp.ask(command);
                if reply.code != *code {
                    return Err(reply);
                }
                said.extend(reply.lines.join("\n").into_bytes());
            }
            Ok(said)
        }
    }
}

fn race(level: &str, length: Duration) {
    let server = serve(&format!("sandbox = {level:?}"), "", "", lay_traps);
    let outside = bait(&server);
    let before = facts(&outside);
    let library = server.library();
    let over = AtomicBool::new(false);
    let mut counts: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&library, &over));
        let mut ftp = Ftp::enter(&server.address, "all");
        let until = Instant::now() + length;
        let mut round = 0;
        // On a busy machine it takes longer until each request has met both the folder and the link.
        let has_raced = |counts: &BTreeMap<&str, [u64; 2]>| {
            counts
                .iter()
                .all(|(what, [refused, served])| *what == "put beside" || refused * served > 0)
        };
        while Instant::now() < until || !has_raced(&counts) && Instant::now() < until + PATIENCE {
            round += 1;
            for (what, commands, how) in &ROUND {
                let number = |command: &&str| command.replace('#', &round.to_string());
                let commands: Vec<_> = commands.iter().map(number).collect();
                let answer = carry_out(&mut ftp, &commands, how);
                if let Ok(said) = &answer {
                    assert!(!contains(said, b"OUTSIDE"), "{what}: a byte from outside");
                    assert!(
                        !contains(said, b"secret-name"),
                        "{what}: a name from outside"
                    );
                    if what.ends_with("size") {
                        assert_eq!(said, b"6", "{what}: facts from outside");
                    }
                }
                counts.entry(what).or_default()[usize::from(answer.is_ok())] += 1;
                if *what == "go there" {
                    ftp.expect("CWD /", 250);
                }
            }
            // The rest of a round that met the link.
            for name in ["top", "out"] {
                ftp.ask(&format!("DELE {name}-{round}"));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(facts(&outside) == before, "something outside was changed");
    assert_raced(&counts);
    assert!(server.staged("stage").is_empty());
}
