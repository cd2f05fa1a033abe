//! What stands in the spool about one upload, and how a job is called. Pure.

use crate::ipc::Uploaded;
use crate::wire::name;
use crate::wire::path::RelPath;
use serde::{Deserialize, Serialize};

/// The longest wait between two tries, in seconds.
const LONGEST_WAIT: u64 = 3600;

/// One upload, and what came of the tries for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::runner) struct Entry {
    pub(in crate::runner) upload: Uploaded,
    /// Tries so far.
    pub(in crate::runner) tries: u32,
    /// Not before this moment, in seconds since 1970.
    pub(in crate::runner) again: u64,
    /// How the last try ended.
    pub(in crate::runner) outcome: String,
    /// The last of what it wrote.
    pub(in crate::runner) output: String,
}

impl Entry {
    pub(in crate::runner) fn new(upload: Uploaded) -> Entry {
        Entry {
            upload,
            tries: 0,
            again: 0,
            outcome: String::new(),
            output: String::new(),
        }
    }

    /// Where the file is, below the library.
    pub(in crate::runner) fn path(&self) -> Option<RelPath> {
        RelPath::parse(&name::decode(&self.upload.path)?).ok()
    }
}

/// Seconds to wait after so many tries: `first`, then twice that and so on.
pub(in crate::runner) fn wait_after(tries: u32, first: u32) -> u64 {
    let doublings = tries.saturating_sub(1).min(20);
    (u64::from(first) << doublings).min(LONGEST_WAIT)
}

/// The name of a job: jobs are done in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::runner) struct JobName {
    pub(in crate::runner) number: u64,
    /// Of the upload.
    pub(in crate::runner) id: String,
    pub(in crate::runner) hook: String,
}

impl JobName {
    pub(in crate::runner) fn new(number: u64, id: &str, hook: &str) -> JobName {
        JobName {
            number,
            id: id.to_owned(),
            hook: hook.to_owned(),
        }
    }

    pub(in crate::runner) fn parse(text: &str) -> Option<JobName> {
        let mut parts = text.splitn(3, '-');
        let (number, id, hook) = (parts.next()?, parts.next()?, parts.next()?);
        let number = u64::from_str_radix(number, 16).ok()?;
        let job = JobName::new(number, id, hook);
        (job.to_string() == text).then_some(job)
    }
}

impl std::fmt::Display for JobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{}-{}", self.number, self.id, self.hook)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_by_number_upload_and_hook() {
        let job = JobName::new(0x1f, "0123456789abcdef", "convert-scan");
        let text = job.to_string();
        assert_eq!(text, "000000000000001f-0123456789abcdef-convert-scan");
        assert_eq!(JobName::parse(&text), Some(job));
        for bad in ["", "1-2-3", ".000000000000001f-a-b", "000000000000001F-a-b"] {
            assert_eq!(JobName::parse(bad), None, "{bad}");
        }
        let earlier = JobName::new(0xff, "z", "z");
        assert!(earlier < JobName::new(0x100, "a", "a"));
    }

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_an_hour() {
        let waits: Vec<_> = (1..=11).map(|tries| wait_after(tries, 10)).collect();
        assert_eq!(
            waits,
            [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        );
        assert_eq!(wait_after(u32::MAX, 3600), 3600);
    }
}
