//! Files and folders on this side. Run by the client. Names that a server chose are taken apart, checked, and opened below the
//! target folder without following a link; a download has its name only when it is whole; the server gives a file its
//! bytes and its time, never its permissions.

mod folder;
mod incoming;
mod outgoing;

pub use folder::Folder;
pub use incoming::{Incoming, Manner};
pub use outgoing::{Outgoing, Stream};

/// Bytes read at once, where a file is hashed.
const PIECE: usize = 512 * 1024;
