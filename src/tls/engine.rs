//! One end of a TLS connection without its socket: bytes in and out of the arithmetic. Whoever has the socket waits for it in
//! its own way. Used by children and clients.

use super::{EXPORTER, EXPORTER_LABEL, explain};
use rustls::Connection;
use std::io::{self, Read, Write};

/// Most bytes that are sealed before they are sent: four records.
pub const SEALED_AT_ONCE: usize = 64 * 1024;

/// What is read at once at first; more where the other end sends faster.
const FIRST_READ: usize = 4 * 1024;

/// A TLS connection.
#[derive(Debug)]
pub struct Engine {
    connection: Connection,
    /// What came and was not opened yet: `raw[start..end]`.
    raw: Vec<u8>,
    start: usize,
    end: usize,
    /// The stream underneath has ended.
    ended: bool,
    /// The other end said so before.
    goodbye: bool,
    /// Where records begin and end.
    records: Records,
}

/// Follows records as they come, by their heads (RFC 8446, section 5.1).
#[derive(Debug, Default)]
struct Records {
    /// Of the next head, as far as it has come.
    head: [u8; RECORD_HEAD],
    known: usize,
    /// Bytes of the record that are still to come.
    left: usize,
}

/// Type, version, length.
const RECORD_HEAD: usize = 5;

impl Records {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let within = self.left.min(bytes.len());
                self.left -= within;
                bytes = &bytes[within..];
                continue;
            }
            let more = (RECORD_HEAD - self.known).min(bytes.len());
            self.head[self.known..self.known + more].copy_from_slice(&bytes[..more]);
            self.known += more;
            bytes = &bytes[more..];
            if self.known == RECORD_HEAD {
                self.left = usize::from(u16::from_be_bytes([self.head[3], self.head[4]]));
                self.known = 0;
            }
        }
    }

    fn is_between(&self) -> bool {
        self.left == 0 && self.known == 0
    }
}

impl Engine {
    /// Begins with a handshake. What the other end sends ahead and what is still to be sent are bounded.
    pub fn new(connection: impl Into<Connection>) -> Engine {
        let mut connection = connection.into();
        // For what is sealed and not sent yet; more is never given to it at once.
        connection.set_buffer_limit(Some(2 * SEALED_AT_ONCE));
        Engine {
            connection,
            raw: vec![0; FIRST_READ],
            start: 0,
            end: 0,
            ended: false,
            goodbye: false,
            records: Records::default(),
        }
    }

    /// True when the other end said that it has ended (close_notify): then nothing is missing.
    #[must_use]
    pub fn said_goodbye(&self) -> bool {
        self.goodbye
    }

