//! What somebody may do at one path: their rights, less what a drop box there keeps from them. The one place where that is decided, for
//! every protocol: asked by children for each request, and by the broker for share links.

use crate::error::{Code, Refusal};
use crate::rights::{Operation, Right, Rights};
use crate::wire::name::Name;
use crate::wire::path::RelPath;
use serde::{Deserialize, Serialize};

/// All that is left to those who may only put files into a drop box.
const PUTTING: Rights = Rights::NONE.with(Right::Put);

/// The rights of somebody, and the drop boxes that they can reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// What they may do outside of drop boxes.
    pub rights: Rights,
    /// None lies in another.
    pub boxes: Vec<DropBox>,
}

/// A drop box, as it shows below somebody's home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropBox {
    /// Its path from their root, a `RelPath`; empty where all that they see is in it.
    pub folder: Name,
    /// They may put new files there and learn nothing of what is in it. Otherwise they are one of its readers, whose rights hold
    /// there as elsewhere.
    pub closed: bool,
    /// Most bytes of one upload.
    pub largest_file: Option<u64>,
    /// The broker gives new files a group or permissions of their own.
    pub gives: bool,
}

/// Where a path is, as seen from a drop box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A folder that the box lies in, however deep.
    Above,
    Itself,
    Inside,
    Elsewhere,
}

impl DropBox {
    fn place_of(&self, path: &RelPath) -> Place {
        let (path, folder) = (path.as_bytes(), &self.folder.0[..]);
        if path == folder {
            Place::Itself
        } else if is_below(path, folder) {
            Place::Inside
        } else if is_below(folder, path) {
            Place::Above
        } else {
            Place::Elsewhere
        }
    }
}

/// True when `path` lies in `folder` or deeper; both are spelled as `RelPath`s are.
fn is_below(path: &[u8], folder: &[u8]) -> bool {
    match path.strip_prefix(folder) {
        Some(rest) => folder.is_empty() && !rest.is_empty() || rest.first() == Some(&b'/'),
        None => false,
    }
}

impl Policy {
    /// Whether `operation` may be carried out at `path`; a new name is asked for as the old one is.
    ///
    /// In a drop box that is closed, files are put and nothing else is done. The folder itself is the operator's: it shows where it
    /// lies, it keeps its name, and so do those above it.
    ///
    /// # Errors
    /// `Denied`, the same whatever is or is not there.
    pub fn allow(&self, operation: Operation, path: &RelPath) -> Result<(), Refusal> {
        self.rights.allow(operation)?;
        for drop_box in &self.boxes {
            match (drop_box.place_of(path), operation) {
                (Place::Inside, operation) if drop_box.closed => PUTTING.allow(operation)?,
                (Place::Itself, Operation::List) if drop_box.closed => {
                    let what = "what is in a drop box is not shown";
                    return Err(Refusal::new(Code::Denied, what));
                }
                (Place::Itself | Place::Above, Operation::Remove | Operation::Rename { .. })
                | (Place::Itself, Operation::SetMode) => {
                    let what = "there is a drop box, which is the operator's";
                    return Err(Refusal::new(Code::Denied, what));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The rights that hold in the folder `path`, or for the file of that name.
    #[must_use]
    pub fn rights_at(&self, path: &RelPath) -> Rights {
        let closes = |drop_box: &&DropBox| {
            let place = drop_box.place_of(path);
            drop_box.closed && matches!(place, Place::Itself | Place::Inside)
        };
        match self.boxes.iter().find(closes) {
            Some(_) => self.rights.within(PUTTING),
            None => self.rights,
        }
    }

    /// The drop box that `path` is in, and its place among `boxes`.
    #[must_use]
    pub fn box_of(&self, path: &RelPath) -> Option<(usize, &DropBox)> {
        let holds = |(_, known): &(usize, &DropBox)| known.place_of(path) == Place::Inside;
        self.boxes.iter().enumerate().find(holds)
    }

    /// The folders whose inside is not shown.
    pub fn closed(&self) -> impl Iterator<Item = &[u8]> {
        let closed = self.boxes.iter().filter(|known| known.closed);
        closed.map(|known| &known.folder.0[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("path")
    }

    fn policy(folder: &str, closed: bool) -> Policy {
        Policy {
            rights: Rights::ALL,
            boxes: vec![DropBox {
                folder: folder.as_bytes().into(),
                closed,
                largest_file: None,
                gives: false,
            }],
        }
    }

    /// What may be done there, in the order of `TRIED`.
    fn allowed(policy: &Policy, at: &str) -> String {
        const TRIED: [(char, Operation); 10] = [
            ('l', Operation::List),
            ('g', Operation::Get),
            ('s', Operation::Stat),
            ('p', Operation::Put { overwrite: false }),
            ('o', Operation::Put { overwrite: true }),
            ('t', Operation::SetTime),
            ('m', Operation::SetMode),
            ('d', Operation::Remove),
            ('r', Operation::Rename { overwrite: false }),
            ('k', Operation::MakeFolder),
        ];
        let may = |(_, operation): &&(char, Operation)| policy.allow(*operation, &path(at)).is_ok();
        TRIED.iter().filter(may).map(|(letter, _)| letter).collect()
    }

    #[test]
    fn in_a_drop_box_files_are_put_and_nothing_else_is_done() {
        for (folder, closed, at, expected) in [
            ("in/box", true, "in/box/file", "p"),
            ("in/box", true, "in/box/deep/file", "p"),
            ("in/box", true, "in/box", "gspotk"),
            ("in/box", true, "in", "lgspotmk"),
            ("in/box", true, "", "lgspotmk"),
            // Not by the letters alone.
            ("in/box", true, "in/boxes", "lgspotmdrk"),
            ("in/box", true, "in/bo", "lgspotmdrk"),
            ("in/box", true, "box/file", "lgspotmdrk"),
            ("in/box", true, "in/other", "lgspotmdrk"),
            // Its readers.
            ("in/box", false, "in/box/file", "lgspotmdrk"),
            ("in/box", false, "in/box", "lgspotk"),
            ("in/box", false, "in", "lgspotmk"),
            // All that they see is in it.
            ("", true, "", "gspotk"),
            ("", true, "file", "p"),
            ("", true, "deep/file", "p"),
            ("", false, "file", "lgspotmdrk"),
        ] {
            let found = allowed(&policy(folder, closed), at);
            assert_eq!(found, expected, "{folder:?} {closed} {at:?}");
        }
    }

    #[test]
    fn a_drop_box_gives_nobody_a_right() {
        let mut policy = policy("box", true);
        policy.rights = Rights::NONE.with(Right::List);
        assert_eq!(allowed(&policy, "box/file"), "");
        assert_eq!(policy.rights_at(&path("box/file")), Rights::NONE);
        assert_eq!(policy.rights_at(&path("file")), policy.rights);
    }

    #[test]
    fn a_file_is_in_the_box_that_holds_it_and_the_box_is_in_none() {
        let policy = policy("box", false);
        let at = |text| policy.box_of(&path(text)).map(|(at, _)| at);
        assert_eq!(
            (at("box/a/b"), at("box"), at("boxes")),
            (Some(0), None, None)
        );
        assert_eq!(policy.closed().count(), 0);
    }
}
