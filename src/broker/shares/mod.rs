//! Share links: who has the link gets the one file that a user chose, without a login, until the link ends. What is kept of them is a
//! file that is the broker's alone (`shares_file`), with a key of its own. A link's token is an identifier and a MAC: one that was
//! made up is known as such without looking further, and none can be made from what the file says of another.
//!
//! Several servers may share the file. It is replaced whole, under a lock on itself; who gets the lock looks whether it is still the
//! file that has the name.

mod disk;

use crate::error::{Code, Refusal};
use crate::proof;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use disk::{Known, Seen, damaged, say};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Most links of one user, and of all.
const MOST_EACH: usize = 200;
const MOST: usize = 10_000;
/// Longest time of one, in seconds: a year.
pub(super) const LONGEST: u64 = 365 * 24 * 3600;
/// Random bytes that a link is known by, and those of the MAC behind them.
const ID: usize = 9;
const MAC: usize = 32;
const LABEL: &[u8] = b"forkftp/1 share\0";

/// One link. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// What it is called.
    pub id: String,
    /// Who made it.
    pub user: String,
    /// Below the user's home, in the letters of `wire::name`.
    pub path: String,
    /// When it was made.
    pub made: u64,
    /// When it ends.
    pub expires: u64,
    /// How often it can still be opened; none for as often as anybody likes.
    pub left: Option<u32>,
}

/// The file, and what it was when it was read last.
pub(super) struct Shares {
    path: PathBuf,
    seen: Seen,
    key: Zeroizing<[u8; proof::NONCE]>,
    shares: Vec<Share>,
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shares({}, {})", self.path.display(), self.shares.len())
    }
}

/// The links that stand in the file, for the operator: none where it is still to be made. Those that are over are among them until
/// the next change.
///
/// # Errors
/// A sentence with what is wrong and the remedy.
pub fn list_shares(path: &Path) -> Result<Vec<Share>, String> {
    if is_missing(path) {
        let folder = disk::folder_of(path);
        return match folder.metadata() {
            Ok(facts) if facts.is_dir() => Ok(Vec::new()),
            _ => Err(format!(
                "shares {}: its folder is not there: make it, for the server to write to",
                path.display()
            )),
        };
    }
    disk::read(path).map(|known| known.shares)
}

/// Ends those links that are `meant`, for the operator; a running server knows at once. Returns what they were.
///
/// # Errors
/// A sentence with what is wrong.
pub fn revoke_shares(path: &Path, meant: impl Fn(&Share) -> bool) -> Result<Vec<Share>, String> {
    if is_missing(path) {
        return Ok(Vec::new());
    }
    let mut known = Shares::open(path)?;
    // Also those that are over.
    let ended = known.change(0, |shares| {
        let (ended, stay) = std::mem::take(shares).into_iter().partition(&meant);
        *shares = stay;
        Ok(ended)
    });
    ended.map_err(|refusal| say(path, &std::io::Error::other(refusal.message)))
}

