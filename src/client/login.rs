//! The client's part in a login (`PROTOCOL.md`, section 4.1): after the proof of the shared secret and before any request. The
//! server's last message is checked before anything more is said.

use super::session::Client;
use super::{Error, Result};
use crate::proof;
use crate::scram::{self, Binding, ClientLogin, KeyCache, PLAIN, PLUS};
use crate::wire::drive::{self, Hello, LoggedIn, LoginNext, letter};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// A user and the password. Clones share the keys that were made of it, so that many connections hash once. Shown by no
/// format.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

struct Inner {
    user: String,
    password: Zeroizing<String>,
    keys: Mutex<KeyCache>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?}, ..)", self.0.user)
    }
}

impl Login {
    /// For `user` with `password`, in whatever form they were typed.
    ///
    /// # Errors
    /// Why that is no name, or no password; the sentence has nothing of the password.
    pub fn new(user: &str, password: &str) -> std::result::Result<Login, String> {
        Ok(Login(Arc::new(Inner {
            user: scram::user_name(user)?,
            password: scram::password(password)?,
            keys: Mutex::default(),
        })))
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// How often keys were made of the password: once for each salt that servers sent in a row.
    #[must_use]
    pub fn keys_made(&self) -> u64 {
        self.keys().made()
    }

    fn keys(&self) -> MutexGuard<'_, KeyCache> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Logs in, if there is somebody to log in; or finds out that there has to be.
    pub(super) fn log_in(&mut self, hello: &Hello, login: Option<&Login>) -> Result<()> {
        let offered = match hello.login.as_str() {
            "none" => false,
            "optional" | "required" => true,
            _ => {
                return Err(self.protocol("a hello that neither asks for a login nor does without"));
            }
        };
        self.info.login_offered = offered;
        match login {
            None if hello.login == "required" => self.cannot_log_in(
                "the server wants to know who you are: name a user, as in drive://USER@HOST/",
            ),
            None => Ok(()),
            Some(login) if !offered => self.cannot_log_in(&format!(
                "there are no users on this server: leave {}@ out of the address",
                login.user()
            )),
            Some(login) => self.run_login(hello, login),
        }
    }

    fn cannot_log_in(&mut self, why: &str) -> Result<()> {
        self.abandon();
        Err(Error::Login(why.to_owned()))
    }

    fn run_login(&mut self, hello: &Hello, login: &Login) -> Result<()> {
        let offered = |name: &str| hello.mechanisms.iter().any(|found| found == name);
        // What this connection has that no other has.
        let channel = self.channel_binding().map(<[u8]>::to_vec);
        let binding = channel.as_deref().map_or(Binding::None, Binding::Exporter);
        // Who offers the bound form alone wants nothing else.
        let possible = offered(PLAIN) || (offered(PLUS) && binding != Binding::None);
        if !possible {
            return self.cannot_log_in(&format!(
                "the server offers no way to log in that can be used here: {}",
                super::show::clean(hello.mechanisms.join(", ").as_bytes())
            ));
        }
        let nonce = proof::nonce().map_err(|e| Error::here(format!("no randomness: {e}")))?;
        let Inner { user, password, .. } = &*login.0;
        let (begun, message) = ClientLogin::begin(user, password, &nonce, binding, offered(PLUS))
            .map_err(Error::Login)?;
        let next: LoginNext = self.say_login(message)?;
        let answered = {
            // Whoever else logs in with it waits for the keys instead of making them too.
            begun.respond_with(&next.message, &mut login.keys())
        };
        let (end, message) =
            answered.map_err(|why| self.protocol(format!("a login that is none ({why})")))?;
        let done: LoggedIn = self.say_login(message)?;
        if end.verify(&done.message).is_err() {
            self.abandon();
            return Err(Error::ServerLogin);
        }
        if done.user != *user {
            return Err(self.protocol("it took the login for that of somebody else"));
        }
        self.info.user = Some(done.user);
        self.info.rights = Some(done.rights);
        Ok(())
    }

    /// Sends one message, and waits for the answer.
    fn say_login<T: serde::de::DeserializeOwned>(&mut self, message: String) -> Result<T> {
        self.send(letter::LOGIN, &drive::Login { message })?;
        self.flush()?;
        let answer = self.expect(letter::OK);
        if answer.is_err() {
            // The server may allow another attempt; the same password would fail again.
            self.abandon();
        }
        answer
    }
}
