//! What the broker alone holds. Loaded whole or not at all: a damaged part means no service.

use super::sign::Pairs;
use crate::config::{Config, Flags};
use crate::library::Library;
use crate::log::{self, Level};
use crate::proof::Secret;

/// Secrets, and the library.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) config: Config,
    pub(super) secret: Option<Secret>,
    pub(super) tls: Pairs,
    pub(super) library: Library,
}

impl Keys {
    /// Reads and opens everything that `flags` and the configuration name.
    ///
    /// # Errors
    /// Lines for the operator.
    pub(super) fn load(flags: &Flags) -> Result<Keys, Vec<String>> {
        let config = Config::load(flags)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        log::set(config.log_format, config.log_level);
        let one = |problem: String| vec![problem];
        let secret = config
            .secret_file
            .as_deref()
            .map(Secret::from_file)
            .transpose()
            .map_err(one)?;
        let tls = Pairs::load(config.tls.as_ref()).map_err(one)?;
        let library = Library::open(&config.library, config.files, config.identity).map_err(one)?;
        let keys = Keys {
            config,
            secret,
            tls,
            library,
        };
        keys.sweep();
        Ok(keys)
    }

    /// Reads the certificate and its key again, and nothing else.
    ///
    /// # Errors
    /// Lines for the operator; what there was stays.
    pub(super) fn renew(&mut self) -> Result<(), Vec<String>> {
        let renewed = Pairs::load(self.config.tls.as_ref()).map_err(|problem| vec![problem])?;
        let old = std::mem::replace(&mut self.tls, renewed);
        self.tls.succeed(old);
        Ok(())
    }

    /// Removes what is left in the staging area.
    pub(super) fn sweep(&self) {
        match self.library.sweep() {
            Ok(0) => {}
            Ok(swept) => log::event(Level::Info, "staging area swept", &[("removed", &swept)]),
            Err(errno) => log::event(
                Level::Warn,
                "the staging area cannot be swept",
                &[("error", &errno.desc())],
            ),
        }
    }
}
