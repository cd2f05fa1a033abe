//! What a child asks the broker, what it is answered, and when. One enum of questions, one of answers; `broker::answer`
//! has an `answer_x` for each `ask_x` of `child::ask`.
//!
//! A channel belongs to one child and has a phase; each question is legal in one phase, once. The broker believes
//! nothing that stands in a question: it mints what it signs, and knows the peer from the listener.

mod answer;
mod ask;
mod deed;
mod dial;
mod listener;
mod policy;
mod runner;

pub use answer::{Answer, Chain, Grant, LONGEST_SHARED, MAX_CHAIN, Share};
pub use ask::{Ask, Handshake, LOGIN_ATTEMPTS, MOST_SIGNATURES, Phase};
pub use deed::{Deed, LONGEST_LETTERS, MOST_UNDER_WAY, PATH_PART};
pub use dial::{Dial, Dialed, Newcomer};
pub use listener::{Client, Report, Tell};
pub use policy::{DropBox, Policy};
pub use runner::{Hear, Order, Outcome};

pub use crate::wire::SessionId;

use crate::sys::privs::Identity;
use crate::sys::{Result, channel};
use serde::{Serialize, de::DeserializeOwned};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use zeroize::Zeroize;

/// Longest message in either direction, bytes.
pub const MAX_MESSAGE: usize = 8 * 1024;

/// Room for a message with the longest name and the longest password, bytes.
const USUAL: usize = 2048;

/// Descriptors a child may have open: a walk of the deepest folders holds two each, a batch of uploads two each.
pub const DESCRIPTORS: u64 = 640;

/// True when a child can make no new descriptor before its client is let in, and the broker lifts that: where it cannot be moved
/// into an empty root folder, in which there is nothing to open.
#[must_use]
pub fn shuts_descriptors(identity: Option<Identity>) -> bool {
    identity.is_none()
}

/// Sends one message. Does not wait when `wait` is false.
///
/// # Errors
/// As `channel::send`; EMSGSIZE for a message over `MAX_MESSAGE`.
pub fn send<T: Serialize>(
    to: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
    wait: bool,
) -> Result<()> {
    // In one place from the beginning: what has to grow leaves what it was behind.
    let mut bytes = Vec::with_capacity(USUAL);
    let written = serde_json::to_writer(&mut bytes, message);
    let sent = match written {
        Err(_) => Err(nix::errno::Errno::EINVAL),
        Ok(()) if bytes.len() > MAX_MESSAGE => Err(nix::errno::Errno::EMSGSIZE),
        Ok(()) => channel::send(to, &bytes, descriptors, wait),
    };
    // It may have been a password.
    bytes[..].zeroize();
    sent
}

/// A message, the descriptors that came along, and the process that sent it where the channel knows.
pub type FromWhom<T> = (T, Vec<OwnedFd>, Option<i32>);

/// Receives one message, and without waiting; None at the end of the channel.
///
/// # Errors
/// As `receive`.
pub fn receive_from<T: DeserializeOwned>(from: BorrowedFd<'_>) -> Result<Option<FromWhom<T>>> {
    let mut buffer = [0; MAX_MESSAGE];
    let Some(got) = channel::receive(from, &mut buffer, false)? else {
        return Ok(None);
    };
    let message = parse(&buffer[..got.length]);
    // It may have been a password.
    buffer[..got.length].zeroize();
    message.map(|message| Some((message, got.descriptors, got.sender)))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|_| nix::errno::Errno::EBADMSG)
}

/// Receives one message; None at the end of the channel.
///
/// # Errors
/// As `channel::receive`; EBADMSG for one that is not of the type.
pub fn receive<T: DeserializeOwned>(
    from: BorrowedFd<'_>,
    wait: bool,
) -> Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = [0; MAX_MESSAGE];
    match channel::receive(from, &mut buffer, wait)? {
        None => Ok(None),
        Some(got) => parse(&buffer[..got.length]).map(|message| Some((message, got.descriptors))),
    }
}

/// Sends `message` with `descriptors`, and waits for the answer.
///
/// # Errors
/// As `send` and `receive`; EPIPE when the other end is gone.
pub fn call<Q: Serialize, A: DeserializeOwned>(
    channel: &OwnedFd,
    message: &Q,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(A, Vec<OwnedFd>)> {
    send(channel.as_fd(), message, descriptors, true)?;
    receive(channel.as_fd(), true)?.ok_or(nix::errno::Errno::EPIPE)
}
