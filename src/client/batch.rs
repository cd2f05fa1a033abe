//! Many files over several connections: one queue, one thread for each connection. Run by the commands `get` and `put`.

use super::link::Link;
use super::report::Report;
use super::session::Client;
use super::{Error, Result};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is still to be done.
#[derive(Debug)]
pub(super) struct Queue<J> {
    jobs: Mutex<VecDeque<J>>,
    connections: usize,
}

impl<J> Queue<J> {
    pub(super) fn new(jobs: impl IntoIterator<Item = J>, connections: usize) -> Queue<J> {
        Queue {
            jobs: Mutex::new(jobs.into_iter().collect()),
            connections: connections.max(1),
        }
    }

    /// The next job, if `fits` and unless this connection holds its share already. With one connection there is no share: the
    /// pipeline's own window is the limit.
    pub(super) fn pop_if(&self, held: usize, fits: impl FnOnce(&J) -> bool) -> Option<J> {
        let mut jobs = self.lock();
        if self.connections > 1 && held >= (jobs.len() / (2 * self.connections)).max(2) {
            return None;
        }
        if fits(jobs.front()?) {
            jobs.pop_front()
        } else {
            None
        }
    }

    pub(super) fn pop(&self, held: usize) -> Option<J> {
        self.pop_if(held, |_| true)
    }

    /// Gives a job back, to be done next.
    pub(super) fn again(&self, job: J) {
        self.lock().push_front(job);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<J>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` on each connection until the queue is empty. `work` gets the connection's number and returns what ended it early.
/// `name` says how a job is called, for those that could not be tried any more.
pub(super) fn run<J: Send>(
    link: &mut Link,
    queue: &Queue<J>,
    report: &Report,
    work: impl Fn(&mut Client, usize) -> Result<()> + Sync,
    name: impl Fn(&J) -> Vec<u8>,
) {
    let (url, options) = (link.url.clone(), link.options.clone());
    let mut outcome = Ok(());
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..queue.connections)
            .map(|number| {
                let (mut own, work) = (Link::new(url.clone(), options.clone()), &work);
                scope.spawn(move || {
                    let outcome = keep_on(&mut own, queue, number, work);
                    own.leave();
                    outcome
                })
            })
            .collect();
        outcome = keep_on(link, queue, 0, &work);
        for (number, other) in others.into_iter().enumerate() {
            match other.join() {
                Ok(Ok(())) => {}
                Ok(Err(Error::Interrupted)) => outcome = Err(Error::Interrupted),
                Ok(Err(error)) => {
                    report.notice(&format!("connection {}: {error}", number + 2));
                    outcome = outcome.clone().and(Err(error));
                }
                Err(_) => outcome = Err(Error::here("a thread ended unexpectedly")),
            }
        }
    });
    let left = std::mem::take(&mut *queue.lock());
    match outcome {
        Err(Error::Interrupted) => report.count(super::exit::Exit::Interrupted),
        Err(error) => report.left(left.iter().map(name), &error),
        // Jobs that were given back by a connection after the others had found the queue empty.
        Ok(()) => report.left(left.iter().map(name), &Error::Unanswered),
    }
}

fn keep_on<J>(
    link: &mut Link,
    queue: &Queue<J>,
    number: usize,
    work: &(impl Fn(&mut Client, usize) -> Result<()> + Sync),
) -> Result<()> {
    while !queue.is_empty() {
        match work(link.client()?, number) {
            // A failure on our side that made it cheaper to hang up than to read on.
            Ok(()) | Err(Error::Local { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_the_queue() {
        let alone = Queue::new(0..100, 1);
        assert_eq!(alone.pop(63), Some(0));
        let shared = Queue::new(0..100, 4);
        assert_eq!(shared.pop(11), Some(0));
        assert_eq!(shared.pop(12), None, "an eighth of what is left");
        let few = Queue::new(0..3, 4);
        assert_eq!(few.pop(1), Some(0));
        assert_eq!(few.pop(2), None);
        few.again(9);
        assert_eq!(few.pop_if(0, |job| *job == 1), None);
        assert_eq!(few.pop(0), Some(9));
    }
}
