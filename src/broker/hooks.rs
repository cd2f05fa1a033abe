//! What the broker says to a child whose upload is about to show where a hook heeds it: it brings the child and the runner together, with
//! what it knows itself of the upload. Run by the broker.

use super::answer::{Dealing, Outcome, Reply};
use super::boxes::seen_from;
use super::desk::{self, Desk};
use super::keys::Keys;
use crate::error::{Code, Refusal};
use crate::ipc::{Answer, Ask, Client, Order, Uploaded};
use crate::log::{self, Level};
use crate::sys::{Errno, channel};
use crate::wire::name::{self, Name};
use crate::wire::path::RelPath;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest name of a receipt or of a kind of digest, and of a digest.
const LONGEST_ID: usize = 32;
const LONGEST_DIGEST: usize = 128;

impl Keys {
    /// The folders below `home` in which uploads are announced; the root where all are.
    pub(super) fn heeded(&self, home: &RelPath) -> Vec<Name> {
        let folders = self.config.hooks.all.iter().flat_map(|hook| &hook.folders);
        let seen = folders.filter_map(|folder| match folder.is_root() {
            true => Some(&b""[..]),
            false => seen_from(home, folder),
        });
        let mut seen: Vec<_> = seen.map(|folder| Name(folder.to_vec())).collect();
        seen.sort();
        seen.dedup();
        seen
    }
}

impl Dealing {
    pub(super) fn answer_announce(&self, desk: &Desk, client: &Client, question: Ask) -> Outcome {
        let Ask::Announce {
            path,
            id,
            size,
            digest,
            shows,
        } = question
        else {
            return Outcome::CutOff("a question out of its phase");
        };
        let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_id = |text: &str| (1..=LONGEST_ID).contains(&text.len()) && letters(text);
        let is_digest = |(kind, hex): &(String, String)| {
            is_id(kind) && hex.len() <= LONGEST_DIGEST && letters(hex)
        };
        if !is_id(&id) || !digest.as_ref().is_none_or(is_digest) {
            return Outcome::CutOff("an announcement of what is none");
        }
        let path = name::decode(&path).and_then(|path| RelPath::parse(&path).ok());
        let whole = path.zip(self.home()).and_then(|(path, home)| {
            let whole = match home.is_root() {
                true => path.as_bytes().to_vec(),
                false => [home.as_bytes(), b"/", path.as_bytes()].concat(),
            };
            RelPath::parse(&whole).ok()
        });
        let Some(whole) = whole else {
            return Outcome::CutOff("an announcement of what is none");
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let upload = Uploaded {
            id,
            path: name::encode(whole.as_bytes()),
            size,
            digest,
            user: self.user().cloned(),
            face: client.protocol.as_str().to_owned(),
            address: desk::address(client),
            time: since.map_or(0, |since| since.as_millis() as u64),
            shows,
        };
        match bring_together(desk, upload) {
            Ok(theirs) => Outcome::Say(Reply {
                answer: Answer::Announced.into(),
                descriptors: vec![theirs],
                delay: 0,
            }),
            Err(errno) => {
                let why = errno.desc();
                let what = "an upload is refused, which its hook could not be told of";
                log::event(Level::Error, what, &[("error", &why)]);
                let what =
                    "the server cannot note now that a hook is to run: try again in a moment";
                Err(Refusal::new(Code::Io, what)).into()
            }
        }
    }
}

/// Orders that `upload` be noted; the child's end of its channel to the runner.
fn bring_together(desk: &Desk, upload: Uploaded) -> Result<OwnedFd, Errno> {
    let (theirs, runners) = channel::pair()?;
    let order = Order::Upload(upload);
    desk.runner.order(&order, &[runners.as_fd()])?;
    Ok(theirs)
}
