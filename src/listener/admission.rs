//! Who may come in: exact counts of living clients, overall and for each address. A client is counted from the moment
//! it is admitted until the kernel says that its child has ended.

use crate::error::{Code, Refusal};
use crate::sys::net::Source;
use std::collections::HashMap;

/// Living clients.
#[derive(Debug, Default)]
pub(super) struct Admission {
    by_source: HashMap<Source, u32>,
    total: u32,
}

impl Admission {
    /// Counts a client in, or says why not.
    pub(super) fn admit(
        &mut self,
        source: Source,
        max_clients: u32,
        max_per_address: u32,
    ) -> Result<(), Refusal> {
        if self.total >= max_clients {
            return Err(Refusal::new(
                Code::Busy,
                format!(
                    "the server has {} clients, and takes no more; try again later",
                    self.total
                ),
            ));
        }
        let from_there = self.by_source.entry(source).or_default();
        if *from_there >= max_per_address {
            return Err(Refusal::new(
                Code::Busy,
                format!(
                    "{from_there} connections from your address are open, and no more are taken; try again later"
                ),
            ));
        }
        *from_there += 1;
        self.total += 1;
        Ok(())
    }

    /// Counts a client out.
    pub(super) fn leave(&mut self, source: Source) {
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            self.total -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    /// Living clients.
    pub(super) fn total(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_and_an_address_cannot_take_all() {
        let (a, b) = (Source::V4(1), Source::V4(2));
        let mut admission = Admission::default();
        assert!(admission.admit(a, 3, 2).is_ok());
        assert!(admission.admit(a, 3, 2).is_ok());
        assert_eq!(
            admission.admit(a, 3, 2).expect_err("two are there").code,
            Code::Busy
        );
        assert!(admission.admit(b, 3, 2).is_ok());
        assert_eq!(
            admission.admit(b, 3, 2).expect_err("three in all").code,
            Code::Busy
        );
        admission.leave(a);
        assert!(admission.admit(b, 3, 2).is_ok());
        for source in [a, b, b] {
            admission.leave(source);
        }
        assert_eq!((admission.total(), admission.by_source.len()), (0, 0));
    }
}
