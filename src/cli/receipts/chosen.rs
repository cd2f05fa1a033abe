//! Which ledger is read.

use crate::config::{self, DEFAULT_FILE};
use crate::ledger::files;
use clap::Args;
use std::path::PathBuf;

/// Where the ledger is.
#[derive(Debug, Args)]
pub(in crate::cli) struct Source {
    /// The ledger's files, in any order; those that end in .gz are unpacked.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 1..,
        help = "The ledger's files, also packed ones [default: ledger_file of the configuration, and what was rotated away beside it]"
    )]
    ledger: Vec<PathBuf>,
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", help = format!("Configuration file [default: {DEFAULT_FILE} if it is there]"))]
    config: Option<PathBuf>,
}

impl Source {
    /// The files, the oldest first.
    ///
    /// # Errors
    /// Lines for the operator: there is none.
    pub(in crate::cli) fn files(&self) -> Result<Vec<PathBuf>, Vec<String>> {
        if !self.ledger.is_empty() {
            return Ok(files::in_order(self.ledger.clone()));
        }
        let (named, _) = self.configured()?;
        let named = named.ok_or_else(|| {
            vec!["the configuration names no ledger_file, so none is kept: name one there and reload the server, or name files with --ledger".to_owned()]
        })?;
        let found = files::with_rotated(&named);
        if found.is_empty() {
            return Err(vec![format!(
                "ledger {}: it is not there; the server makes it when it starts",
                named.display()
            )]);
        }
        Ok(found)
    }

    /// The library that the ledger is about, as the configuration has it.
    ///
    /// # Errors
    /// Lines for the operator: the configuration cannot be read.
    pub(in crate::cli) fn library(&self) -> Result<PathBuf, Vec<String>> {
        Ok(self.configured()?.1)
    }

    fn configured(&self) -> Result<(Option<PathBuf>, PathBuf), Vec<String>> {
        config::ledger_file(self.config.as_deref())
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }
}
