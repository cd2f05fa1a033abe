//! The dialer: the one process that makes sockets for the data connections of FTP, so that no child can. Forked by the listener,
//! when some listening socket speaks FTP; it hands each child what that asks for, and keeps nothing of it. It reads and writes no byte
//! of a client's, and believes no child about whom to connect to.
//!
//! It serves those that it knows to the end: when the listener has started another one, or is gone, it ends with its last child.

mod place;
mod run;
mod sockets;
mod start;
#[cfg(test)]
mod tests;
mod walls;

pub use start::Control;
