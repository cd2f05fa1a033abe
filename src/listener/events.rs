//! What the listener waits for: sockets, signals, children that end, warm children with news, and administrators.

use crate::sys::{Errno, Result};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::os::fd::BorrowedFd;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A child ended.
    Ended(Place),
    /// A warm child has accepted a client, and asks.
    Asks(Place),
    /// A signal arrived.
    Signal,
    /// The broker said something, or is gone.
    Broker,
    /// The dialer's channel ended.
    DialerGone,
    /// The runner's channel ended.
    RunnerGone,
    /// An administrator said something, or takes more of an answer.
    Guest(Place),
    /// An administrator connects.
    Control,
    /// The program that is asked whether it could take over says something.
    Trial,
    /// A drainer has ended, perhaps.
    Elder,
    /// To a drainer: the successor says something, or is gone.
    Heir,
    /// Somebody connects to this listening socket.
    Connects(usize),
}

/// A child's place in the table, and which of its successive tenants is meant: an event for one that has gone meanwhile
/// is not taken for its successor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: u32,
    pub(super) tenant: u32,
}

impl Event {
    fn encode(self) -> u64 {
        let place = |kind: u64, place: Place| {
            kind << 56 | u64::from(place.tenant & 0x00ff_ffff) << 32 | u64::from(place.index)
        };
        match self {
            Event::Ended(at) => place(0, at),
            Event::Asks(at) => place(1, at),
            Event::Signal => 2 << 56,
            Event::Broker => 3 << 56,
            Event::Guest(at) => place(4, at),
            Event::Control => 5 << 56,
            Event::DialerGone => 6 << 56,
            Event::Trial => 7 << 56,
            Event::Elder => 8 << 56,
            Event::Heir => 9 << 56,
            Event::RunnerGone => 10 << 56,
            Event::Connects(socket) => 11 << 56 | socket as u64,
        }
    }

    fn decode(data: u64) -> Event {
        let place = Place {
            index: data as u32,
            tenant: (data >> 32) as u32 & 0x00ff_ffff,
        };
        match data >> 56 {
            0 => Event::Ended(place),
            1 => Event::Asks(place),
            2 => Event::Signal,
            3 => Event::Broker,
            4 => Event::Guest(place),
            5 => Event::Control,
            6 => Event::DialerGone,
            7 => Event::Trial,
            8 => Event::Elder,
            9 => Event::Heir,
            10 => Event::RunnerGone,
            _ => Event::Connects((data & 0xffff_ffff) as usize),
        }
    }
}

/// The set of what is waited for.
#[derive(Debug)]
pub(super) struct Events {
    epoll: Epoll,
}

const AT_ONCE: usize = 256;

impl Events {
    pub(super) fn new() -> Result<Events> {
        Ok(Events {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
        })
    }

    pub(super) fn watch(&self, fd: BorrowedFd<'_>, event: Event) -> Result<()> {
        self.epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, event.encode()))
    }

    /// From now on waits until `fd`, which is watched already, takes more.
    pub(super) fn await_room(&self, fd: BorrowedFd<'_>, event: Event) -> Result<()> {
        let mut room = EpollEvent::new(EpollFlags::EPOLLOUT, event.encode());
        self.epoll.modify(fd, &mut room)
    }

    /// Has to come before the descriptor is closed: a child born meanwhile may hold a copy, which would keep it in the set.
    pub(super) fn forget(&self, fd: BorrowedFd<'_>) {
        let _ = self.epoll.delete(fd);
    }

    /// Waits for at most `millis` (None: for ever), and puts what happened into `into`: ended children first, so that limits
    /// are judged by who is really there; newcomers last.
    pub(super) fn wait(&self, millis: Option<u16>, into: &mut Vec<Event>) -> Result<()> {
        let mut raw = [EpollEvent::empty(); AT_ONCE];
        let timeout = millis.map_or(EpollTimeout::NONE, EpollTimeout::from);
        let count = match self.epoll.wait(&mut raw, timeout) {
            Err(Errno::EINTR) => 0,
            result => result?,
        };
        into.clear();
        into.extend(raw[..count].iter().map(|event| Event::decode(event.data())));
        into.sort_unstable_by_key(|event| event.encode() >> 56);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_survive_the_kernel() {
        let place = Place {
            index: 70_000,
            tenant: 0x00ff_fffe,
        };
        for event in [
            Event::Ended(place),
            Event::Asks(place),
            Event::Signal,
            Event::Broker,
            Event::DialerGone,
            Event::RunnerGone,
            Event::Guest(place),
            Event::Control,
            Event::Trial,
            Event::Elder,
            Event::Heir,
            Event::Connects(3),
        ] {
            assert_eq!(Event::decode(event.encode()), event);
        }
        assert!(Event::Ended(place).encode() >> 56 < Event::Connects(0).encode() >> 56);
    }
}
