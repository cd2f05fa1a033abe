//! What the broker answers a child.

use super::Policy;
use crate::config::{Files, OnHangup, OnTaken};
use crate::error::Code;
use crate::wire::drive::Offer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What somebody who was let in may do: the broker's decision, which the child keeps to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who it is; none for anonymous.
    pub user: Option<String>,
    /// What they may do, and where.
    pub policy: Policy,
    /// How files are kept, with the user's own limits over the server's.
    pub files: Files,
    /// Bytes a second for uploads; none for as fast as it goes.
    pub upload_rate: Option<u64>,
    /// Bytes a second for downloads.
    pub download_rate: Option<u64>,
    /// There is a quota: uploads and removals are told to the broker.
    pub quota: bool,
    /// The last descriptor is a Landlock ruleset to be entered first.
    pub narrower: bool,
    /// What is done is told to the broker.
    pub tells: bool,
    /// New files belong to somebody else: the broker gives them away.
    pub gives: bool,
    /// What becomes of a new file whose name is taken.
    pub on_taken: OnTaken,
    /// What becomes of an upload by FTP whose client hung up at its end.
    pub on_hangup: OnHangup,
}

/// What everybody may know of the server's certificate and of its key, for the listener to make ready. Too long for a message: it
/// goes as a sealed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The certificates, DER in hexadecimal, the server's own first.
    pub certificates: Vec<String>,
    /// The signature schemes of the key, the best first.
    pub schemes: Vec<u16>,
}

/// Most bytes of a sealed `Chain`.
pub const MAX_CHAIN: usize = 256 * 1024;

/// What the broker says to a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// For the drive protocol. Unasked, as soon as there is a client, but to one that speaks TLS in answer to `Secured`: the payload
    /// of the `H` frame.
    Hello {
        /// JSON text.
        payload: String,
        /// The library at once, where no proof is wanted; otherwise a proof has to follow.
        entry: Option<Grant>,
    },
    /// To `Sign`.
    Signed {
        /// The signature, in hexadecimal.
        signature: String,
    },
    /// To `Prove`: it is; this is the server's own, in hexadecimal. With it comes the library.
    Proved {
        /// The server's proof.
        proof: String,
        /// What this client may do; none when a login has to follow.
        entry: Option<Grant>,
    },
    /// To `LoginFirst`: the server's first message of SCRAM.
    Continue {
        /// For the client.
        message: String,
    },
    /// To `LoginFinal`, `Password`, `Anonymous` and, in `Login`, to `Session`: the client is in. With it comes the library.
    Welcome {
        /// The server's last message of SCRAM, if it was that.
        message: Option<String>,
        /// What this client may do.
        entry: Grant,
    },
    /// To `ShareNew`: it is made.
    Shared(Share),
    /// To `Shares`.
    Shares {
        /// As many as fit.
        shares: Vec<Share>,
        /// There are more behind them.
        more: bool,
    },
    /// To `ShareOpen`: the file comes along.
    Lent {
        /// Its path, below the home of the user who shares it, in the letters of `wire::name`.
        path: String,
        /// Bytes a second for it; none for as fast as it goes.
        rate: Option<u64>,
        /// The last descriptor is a Landlock ruleset to be entered first: the child opens nothing any more.
        alone: bool,
        /// What becomes of it is told to the broker.
        tells: bool,
        /// Nothing else will be answered.
        is_last: bool,
    },
    /// To `SignIn`: a new session.
    Session {
        /// For the browser to keep.
        token: Zeroizing<String>,
        /// Whose it is.
        user: String,
        /// How long it holds at most.
        seconds: u64,
    },
    /// To `Commands`.
    Commands {
        /// As many as fit.
        commands: Vec<Offer>,
        /// There are more behind them.
        more: bool,
    },
    /// To `Run`: it runs, unless the runner has a reason against it. Two descriptors come along: its output, and the channel by which the
    /// `Outcome` is told. When they are closed, it ends.
    Running,
    /// To `Reserve`, `Spent`, `Give`, `Done`, `Forwarded` and `SignOut`, in `In` to `Session`, and to `Secured` where there is no hello: it is
    /// so, or it is done.
    Noted,
    /// Not so.
    Refused {
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
}

/// Most bytes of the letters of a path that is shared: it has to fit into an answer.
pub const LONGEST_SHARED: usize = 4000;

/// A share link, as its user sees it. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What it is called.
    pub id: String,
    /// The file, in the letters of `wire::name`.
    pub path: String,
    /// When it was made.
    pub made: u64,
    /// When it ends.
    pub expires: u64,
    /// How often it can still be opened; none for as often as anybody likes.
    pub left: Option<u32>,
    /// What stands in the link. Who has it gets the file.
    pub token: String,
}

impl Answer {
    /// True when the library's descriptors go with it, or that of a file.
    #[must_use]
    pub fn opens_library(&self) -> bool {
        matches!(
            self,
            Answer::Hello { entry: Some(_), .. }
                | Answer::Proved { entry: Some(_), .. }
                | Answer::Welcome { .. }
                | Answer::Lent { .. }
        )
    }
}
