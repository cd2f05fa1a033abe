//! Exit codes of `forkftp`: an interface for scripts, so there is one table, and it is here. Run by the command only; the
//! library's users match on `Error`.

use super::Error;
use crate::error::Code;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exit {
    /// Everything was done.
    #[default]
    Done = 0,
    /// The server refused a request.
    Refused = 1,
    /// The command line was wrong.
    Usage = 2,
    /// No connection, or it was lost, or the server broke the protocol.
    Connection = 3,
    /// The shared secret or the password was not proved, by us or by the server, or cannot be used.
    Proof = 4,
    /// Bytes did not have the digest that was announced; nothing of that file was kept.
    Digest = 5,
    /// A local file could not be read or written, or was in the way.
    Local = 6,
    /// The server is full or going down: try again later.
    Busy = 7,
    /// The server under TLS is not the one that is meant.
    Identity = 8,
    /// Ctrl-C.
    Interrupted = 130,
}

/// The table for `--help` and the manual page.
pub const TABLE: &str = "\
Exit codes:
    0  everything was done
    1  the server refused a request
    2  the command line was wrong
    3  no connection, or it was lost, or the server broke the protocol
    4  the shared secret or the password was not proved (by us or by the server) or
       cannot be used
    5  a digest did not match; nothing of that file was kept
    6  a local file could not be read or written, or was in the way
    7  the server is full or going down: try again later
    8  the server's certificate or key is not the one that is known or asked for
  130  interrupted

If several failures occur, the first of this list counts: 130, 8, 4, 3, 7, 5, 6, 1.
run has codes of its own: forkftp run --help.";

impl Exit {
    /// Worst last.
    const ORDER: [Exit; 10] = [
        Exit::Done,
        Exit::Refused,
        Exit::Local,
        Exit::Digest,
        Exit::Busy,
        Exit::Connection,
        Exit::Proof,
        Exit::Identity,
        Exit::Usage,
        Exit::Interrupted,
    ];

    /// The code for one failure.
    #[must_use]
    pub fn of(error: &Error) -> Exit {
        match error {
            Error::Refused(refusal) => match refusal.code {
                Code::Busy | Code::Closing => Exit::Busy,
                Code::Proof => Exit::Proof,
                Code::Timeout | Code::Protocol => Exit::Connection,
                Code::Digest => Exit::Digest,
                _ => Exit::Refused,
            },
            Error::Connect(_) | Error::Lost(_) | Error::Protocol(_) | Error::Unanswered => {
                Exit::Connection
            }
            Error::Identity(_) => Exit::Identity,
            Error::Secret(_)
            | Error::ProofRefused(_)
            | Error::ServerProof
            | Error::Login(_)
            | Error::LoginRefused(_)
            | Error::ServerLogin => Exit::Proof,
            Error::Digest { .. } => Exit::Digest,
            Error::Local { .. } => Exit::Local,
            Error::Interrupted => Exit::Interrupted,
        }
    }

    /// The more severe of two.
    #[must_use]
    pub fn and(self, other: Exit) -> Exit {
        let rank = |exit: Exit| Exit::ORDER.iter().position(|e| *e == exit);
        if rank(self) >= rank(other) {
            self
        } else {
            other
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        std::process::ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    #[test]
    fn the_worst_failure_counts() {
        assert_eq!(Exit::Done.and(Exit::Refused), Exit::Refused);
        assert_eq!(Exit::Local.and(Exit::Refused), Exit::Local);
        assert_eq!(Exit::Connection.and(Exit::Proof), Exit::Proof);
        assert_eq!(Exit::Interrupted.and(Exit::Proof), Exit::Interrupted);
    }

    #[test]
    fn the_table_names_every_code() {
        for exit in Exit::ORDER {
            assert!(
                TABLE
                    .lines()
                    .any(|line| line.trim_start().starts_with(&format!("{} ", exit as u8))),
                "{exit:?}"
            );
        }
    }

    #[test]
    fn codes_of_refusals() {
        for (code, exit) in [
            (Code::Busy, Exit::Busy),
            (Code::NotFound, Exit::Refused),
            (Code::Proof, Exit::Proof),
            (Code::Timeout, Exit::Connection),
        ] {
            assert_eq!(Exit::of(&Error::Refused(Refusal::from(code))), exit);
        }
    }
}
