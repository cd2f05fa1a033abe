//! One session with one server: the proof, frames and what can go wrong with them, echo and quit. Run by the client. The
//! requests are in `list`, `get`, `put` and `manage`.

use super::connection::{self, In, Interrupt, Out, Wait, explain};
use super::login::Login;
use super::rate::Rate;
use super::secure::{self, Shaken};
use super::terms::{Options, SessionInfo};
use super::url::{Place, Url};
use super::{Error, Result, known_hosts};
use crate::digest;
use crate::error::{Code, Refusal};
use crate::proof::{self, Mac, Role, Transcript};
use crate::tls::EXPORTER;
use crate::wire::drive::{self, Fault, Hello, Nothing, PROTOCOL, Prove, Proved, letter};
use crate::wire::frame::{Broken, Header, MAX_DATA, Reader, Writer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A session, ready for requests.
///
/// After a failure for which [`Client::is_usable`] is false, connect again.
#[derive(Debug)]
pub struct Client {
    pub(super) reader: Reader<In>,
    pub(super) writer: Writer<Out>,
    pub(super) interrupt: Interrupt,
    pub(super) rate: Option<Arc<Rate>>,
    /// Kept between transfers; grows on first use.
    pub(super) buffer: Vec<u8>,
    wait: Arc<Wait>,
    pub(super) info: SessionInfo,
    /// The name of the TLS channel (RFC 9266).
    channel: Option<[u8; EXPORTER]>,
    broken: bool,
}

impl Client {
    /// Connects, proves the secret if the server asks for that, and logs in if there is somebody to log in.
    ///
    /// # Errors
    /// `Connect`, `Identity`, `Lost`, `Secret`, `ProofRefused`, `ServerProof`, `Login`, `LoginRefused`, `ServerLogin`, `Protocol`, `Interrupted`; `Refused` with `Code::Busy`
    /// or `Code::Closing` when the server takes nobody now.
    pub fn connect(url: &Url, options: &Options) -> Result<Client> {
        let login = options.login.as_ref().map(Login::user);
        if let Some(user) = url.user.as_deref().filter(|user| Some(*user) != login) {
            return Err(Error::Login(format!(
                "the password of {} is not known here",
                super::show::clean(user.as_bytes())
            )));
        }
        let wait = Wait::new(options.interrupt.clone(), options.connect_timeout);
        let fd = match &url.place {
            Place::Tcp(host, port) | Place::Tls(host, port) => {
                connection::tcp(host, *port, &wait, options.connect_timeout)?
            }
            Place::Unix(path) => connection::unix(path, &wait, options.connect_timeout)?,
        };
        let twin = fd.try_clone().map_err(|e| Error::Connect(e.to_string()))?;
        let Place::Tls(host, port) = &url.place else {
            return Client::over(fd, twin, options);
        };
        let (place, limit) = ((host.as_str(), *port), options.connect_timeout);
        let shaken = secure::shake_hands(fd.as_fd(), place, &options.trust, &wait, limit)?;
        let client = Client::begin(fd, twin, options, Some(&shaken))?;
        // Not sooner: one that fails the proof of the secret is nobody to be known from now on.
        if let (Some(key), Some(hosts)) = (shaken.first_met, &options.trust.known_hosts) {
            let server = known_hosts::name(host, *port);
            if hosts.add(&server, key).map_err(Error::Identity)?
                && let Some(notice) = options.notice
            {
                notice(&format!(
                    "{}: met for the first time, known from now on by {key} ({})",
                    super::show::clean(server.as_bytes()),
                    hosts.path().display()
                ));
            }
        }
        Ok(client)
    }

    /// The same over a connection that exists already: two sockets or pipes, or one socket and its duplicate. Both are
    /// made non-blocking.
    ///
    /// # Errors
    /// As `connect`.
    pub fn over(
        input: impl Into<OwnedFd>,
        output: impl Into<OwnedFd>,
        options: &Options,
    ) -> Result<Client> {
        Client::begin(input.into(), output.into(), options, None)
    }

    fn begin(
        input: OwnedFd,
        output: OwnedFd,
        options: &Options,
        shaken: Option<&Shaken>,
    ) -> Result<Client> {
        let wait = Arc::new(Wait::new(
            options.interrupt.clone(),
            options.connect_timeout.min(options.stall_timeout),
        ));
        let nothing = drive::Limits {
            control: 0,
            data: 0,
            idle: 0,
        };
        let mut input = In::new(input, wait.clone())?;
        let mut output = Out::new(output, wait.clone())?;
        if let Some(shaken) = shaken {
            input.secure(&shaken.secure);
            output.secure(&shaken.secure);
        }
        let mut client = Client {
            reader: Reader::new(input),
            writer: Writer::new(output),
            interrupt: options.interrupt.clone(),
            rate: options.rate.clone(),
            buffer: Vec::new(),
            wait,
            info: SessionInfo {
                mac: None,
                tls: None,
                secret_unused: false,
                login_offered: false,
                user: None,
                rights: None,
                digests: Vec::new(),
                commands: String::new(),
                limits: nothing,
            },
            channel: shaken.map(|shaken| shaken.exporter),
            broken: false,
        };
        client.info.tls = shaken.map(|shaken| shaken.agreed.clone());
        client.shake_hands(options)?;
        client.wait.set_stall(options.stall_timeout);
        Ok(client)
    }

    /// What the handshake brought.
    #[must_use]
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// The name of the TLS channel, which a proof or a login made in it is bound to (RFC 9266, tls-exporter); None without TLS.
    #[must_use]
    pub fn channel_binding(&self) -> Option<&[u8]> {
        self.channel.as_ref().map(|channel| &channel[..])
    }

    /// True while requests can be made. Also false when the server has closed an idle connection.
    #[must_use]
    pub fn is_usable(&mut self) -> bool {
        // Between requests a server has nothing to say: what is readable now is its farewell.
        !self.broken && !self.answer_is_here()
    }

    /// One echo; returns how long it took there and back.
    ///
    /// # Errors
    /// As any request: `Refused`, `Lost`, `Protocol`, `Interrupted`.
    pub fn ping(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        let payload = proof::nonce().map_err(|e| Error::here(format!("no randomness: {e}")))?;
        let sent = self
            .writer
            .bytes(letter::ECHO, &payload[..8])
            .and_then(|()| self.writer.flush());
        self.sent(sent)?;
        let header = self.next_frame()?;
        match header.letter {
            letter::ECHO => {}
            letter::ERROR => return Err(self.fault(header)),
            other => return Err(self.unexpected(other, "an echo")),
        }
        if *self.payload(header)? != payload[..8] {
            return Err(self.protocol("an echo of something else"));
        }
        Ok(begin.elapsed())
    }

    /// Takes leave; the server has answered everything then.
    ///
    /// # Errors
    /// As any request.
    pub fn quit(mut self) -> Result<()> {
        self.send(letter::QUIT, &Nothing {})?;
        self.flush()?;
        // A newer server may say more than nothing.
        self.expect::<serde_json::Value>(letter::OK)?;
        self.writer.sink().farewell();
        Ok(())
    }

    fn shake_hands(&mut self, options: &Options) -> Result<()> {
        let header = match self.reader.header() {
            // How an alert and a handshake of TLS begin (RFC 8446, section 5.1).
            Err(Broken::NoFrame(0x15 | 0x16)) if self.channel.is_none() => {
                return Err(self.protocol("it speaks TLS: write drives:// for drive://"));
            }
            Ok(Some(header)) => Ok(header),
            Ok(None) => self.next_frame(),
            Err(broken) => Err(self.failed(broken)),
        };
        let header = header.map_err(|error| match error {
            Error::Protocol(why) => Error::Protocol(format!("{why}; is that a forkftp server?")),
            other => other,
        })?;
        let raw = match header.letter {
            letter::HELLO => self.payload(header)?.to_vec(),
            letter::ERROR => return Err(self.fault(header)),
            other => return Err(self.unexpected(other, "a hello")),
        };
        let hello: Hello = serde_json::from_slice(&raw)
            .map_err(|e| self.protocol(format!("a hello that is none ({e})")))?;
        if hello.protocol != PROTOCOL {
            return Err(self.protocol(format!("it speaks {}, we speak {PROTOCOL}", hello.protocol)));
        }
        if hello.nonce.len() != 2 * proof::NONCE || hex::decode(&hello.nonce).is_err() {
            return Err(self.protocol("a hello without a nonce of 32 bytes"));
        }
        if hello.limits.data == 0 {
            return Err(self.protocol("it takes no data at all"));
        }
        if hello.macs.is_empty() {
            if options.require_proof {
                self.broken = true;
                return Err(Error::Secret(
                    "the server asks for no proof of the shared secret, and so gives none itself"
                        .into(),
                ));
            }
            self.info.secret_unused = options.secret.is_some();
        } else {
            self.info.mac = Some(self.prove(&raw, &hello, options)?);
        }
        self.log_in(&hello, options.login.as_ref())?;
        self.info.digests = hello.digests;
        self.info.commands = hello.commands;
        self.info.limits = drive::Limits {
            data: hello.limits.data.min(MAX_DATA as u32),
            ..hello.limits
        };
        Ok(())
    }

    /// Proves our side, then judges the server's. Nothing is said after a wrong proof.
    fn prove(&mut self, raw: &[u8], hello: &Hello, options: &Options) -> Result<Mac> {
        let offered = |mac: Mac| {
            serde_json::to_value(mac).is_ok_and(|name| hello.macs.iter().any(|m| name == *m))
        };
        let Some(mac) = [Mac::Sha256, Mac::Md5]
            .into_iter()
            .find(|mac| offered(*mac))
        else {
            return Err(self.protocol(format!(
                "none of its MACs is known here: {}",
                hello.macs.join(", ")
            )));
        };
        let Some(secret) = &options.secret else {
            self.broken = true;
            return Err(Error::Secret("the server asks for the shared secret: give its file with --secret-file or FORKFTP_SECRET_FILE".into()));
        };
        let nonce = proof::nonce().map_err(|e| Error::here(format!("no randomness: {e}")))?;
        // A copy, since the transcript lives on while requests are made.
        let channel = self.channel_binding().unwrap_or_default().to_vec();
        let seen = Transcript {
            hello: raw,
            client_nonce: &nonce,
            channel: &channel,
        };
        let proof = hex::encode(seen.prove(secret, Role::Client, mac));
        self.send(
            letter::PROVE,
            &Prove {
                nonce: hex::encode(nonce),
                mac,
                proof,
            },
        )?;
        self.flush()?;
        let answer: Proved = self.expect(letter::OK)?;
        let theirs = hex::decode(&answer.proof).unwrap_or_default();
        if seen.verify(secret, Role::Server, mac, &theirs) {
            Ok(mac)
        } else {
            self.broken = true;
            Err(Error::ServerProof)
        }
    }

    /// Changes how long to wait for anything to move.
    pub(super) fn set_stall(&mut self, stall: Duration) {
        self.wait.set_stall(stall);
    }

    /// Gathers a request; `flush` sends it.
    pub(super) fn send<T: Serialize>(&mut self, letter: u8, value: &T) -> Result<()> {
        let sent = self.writer.json(letter, value);
        self.sent(sent)
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let sent = self.writer.flush();
        self.sent(sent)
    }

    /// Judges the outcome of a write.
    pub(super) fn sent(&mut self, outcome: io::Result<()>) -> Result<()> {
        outcome.map_err(|error| {
            if error.kind() == io::ErrorKind::InvalidInput {
                return Error::Refused(Refusal::new(Code::Name, "the name is too long"));
            }
            self.broken = true;
            match explain(&error) {
                lost @ Error::Lost(_) => self.last_words().unwrap_or(lost),
                other => other,
            }
        })
    }

    /// A server that hangs up says why before; that may be here already, unread.
    fn last_words(&mut self) -> Option<Error> {
        for _ in 0..1000 {
            if !self.answer_is_here() {
                return None;
            }
            let header = self.reader.header().ok()??;
            if header.letter == letter::ERROR {
                let error = self.fault(header);
                if error.ends_connection() {
                    return Some(error);
                }
            } else {
                self.reader.skip(header).ok()?;
            }
        }
        None
    }

    /// True when the server has said something that was not read yet.
    pub(super) fn answer_is_here(&mut self) -> bool {
        self.reader.has_more() || self.reader.inner().is_ready()
    }

    pub(super) fn next_frame(&mut self) -> Result<Header> {
        match self.reader.header() {
            Ok(Some(header)) => Ok(header),
            Ok(None) => {
                self.broken = true;
                Err(Error::Lost("the server closed the connection".into()))
            }
            Err(broken) => Err(self.failed(broken)),
        }
    }

    /// The payload of a control frame.
    pub(super) fn payload(&mut self, header: Header) -> Result<&[u8]> {
        // Two steps, since the borrow of the payload must not be alive where `failed` is called.
        match self.reader.control(header) {
            Ok(payload) => Ok(payload),
            Err(broken) => {
                self.broken = true;
                Err(explain_broken(broken))
            }
        }
    }

    /// The JSON of a control frame.
    pub(super) fn parse<T: DeserializeOwned>(&mut self, header: Header) -> Result<T> {
        let parsed = serde_json::from_slice(self.payload(header)?);
        parsed.map_err(|e| {
            self.protocol(format!(
                "a frame {} that is none ({e})",
                char::from(header.letter)
            ))
        })
    }

    /// The next frame, which must have this letter, or be an error.
    pub(super) fn expect<T: DeserializeOwned>(&mut self, wanted: u8) -> Result<T> {
        let header = self.next_frame()?;
        match header.letter {
            found if found == wanted => self.parse(header),
            letter::ERROR => Err(self.fault(header)),
            other => Err(self.unexpected(other, &format!("frame {}", char::from(wanted)))),
        }
    }

    /// What an `E` frame says.
    pub(super) fn fault(&mut self, header: Header) -> Error {
        match self.parse::<Fault>(header) {
            Ok(fault) => {
                let error = Error::from(Refusal::from(fault));
                self.broken |= error.ends_connection();
                error
            }
            Err(error) => error,
        }
    }

    pub(super) fn unexpected(&mut self, found: u8, wanted: &str) -> Error {
        self.protocol(format!(
            "frame {} where {wanted} was due",
            char::from(found)
        ))
    }

    pub(super) fn protocol(&mut self, why: impl Into<String>) -> Error {
        self.broken = true;
        Error::Protocol(why.into())
    }

    pub(super) fn failed(&mut self, broken: Broken) -> Error {
        self.broken = true;
        explain_broken(broken)
    }

    /// Gives the connection up: what is still to come on it is not worth reading.
    pub(super) fn abandon(&mut self) {
        self.broken = true;
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Refuses a digest that the server cannot compute, before anything is sent.
    pub(super) fn check_digest(&self, kind: digest::Kind) -> Result<()> {
        if self.info.digests.contains(&kind) {
            return Ok(());
        }
        Err(Error::Refused(Refusal::new(
            Code::Request,
            format!("the server does not compute {}", kind.as_str()),
        )))
    }
}

fn explain_broken(broken: Broken) -> Error {
    match broken {
        Broken::Io(error) => explain(&error),
        Broken::Truncated => Error::Lost(Broken::Truncated.to_string()),
        other => Error::Protocol(other.to_string()),
    }
}
