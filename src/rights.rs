//! What somebody who was let in may do, and the one function that says so, for every protocol. Decided by the broker, kept
//! by the child. A child that lost its mind is held by the kernel to this much: where nothing may be changed, no file is made,
//! written, removed or renamed (times, permissions and attributes of files it may read are not the kernel's to keep from it).

use crate::error::{Code, Refusal};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing that may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// See names, sizes and times.
    List,
    /// Get files.
    Get,
    /// Put new files.
    Put,
    /// Replace files, and change their times and permission bits.
    Overwrite,
    /// Remove files and empty folders.
    Delete,
    /// Give files and folders other names.
    Rename,
    /// Make folders.
    Mkdir,
}

impl Right {
    /// All of them, in the order in which they are written.
    pub const ALL: [Right; 7] = [
        Right::List,
        Right::Get,
        Right::Put,
        Right::Overwrite,
        Right::Delete,
        Right::Rename,
        Right::Mkdir,
    ];

    /// The name in files and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Right::List => "list",
            Right::Get => "get",
            Right::Put => "put",
            Right::Overwrite => "overwrite",
            Right::Delete => "delete",
            Right::Rename => "rename",
            Right::Mkdir => "mkdir",
        }
    }
}

/// A set of rights. On the wire and in files: a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

/// What is asked of the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    List,
    Get,
    Put {
        overwrite: bool,
    },
    /// Look at one name.
    Stat,
    /// Set the time of change of a file.
    SetTime,
    /// Set the permission bits of a file or folder.
    SetMode,
    Remove,
    Rename {
        overwrite: bool,
    },
    MakeFolder,
}

impl Rights {
    /// Nothing.
    pub const NONE: Rights = Rights(0);
    /// Everything.
    pub const ALL: Rights = Rights(0x7f);

    /// True when `right` is among them.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }

    /// These and `right`.
    #[must_use]
    pub const fn with(self, right: Right) -> Rights {
        Rights(self.0 | (1 << right as u8))
    }

    /// Those of them that are in `other`, too.
    #[must_use]
    pub const fn within(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }

    /// The single rights, in order.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }

    /// True when nothing they allow changes the library.
    #[must_use]
    pub fn reads_only(self) -> bool {
        self.iter()
            .all(|right| matches!(right, Right::List | Right::Get))
    }

    /// The policy: whether `operation` may be carried out.
    ///
    /// # Errors
    /// `Denied`, the same whatever is or is not there.
    pub fn allow(self, operation: Operation) -> Result<(), Refusal> {
        let has = |right| self.has(right);
        let allowed = match operation {
            Operation::List => has(Right::List),
            Operation::Get => has(Right::Get),
            Operation::Stat => has(Right::List) || has(Right::Get),
            Operation::Put { overwrite } => {
                has(Right::Put) && (!overwrite || has(Right::Overwrite))
            }
            Operation::SetTime | Operation::SetMode => has(Right::Overwrite),
            Operation::Remove => has(Right::Delete),
            Operation::Rename { overwrite } => {
                has(Right::Rename) && (!overwrite || has(Right::Overwrite))
            }
            Operation::MakeFolder => has(Right::Mkdir),
        };
        if allowed {
            Ok(())
        } else {
            Err(Code::Denied.into())
        }
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<T: IntoIterator<Item = Right>>(rights: T) -> Rights {
        rights.into_iter().fold(Rights::NONE, Rights::with)
    }
}

impl std::fmt::Display for Rights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.iter().map(Right::as_str).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Rights {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Rights, D::Error> {
        let names = Vec::<Right>::deserialize(from)?;
        Ok(names.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_a_list_of_names_and_back() {
        let set: Rights = [Right::Get, Right::List].into_iter().collect();
        let text = serde_json::to_string(&set).expect("json");
        assert_eq!(text, r#"["list","get"]"#);
        assert_eq!(serde_json::from_str::<Rights>(&text).expect("json"), set);
        assert_eq!(set.to_string(), "list,get");
        assert!(set.reads_only() && !Rights::ALL.reads_only());
        assert_eq!(Right::ALL.into_iter().collect::<Rights>(), Rights::ALL);
    }

    #[test]
    fn each_right_opens_what_it_says_and_nothing_else() {
        let only = |right| Rights::NONE.with(right);
        let overwriting = Operation::Put { overwrite: true };
        assert!(
            only(Right::Put)
                .allow(Operation::Put { overwrite: false })
                .is_ok()
        );
        assert!(only(Right::Put).allow(overwriting).is_err());
        assert!(
            only(Right::Overwrite).allow(overwriting).is_err(),
            "replacing alone puts nothing"
        );
        assert!(
            only(Right::Put)
                .with(Right::Overwrite)
                .allow(overwriting)
                .is_ok()
        );
        assert!(
            only(Right::Put).allow(Operation::Get).is_err(),
            "a drop box"
        );
        assert!(only(Right::Overwrite).allow(Operation::SetMode).is_ok());
        assert!(
            only(Right::Put)
                .with(Right::Mkdir)
                .allow(Operation::SetMode)
                .is_err()
        );
        for operation in [
            Operation::List,
            Operation::Stat,
            Operation::Remove,
            Operation::MakeFolder,
        ] {
            assert!(Rights::NONE.allow(operation).is_err());
            assert!(Rights::ALL.allow(operation).is_ok());
        }
    }
}
