//! `M`, `R`, `F`, `S`, `T`: making folders, changing and freeing names, looking at one, setting a time. Run by the client. A
//! server that does not list a letter is not asked.

use super::session::Client;
use super::{Error, Result, show};
use crate::error::{Code, Refusal};
use crate::sys::file::Stamp;
use crate::wire::drive::{Entry, Make, Remove, Rename, SetTime, Stat, letter};
use crate::wire::name::Name;
use crate::wire::path::RelPath;
use serde::Serialize;
use std::collections::VecDeque;

/// Most requests whose answers have not been read: they and their answers fit the kernel's buffers.
const WINDOW: usize = 64;

impl Client {
    /// Makes the folder `path`; with `parents` those on the way too, and one that is there is no failure.
    ///
    /// # Errors
    /// As any request: `Refused`, `Lost`, `Protocol`, `Interrupted`.
    pub fn make_folder(&mut self, path: &RelPath, parents: bool) -> Result<()> {
        self.change(letter::MAKE, &make(path, parents))
    }

    /// Makes many folders, with those on the way, without waiting for each answer; one that is there is no failure. `done`
    /// is told how each ended, in order.
    ///
    /// # Errors
    /// What ended the connection; those that got no answer have been reported as `Unanswered` then, the others not at all.
    pub fn make_folders<'a>(
        &mut self,
        paths: impl IntoIterator<Item = &'a RelPath>,
        done: impl FnMut(&'a RelPath, Result<()>),
    ) -> Result<()> {
        self.many(letter::MAKE, paths, |path| make(path, true), done)
    }

    /// Gives the file or folder `from` the name `to`; with `overwrite` a file may replace another.
    ///
    /// # Errors
    /// As any request.
    pub fn rename(&mut self, from: &RelPath, to: &RelPath, overwrite: bool) -> Result<()> {
        let request = Rename {
            path: wire(from),
            to: wire(to),
            overwrite,
        };
        self.change(letter::RENAME, &request)
    }

    /// Removes the file `path`, or the folder if it is empty.
    ///
    /// # Errors
    /// As any request.
    pub fn remove(&mut self, path: &RelPath) -> Result<()> {
        self.change(letter::REMOVE, &Remove { path: wire(path) })
    }

    /// Removes many, in this order, without waiting for each answer. `done` is told how each ended, in order.
    ///
    /// # Errors
    /// As `make_folders`.
    pub fn remove_many<'a>(
        &mut self,
        paths: impl IntoIterator<Item = &'a RelPath>,
        done: impl FnMut(&'a RelPath, Result<()>),
    ) -> Result<()> {
        let request = |path: &RelPath| Remove { path: wire(path) };
        self.many(letter::REMOVE, paths, request, done)
    }

    /// What is under the name `path`.
    ///
    /// # Errors
    /// As any request.
    pub fn stat(&mut self, path: &RelPath) -> Result<Entry> {
        self.check_letter(letter::STAT)?;
        self.send(letter::STAT, &Stat { path: wire(path) })?;
        self.flush()?;
        let entry: Entry = self.expect(letter::OK)?;
        if entry.name.0 != path.as_bytes() {
            return Err(self.protocol(format!(
                "it was asked about {} and speaks of {}",
                show::clean(path.as_bytes()),
                show::clean(&entry.name.0)
            )));
        }
        Ok(entry)
    }

    /// Sets the time of change of the file `path`.
    ///
    /// # Errors
    /// As any request.
    pub fn set_time(&mut self, path: &RelPath, time: Stamp) -> Result<()> {
        let request = SetTime {
            path: wire(path),
            mtime: time.seconds,
            nsec: time.nanos,
        };
        self.change(letter::TIME, &request)
    }

    /// One request whose answer says nothing but that it was carried out.
    fn change(&mut self, letter: u8, request: &impl Serialize) -> Result<()> {
        self.check_letter(letter)?;
        self.send(letter, request)?;
        self.flush()?;
        self.expect_done()
    }

    /// A `K`, whatever a newer server says in it.
    fn expect_done(&mut self) -> Result<()> {
        self.expect::<serde_json::Value>(letter::OK).map(drop)
    }

    fn many<'a, T: Serialize>(
        &mut self,
        letter: u8,
        paths: impl IntoIterator<Item = &'a RelPath>,
        request: impl Fn(&RelPath) -> T,
        mut done: impl FnMut(&'a RelPath, Result<()>),
    ) -> Result<()> {
        self.check_letter(letter)?;
        let mut paths = paths.into_iter();
        let mut waiting: VecDeque<&RelPath> = VecDeque::with_capacity(WINDOW);
        let outcome = loop {
            // Refilled by halves, so that requests leave many at a time.
            if waiting.len() <= WINDOW / 2
                && let Err(error) = self.fill(letter, &mut paths, &request, &mut waiting, &mut done)
            {
                break Err(error);
            }
            let Some(path) = waiting.pop_front() else {
                break Ok(());
            };
            match self.expect_done() {
                Err(error) if self.is_broken() => {
                    done(path, Err(error.clone()));
                    break Err(error);
                }
                answer => done(path, answer),
            }
        };
        for path in waiting {
            done(path, Err(Error::Unanswered));
        }
        outcome
    }

    /// Sends requests until the window is full.
    fn fill<'a, T: Serialize>(
        &mut self,
        letter: u8,
        paths: &mut impl Iterator<Item = &'a RelPath>,
        request: &impl Fn(&RelPath) -> T,
        waiting: &mut VecDeque<&'a RelPath>,
        done: &mut impl FnMut(&'a RelPath, Result<()>),
    ) -> Result<()> {
        if let Err(interrupted) = self.interrupt.check() {
            self.abandon();
            return Err(interrupted);
        }
        while waiting.len() < WINDOW {
            let Some(path) = paths.next() else { break };
            match self.send(letter, &request(path)) {
                Ok(()) => waiting.push_back(path),
                Err(error) => {
                    done(path, Err(error.clone()));
                    if self.is_broken() {
                        return Err(error);
                    }
                }
            }
        }
        self.flush()
    }

    /// Refuses what the server does not do, before anything is sent.
    pub(super) fn check_letter(&self, letter: u8) -> Result<()> {
        if self.info().commands.contains(char::from(letter)) {
            return Ok(());
        }
        let what = match letter {
            letter::MAKE => "make folders",
            letter::RENAME => "rename files",
            letter::REMOVE => "remove files",
            letter::STAT => "say what a single name is",
            letter::TIME => "set the times of files",
            letter::RUN => "run commands",
            _ => "do that",
        };
        Err(Error::Refused(Refusal::new(
            Code::Letter,
            format!("this server cannot {what}; it may be older than this program"),
        )))
    }
}

fn wire(path: &RelPath) -> Name {
    Name(path.as_bytes().to_vec())
}

fn make(path: &RelPath, parents: bool) -> Make {
    Make {
        path: wire(path),
        parents,
    }
}