    /// True when the stream underneath ended, or stands, in the middle of a record: something is missing, whatever was said.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        !self.goodbye && !self.records.is_between()
    }

    /// True when the handshake resumed a session.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// True when nothing but tickets can be waiting to be pushed: under TLS 1.3, where they follow a handshake that is over.
    #[must_use]
    pub fn has_only_tickets(&self) -> bool {
        let is_1_3 = self.connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        is_1_3 && !self.is_handshaking()
    }

    /// True until both ends have shown who they are.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// What the other end said, as far as it has come: how many bytes were put into `into`, 0 at the end, and None when
    /// more has to be pulled first.
    ///
    /// The end is the end, with a goodbye (close_notify) or without: frames say themselves where they end, so that a stream
    /// that was cut shows as one.
    ///
    /// # Errors
    /// `InvalidData` for what is no TLS, was tampered with, or breaks its rules. An alert for the other end may then wait to
    /// be pushed.
    pub fn take(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.connection.reader().read(into) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(0)),
                Err(error) => return Err(error),
            }
            if !self.open()? {
                return Ok(self.ended.then_some(0));
            }
        }
    }

    /// Opens some of what came. False when there is nothing left to open.
    fn open(&mut self) -> io::Result<bool> {
        if self.start == self.end {
            return Ok(false);
        }
        let mut rest = &self.raw[self.start..self.end];
        self.start += self.connection.read_tls(&mut rest)?;
        match self.connection.process_new_packets() {
            Ok(state) => {
                if state.peer_has_closed() {
                    // What comes after a goodbye is nothing, and would never be read.
                    self.start = self.end;
                    self.ended = true;
                    self.goodbye = true;
                }
                Ok(true)
            }
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, explain(&error))),
        }
    }

    /// Goes on with the handshake as far as what came allows.
    ///
    /// # Errors
    /// As `take`.
    pub fn advance(&mut self) -> io::Result<()> {
        while self.is_handshaking() && self.open()? {}
        Ok(())
    }

    /// Reads once from the stream underneath, after `take` had nothing more. Returns how many bytes came; 0 is its end.
    ///
    /// # Errors
    /// Those of `from`.
    pub fn pull(&mut self, from: &mut dyn Read) -> io::Result<usize> {
        if self.start < self.end {
            return Ok(self.end - self.start);
        }
        if self.end == self.raw.len() {
            // All of it was filled at once: there is more.
            self.raw.resize(SEALED_AT_ONCE, 0);
        }
        (self.start, self.end) = (0, 0);
        self.end = from.read(&mut self.raw)?;
        self.records.follow(&self.raw[..self.end]);
        if self.end == 0 {
            self.ended = true;
            // Told to it as well, so that it takes no half record for a whole one.
            self.connection.read_tls(&mut io::empty())?;
        }
        Ok(self.end)
    }

    /// True when `take` would return something without a pull: bytes, the end or an error.
    #[must_use]
    pub fn has_more(&mut self) -> bool {
        use std::io::BufRead;
        loop {
            // A look that takes nothing; that nothing is here yet is an error of this kind.
            match self.connection.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return true,
            }
            match self.open() {
                Ok(true) => {}
                Ok(false) => return self.ended,
                // Said again to whoever takes.
                Err(_) => return true,
            }
        }
    }

    /// Seals some of `bytes`: how many. All that is sealed then has to be pushed before more is taken.
    ///
    /// # Errors
    /// None that the other end can cause.
    pub fn seal(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(SEALED_AT_ONCE)];
        self.connection.writer().write(piece)
    }

    /// True while something sealed waits to be sent.
    #[must_use]
    pub fn has_to_push(&self) -> bool {
        self.connection.wants_write()
    }

    /// Writes some of what was sealed.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn push(&mut self, to: &mut dyn Write) -> io::Result<usize> {
        self.connection.write_tls(to)
    }

    /// Seals the goodbye (close_notify): nothing will be sealed after it.
    pub fn finish(&mut self) {
        self.connection.send_close_notify();
    }

    /// The name of this channel, which nobody between the two ends can make another channel have (RFC 9266). Both ends put it under
    /// their proofs.
    ///
    /// # Errors
    /// Before the handshake is over.
    pub fn exporter(&self) -> Result<[u8; EXPORTER], String> {
        self.connection
            .export_keying_material([0; EXPORTER], EXPORTER_LABEL, Some(&[]))
            .map_err(|error| explain(&error))
    }

    /// The protocol that both ends agreed on.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Version and cipher suite, for the log: `TLSv1_3 TLS13_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn agreed(&self) -> String {
        let version = self.connection.protocol_version();
        let suite = self.connection.negotiated_cipher_suite();
        match (version, suite) {
            (Some(version), Some(suite)) => format!("{version:?} {:?}", suite.suite()),
            _ => "nothing yet".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ALPN, provider};
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
    use std::sync::Arc;

    /// Two ends that have not spoken yet.
    fn pair() -> (Engine, Engine) {
        let made = rcgen::generate_simple_self_signed(vec!["h".to_owned()]).expect("made");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("key");
        let certificate = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("root");
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("certificate");
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        server.alpn_protocols = vec![ALPN.to_vec()];
        client.alpn_protocols = vec![ALPN.to_vec()];
        let name = "h".try_into().expect("name");
        let client = ClientConnection::new(Arc::new(client), name).expect("client");
        let server = ServerConnection::new(Arc::new(server)).expect("server");
        (Engine::new(client), Engine::new(server))
    }

    /// What `from` has to send; `to` reads it, `step` bytes at a time.
    fn pass(from: &mut Engine, to: &mut Engine, step: usize) {
        let mut wire = Vec::new();
        while from.has_to_push() {
            from.push(&mut wire).expect("push");
        }
        for piece in wire.chunks(step) {
            let mut piece = piece;
            while !piece.is_empty() {
                to.pull(&mut piece).expect("pull");
                to.advance().expect("handshake");
                // Opens what came after the handshake, such as tickets.
                let _ = to.has_more();
            }
        }
    }

    fn shaken(step: usize) -> (Engine, Engine) {
        let (mut client, mut server) = pair();
        while client.is_handshaking() || server.is_handshaking() {
            pass(&mut client, &mut server, step);
            pass(&mut server, &mut client, step);
        }
        (client, server)
    }

    #[test]
    fn both_ends_name_the_channel_alike_and_no_other_so() {
        let (client, server) = shaken(1000);
        assert_eq!(client.exporter(), server.exporter());
        assert!(client.exporter().is_ok());
        assert_eq!((client.alpn(), server.alpn()), (Some(ALPN), Some(ALPN)));
        let (other, _) = shaken(1000);
        assert_ne!(client.exporter(), other.exporter());
        assert!(pair().0.exporter().is_err(), "before there is a channel");
    }

    #[test]
    fn bytes_come_out_as_they_went_in_however_they_were_cut() {
        for step in [1, 7, 4096, 1 << 20] {
            let (mut client, mut server) = shaken(step);
            let content: Vec<u8> = (0..150_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
            let mut got = Vec::new();
            let mut rest = &content[..];
            while !rest.is_empty() {
                assert!(!server.has_more());
                let sealed = client.seal(rest).expect("seal");
                assert!(sealed > 0 && sealed <= SEALED_AT_ONCE);
                rest = &rest[sealed..];
                let mut wire = Vec::new();
                while client.has_to_push() {
                    client.push(&mut wire).expect("push");
                }
                for piece in wire.chunks(step) {
                    let mut piece = piece;
                    while !piece.is_empty() {
                        server.pull(&mut piece).expect("pull");
                        let mut into = [0; 5000];
                        while let Some(taken) = server.take(&mut into).expect("take") {
                            got.extend_from_slice(&into[..taken]);
                        }
                    }
                }
            }
            assert!(got == content, "in steps of {step}");
            client.finish();
            pass(&mut client, &mut server, step);
            assert!(server.has_more());
            assert_eq!(server.take(&mut [0; 9]).expect("end"), Some(0));
        }
    }

    #[test]
    fn an_end_without_a_goodbye_is_an_end_too() {
        let (_, mut server) = shaken(1000);
        assert_eq!(server.take(&mut [0; 9]).expect("nothing"), None);
        assert_eq!(server.pull(&mut io::empty()).expect("pull"), 0);
        assert_eq!(server.take(&mut [0; 9]).expect("end"), Some(0));
    }

    #[test]
    fn what_follows_a_goodbye_is_not_looked_at() {
        let (mut client, mut server) = shaken(1000);
        client.seal(b"last words").expect("seal");
        client.finish();
        let mut wire = Vec::new();
        while client.has_to_push() {
            client.push(&mut wire).expect("push");
        }
        wire.extend_from_slice(&[0x16, 3, 3, 0, 9, 1, 0]);
        server.pull(&mut &wire[..]).expect("pull");
        let mut into = [0; 99];
        assert_eq!(server.take(&mut into).expect("words"), Some(10));
        for _ in 0..2 {
            assert!(server.has_more());
            assert_eq!(server.take(&mut into).expect("end"), Some(0));
        }
    }

    #[test]
    fn alerts_in_a_handshake_do_not_hold_it_up() {
        let (_, mut server) = pair();
        // Warning, close_notify (RFC 8446, section 6.1), as anybody can send it; and half of something.
        let mut said = &[0x15, 3, 3, 0, 2, 1, 0, 0x16, 3, 3, 0, 9, 1, 0][..];
        server.pull(&mut said).expect("pull");
        let _ = server.advance();
        assert!(server.is_handshaking());
        assert_eq!(server.pull(&mut io::empty()).expect("end"), 0);
    }

    #[test]
    fn what_is_tampered_with_is_an_error() {
        let (mut client, mut server) = shaken(1000);
        client.seal(b"a request").expect("seal");
        let mut wire = Vec::new();
        client.push(&mut wire).expect("push");
        *wire.last_mut().expect("a byte") ^= 1;
        server.pull(&mut &wire[..]).expect("pull");
        let error = server.take(&mut [0; 9]).expect_err("tampered with");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