fn is_missing(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

impl Shares {
    /// Reads the file, and makes it where there is none.
    ///
    /// # Errors
    /// A sentence with what is wrong and the remedy.
    pub(super) fn open(path: &Path) -> Result<Shares, String> {
        if is_missing(path) {
            disk::make(path)?;
        }
        // Where it is a link, that stays one.
        let path = &path.canonicalize().map_err(|error| say(path, &error))?;
        let held = File::open(path).map_err(|error| say(path, &error))?;
        let seen = disk::stamp(&held).map_err(|error| say(path, &error))?;
        let Known { key, shares } = disk::read(path)?;
        Ok(Shares {
            path: path.to_owned(),
            seen,
            key,
            shares,
        })
    }

    /// A new link, and its token.
    ///
    /// # Errors
    /// `Quota` when there are as many as there may be; `Io` when it cannot be written down.
    pub(super) fn begin(&mut self, mut share: Share, now: u64) -> Result<(Share, String), Refusal> {
        let mut id = [0; ID];
        let random = proof::nonce().map_err(|_| Refusal::from(Code::Io))?;
        id.copy_from_slice(&random[..ID]);
        share.id = URL_SAFE_NO_PAD.encode(id);
        self.change(now, |shares| {
            let same = shares.iter().filter(|other| other.user == share.user);
            if same.count() >= MOST_EACH || shares.len() >= MOST {
                let what = "there are as many share links as there may be: end some of them";
                return Err(Refusal::new(Code::Quota, what));
            }
            shares.push(share.clone());
            Ok(())
        })?;
        let token = self.token(&share);
        Ok((share, token))
    }

    /// The living links of `user`, and their tokens.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn of(&mut self, user: &str, now: u64) -> Result<Vec<(Share, String)>, Refusal> {
        self.refresh()?;
        let own = |share: &&Share| share.user == user && now < share.expires;
        let living = self.shares.iter().filter(own);
        Ok(living
            .map(|share| (share.clone(), self.token(share)))
            .collect())
    }

    /// Ends the link `id` of `user`. Returns what it was.
    ///
    /// # Errors
    /// `NotFound` when that user has none of that name; `Io`.
    pub(super) fn end(&mut self, user: &str, id: &str, now: u64) -> Result<Share, Refusal> {
        self.change(now, |shares| {
            let own = |share: &Share| share.id == id && share.user == user;
            match shares.iter().position(own) {
                Some(at) => Ok(shares.remove(at)),
                None => Err(Code::NotFound.into()),
            }
        })
    }

    /// The link that `token` stands for.
    ///
    /// # Errors
    /// `NotFound`, whether there was one once or never; `Io`.
    pub(super) fn find(&mut self, token: &str, now: u64) -> Result<Share, Refusal> {
        let absent = || Refusal::from(Code::NotFound);
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| absent())?;
        if bytes.len() != ID + MAC {
            return Err(absent());
        }
        self.refresh()?;
        let id = URL_SAFE_NO_PAD.encode(&bytes[..ID]);
        let living = |share: &&Share| share.id == id && now < share.expires;
        let share = self.shares.iter().find(living).ok_or_else(absent)?;
        let signed = self.mac(share).verify_slice(&bytes[ID..]);
        signed.map_err(|_| absent())?;
        Ok(share.clone())
    }

    /// Counts `share` down, if it is counted. It ends with the last time.
    ///
    /// # Errors
    /// `NotFound` when it ended meanwhile; `Io`.
    pub(super) fn use_up(&mut self, share: &Share, now: u64) -> Result<(), Refusal> {
        if share.left.is_none() {
            return Ok(());
        }
        self.change(now, |shares| {
            let at = shares.iter().position(|known| known.id == share.id);
            let at = at.ok_or_else(|| Refusal::from(Code::NotFound))?;
            match &mut shares[at].left {
                Some(left) if *left > 1 => *left -= 1,
                Some(_) => drop(shares.remove(at)),
                None => {}
            }
            Ok(())
        })
    }

    fn token(&self, share: &Share) -> String {
        let mut bytes = URL_SAFE_NO_PAD.decode(&share.id).unwrap_or_default();
        bytes.extend_from_slice(&self.mac(share).finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn mac(&self, share: &Share) -> Hmac<sha2::Sha256> {
        // HMAC takes keys of any length (RFC 2104, section 3), so there is no error to meet here.
        let Ok(mut mac) = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(&self.key[..]) else {
            unreachable!("HMAC refused a key")
        };
        mac.update(LABEL);
        let expires = share.expires.to_be_bytes();
        for part in [
            share.id.as_bytes(),
            share.user.as_bytes(),
            share.path.as_bytes(),
            &expires,
        ] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    /// Reads the file again if it is another than it was.
    fn refresh(&mut self) -> Result<(), Refusal> {
        let now = File::open(&self.path).and_then(|file| disk::stamp(&file));
        match now {
            Ok(now) if now == self.seen => Ok(()),
            Ok(now) => self.load(now),
            Err(error) => Err(damaged(&say(&self.path, &error))),
        }
    }

    fn load(&mut self, seen: Seen) -> Result<(), Refusal> {
        let known = disk::read(&self.path).map_err(|what| damaged(&what))?;
        (self.seen, self.key, self.shares) = (seen, known.key, known.shares);
        Ok(())
    }

    /// Has `what` change the links, without those that are over, and writes them down before it returns.
    fn change<T>(
        &mut self,
        now: u64,
        what: impl FnOnce(&mut Vec<Share>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let held = disk::lock(&self.path)?;
        let seen = disk::stamp(&held).map_err(|error| damaged(&say(&self.path, &error)))?;
        if seen != self.seen {
            self.load(seen)?;
        }
        let mut shares = self.shares.clone();
        shares.retain(|share| now < share.expires);
        let done = what(&mut shares)?;
        let written = disk::write(&self.path, &self.key, &shares);
        self.seen = written.map_err(|error| damaged(&say(&self.path, &error)))?;
        self.shares = shares;
        // The lock is on the file that had the name, and ends with it.
        drop(held);
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn share(user: &str, expires: u64, left: Option<u32>) -> Share {
        Share {
            id: String::new(),
            user: user.into(),
            path: "a/b".into(),
            made: 1,
            expires,
            left,
        }
    }

    fn fresh() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("shares.json");
        (folder, path)
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
        result.expect_err("refused").code
    }

    #[test]
    fn a_link_holds_until_it_ends_and_survives_a_restart() {
        let (folder, path) = fresh();
        let mut shares = Shares::open(&path).expect("made");
        let mode = std::fs::metadata(&path).expect("there").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let (made, token) = shares.begin(share("ann", 100, None), 5).expect("made");
        assert_eq!(shares.find(&token, 99).as_ref(), Ok(&made));
        assert_eq!(code(shares.find(&token, 100)), Code::NotFound, "over");
        let mut again = Shares::open(&path).expect("read");
        assert_eq!(again.find(&token, 50).as_ref(), Ok(&made));
        assert_eq!(again.of("ann", 50), Ok(vec![(made.clone(), token.clone())]));
        assert_eq!(again.of("bob", 50), Ok(vec![]));
        assert_eq!(code(again.end("bob", &made.id, 50)), Code::NotFound);
        assert_eq!(again.end("ann", &made.id, 50), Ok(made));
        assert_eq!(
            code(shares.find(&token, 50)),
            Code::NotFound,
            "ended elsewhere"
        );
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("list").collect();
        assert_eq!(left.len(), 1, "nothing beside it: {left:?}");
    }

    #[test]
    fn a_counted_link_is_used_up() {
        let (_folder, path) = fresh();
        let mut shares = Shares::open(&path).expect("made");
        let mut other = Shares::open(&path).expect("read");
        let (_, token) = shares.begin(share("ann", 100, Some(3)), 5).expect("made");
        let found = shares.find(&token, 6).expect("there");
        shares.use_up(&found, 6).expect("the first time");
        other.use_up(&found, 6).expect("by another server");
        assert_eq!(shares.find(&token, 6).map(|share| share.left), Ok(Some(1)));
        shares.use_up(&found, 6).expect("the last time");
        assert_eq!(code(other.use_up(&found, 6)), Code::NotFound);
        assert_eq!(code(other.find(&token, 6)), Code::NotFound);
    }

    #[test]
    fn no_token_can_be_made_up() {
        let (_folder, path) = fresh();
        let mut shares = Shares::open(&path).expect("made");
        let (_, token) = shares.begin(share("ann", 100, None), 5).expect("made");
        let (_, other) = shares.begin(share("ann", 100, None), 5).expect("made");
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            let forged = URL_SAFE_NO_PAD.encode(&bytes);
            assert_eq!(code(shares.find(&forged, 6)), Code::NotFound, "{at}");
            bytes[at] ^= 1;
        }
        let mixed = format!("{}{}", &token[..12], &other[12..]);
        for forged in [
            "",
            "AAAA",
            &mixed,
            &token[..token.len() - 1],
            &format!("{token}A"),
        ] {
            assert_eq!(code(shares.find(forged, 6)), Code::NotFound, "{forged}");
        }
        // Whoever can write to the file still cannot stretch a link that was given out.
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, text.replace("\"expires\":100", "\"expires\":999")).expect("write");
        assert_eq!(code(shares.find(&token, 6)), Code::NotFound, "stretched");
    }

    #[test]
    fn the_operator_ends_links_and_a_running_server_knows() {
        let (_folder, path) = fresh();
        assert_eq!(list_shares(&path), Ok(vec![]));
        assert_eq!(revoke_shares(&path, |_| true), Ok(vec![]));
        assert!(!path.exists(), "looking makes nothing");
        let mut shares = Shares::open(&path).expect("made");
        let (ann, token) = shares.begin(share("ann", 100, None), 5).expect("made");
        let (bob, other) = shares.begin(share("bob", 100, None), 5).expect("made");
        assert_eq!(list_shares(&path).map(|all| all.len()), Ok(2));
        let ended = revoke_shares(&path, |share| share.user == "ann");
        assert_eq!(ended, Ok(vec![ann]));
        assert_eq!(code(shares.find(&token, 6)), Code::NotFound);
        assert_eq!(shares.find(&other, 6), Ok(bob));
    }

    #[test]
    fn there_are_so_many() {
        let (_folder, path) = fresh();
        let mut shares = Shares::open(&path).expect("made");
        for _ in 0..MOST_EACH {
            shares.shares.push(share("ann", 100, None));
        }
        shares.seen = disk::write(&path, &shares.key, &shares.shares).expect("written");
        assert_eq!(code(shares.begin(share("ann", 100, None), 5)), Code::Quota);
        assert!(shares.begin(share("bob", 100, None), 5).is_ok());
        assert!(
            shares.begin(share("ann", 200, None), 100).is_ok(),
            "those are over"
        );
        assert_eq!(shares.shares.len(), 1);
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_damaged_is_refused() {
        let (_folder, path) = fresh();
        drop(Shares::open(&path).expect("made"));
        let chmod = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("chmod");
        };
        chmod(0o640);
        let said = Shares::open(&path).expect_err("readable by the group");
        assert!(said.contains("chmod 600"), "{said}");
        chmod(0o600);
        for text in ["", "{}", "{\"key\":\"00\",\"shares\":[]}"] {
            std::fs::write(&path, text).expect("write");
            let said = Shares::open(&path).expect_err(text);
            assert!(said.contains("take it back from a copy"), "{said}");
        }
        let nowhere = path.with_file_name("none").join("shares");
        let said = Shares::open(&nowhere).expect_err("no folder");
        assert!(said.contains("its folder"), "{said}");
    }
}
