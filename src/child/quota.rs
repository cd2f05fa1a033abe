//! What this session uses of a quota: room is reserved with the broker before bytes are taken, and what came of it is told when
//! it is known. Without a quota nothing is asked. Run by a child.

use super::ask::{Spent, Unanswered};
use super::guest::Guest;
use crate::error::{Code, Refusal};
use crate::library::{Removed, Upload};
use crate::sys::file::Kind;

/// Reserved ahead for an upload whose size nobody knows, bytes.
const AHEAD: u64 = 4 * 1024 * 1024;

/// What is reserved for one upload.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reserved {
    bytes: u64,
    files: u64,
}

impl Guest {
    /// Reserves room for an upload that begins, of `size` bytes if that is known.
    pub(super) fn reserve(
        &self,
        upload: &Upload,
        size: Option<u64>,
    ) -> Result<Reserved, Unanswered> {
        if !self.grant.quota {
            return Ok(Reserved::default());
        }
        let files = u64::from(!upload.replaces());
        let bytes = size.unwrap_or(0).max(upload.written());
        self.broker.ask_reserve(bytes, files)?;
        Ok(Reserved { bytes, files })
    }

    /// Reserves more, if the upload needs it to grow to `end` bytes; refused where nobody is left to ask.
    pub(super) fn grow(&self, reserved: &mut Reserved, end: u64) -> Result<(), Refusal> {
        self.ask_to_grow(reserved, end).map_err(|why| match why {
            Unanswered::Refused(refusal) => refusal,
            Unanswered::Gone(_) => {
                let what = "the quota cannot be looked at now";
                Refusal::new(Code::Io, what)
            }
        })
    }

    /// Reserves more, if the upload needs it to grow to `end` bytes.
    pub(super) fn ask_to_grow(&self, reserved: &mut Reserved, end: u64) -> Result<(), Unanswered> {
        if !self.grant.quota || end <= reserved.bytes {
            return Ok(());
        }
        let needed = end - reserved.bytes;
        // Near the limit there is not so much ahead, but perhaps enough.
        for more in [needed.max(AHEAD), needed] {
            match self.broker.ask_reserve(more, 0) {
                Ok(()) => {
                    reserved.bytes += more;
                    return Ok(());
                }
                Err(Unanswered::Refused(refusal)) if refusal.code == Code::Quota => {}
                Err(why) => return Err(why),
            }
        }
        Err(Unanswered::Refused(Code::Quota.into()))
    }

    /// Tells what came of reservations and removals.
    pub(super) fn spend(&self, spent: Spending) -> Result<(), Unanswered> {
        if !self.grant.quota || spent.0 == Spent::default() {
            return Ok(());
        }
        self.broker.ask_spent(spent.0)
    }
}

/// Adds up what is to be told.
#[derive(Debug, Default)]
pub(super) struct Spending(Spent);

impl Spending {
    /// A reservation is over.
    pub(super) fn release(&mut self, reserved: Reserved) {
        self.0.reserved_bytes += reserved.bytes;
        self.0.reserved_files += reserved.files;
    }

    /// A file of `size` bytes is stored, in the place of one of `replaced` bytes if there was one.
    pub(super) fn stored(&mut self, size: u64, replaced: Option<u64>) {
        self.0.bytes += size as i64 - replaced.unwrap_or(0) as i64;
        self.0.files += i64::from(replaced.is_none());
    }

    /// What went away, if it was a file.
    pub(super) fn of_removed(gone: &Removed) -> Spending {
        let mut spending = Spending::default();
        spending.removed(gone);
        spending
    }

    /// The same, beside what went before.
    pub(super) fn removed(&mut self, gone: &Removed) {
        if gone.kind == Kind::File {
            self.0.bytes -= gone.size as i64;
            self.0.files -= 1;
        }
    }
}
