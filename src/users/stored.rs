//! What the users file keeps of a password: our own verifier, or for a while what another server made of it.

use super::Imported;
use crate::scram::{PLAIN, Verifier};
use std::fmt;
use std::str::FromStr;

/// What is kept of a password. Shown by no format but `Display`, which is for the users file alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// Ours: good for every login.
    Own(Verifier),
    /// Another server's: good for logins in which the password is said, and replaced at the first.
    Imported(Imported),
}

impl Stored {
    /// True when it is that of `password`. Costs the same, whatever is given.
    #[must_use]
    pub fn check(&self, password: &str) -> bool {
        match self {
            Stored::Own(verifier) => verifier.check(password),
            Stored::Imported(imported) => imported.check(password),
        }
    }

    /// The other server's, if it is one.
    #[must_use]
    pub fn imported(&self) -> Option<&Imported> {
        match self {
            Stored::Own(_) => None,
            Stored::Imported(imported) => Some(imported),
        }
    }
}

impl From<Verifier> for Stored {
    fn from(verifier: Verifier) -> Stored {
        Stored::Own(verifier)
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stored::Own(verifier) => verifier.fmt(f),
            Stored::Imported(imported) => imported.fmt(f),
        }
    }
}

impl FromStr for Stored {
    type Err = String;

    fn from_str(text: &str) -> Result<Stored, String> {
        if text.starts_with('$') {
            return text.parse().map(Stored::Imported);
        }
        let read: Result<Verifier, String> = text.parse();
        read.map(Stored::Own)
            .map_err(|why| match text.starts_with(PLAIN) {
                true => why,
                false => format!("{why}, and no hash of another server"),
            })
    }
}
