//! A server that commands talk to again and again: connects when it is needed, and once more when the connection has ended
//! since. Run by the commands and the shell.

use super::session::Client;
use super::terms::{Options, SessionInfo};
use super::{Result, Url};
use std::time::Duration;

/// A server, and the session with it while there is one.
#[derive(Debug)]
pub struct Link {
    /// The server, and the path the user gave.
    pub url: Url,
    /// How to talk to it.
    pub options: Options,
    client: Option<Client>,
}

impl Link {
    /// Nothing is connected yet.
    #[must_use]
    pub fn new(url: Url, options: Options) -> Link {
        Link {
            url,
            options,
            client: None,
        }
    }

    /// The session; connects if there is none, or if it has ended.
    ///
    /// # Errors
    /// As `Client::connect`.
    pub fn client(&mut self) -> Result<&mut Client> {
        let usable = match self.client.take() {
            Some(mut client) => client.is_usable().then_some(client),
            None => None,
        };
        let client = match usable {
            Some(client) => client,
            None => Client::connect(&self.url, &self.options)?,
        };
        Ok(self.client.insert(client))
    }

    /// What the handshake of the present session brought.
    #[must_use]
    pub fn info(&self) -> Option<&SessionInfo> {
        self.client.as_ref().map(Client::info)
    }

    /// Runs `ask` on the session there is, if it is usable, and waits at most `wait` at each step.
    pub(super) fn patiently<T>(
        &mut self,
        wait: Duration,
        ask: impl FnOnce(&mut Client) -> T,
    ) -> Option<T> {
        let client = self.client.as_mut().filter(|client| !client.is_broken())?;
        client.set_stall(wait);
        let answer = ask(client);
        client.set_stall(self.options.stall_timeout);
        Some(answer)
    }

    /// Takes leave, if there is a session. Whatever goes wrong then has nothing to do with what was done before.
    pub fn leave(&mut self) {
        if let Some(mut client) = self.client.take()
            && client.is_usable()
        {
            let _ = client.quit();
        }
    }
}
