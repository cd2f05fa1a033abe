//! TLS 1.3 with AES-128-GCM for the FTP client. The arithmetic of its own end is kept out of the way: what is received is told apart
//! into records and not opened, and what is sent was sealed before, so that a server faster than this client shows as faster.

use crate::machine::World;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use std::cell::Cell;
use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// The header of a record (RFC 8446, section 5.1).
const HEADER: usize = 5;
/// What a sealed record has more than what is in it: the type, and the tag.
const ADDED: usize = 17;
/// The content of an alert: close_notify, as all servers end a file with.
const ALERT: usize = 2;

/// How the client speaks TLS.
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    /// Whether the last data connection resumed the control connection's session.
    resumed: Cell<bool>,
}

impl Tls {
    /// With the servers' certificate as the only one to trust.
    pub(crate) fn new(world: &World) -> Tls {
        let [certificate, _] = world.certificate();
        let certificate = CertificateDer::from_pem_file(certificate).expect("the certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate).expect("a root");
        let provider = CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            ..rustls::crypto::ring::default_provider()
        };
        let config = ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Tls {
            config: Arc::new(config),
            resumed: Cell::new(false),
        }
    }

    /// The same with an empty memory for sessions.
    pub(super) fn of_one_session(&self) -> Tls {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(8);
        Tls {
            config: Arc::new(config),
            resumed: Cell::new(false),
        }
    }

    pub(super) fn resumed(&self) -> bool {
        self.resumed.get()
    }

    fn connection(&self, socket: &TcpStream) -> ClientConnection {
        let name = ServerName::from(socket.peer_addr().expect("the server's address").ip());
        ClientConnection::new(self.config.clone(), name).expect("a client")
    }
}

/// The control connection.
pub(super) enum Control {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Control {
    /// Begins TLS on it.
    pub(super) fn secured(self, tls: &Tls) -> Control {
        match self {
            Control::Plain(socket) => {
                let connection = tls.connection(&socket);
                Control::Secure(Box::new(StreamOwned::new(connection, socket)))
            }
            secure @ Control::Secure(_) => secure,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Control::Plain(socket) => socket,
            Control::Secure(stream) => &stream.sock,
        }
    }
}

impl Read for Control {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Control::Plain(socket) => socket.read(into),
            Control::Secure(stream) => stream.read(into),
        }
    }
}

impl Write for Control {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        match self {
            Control::Plain(socket) => socket.write(from),
            Control::Secure(stream) => stream.write(from),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Control::Plain(socket) => socket.flush(),
            Control::Secure(stream) => stream.flush(),
        }
    }
}

/// A data connection after its handshake.
pub(super) struct Sealed {
    connection: ClientConnection,
    socket: TcpStream,
}

impl Sealed {
    /// Makes the handshake. Nothing of what follows it is received.
    pub(super) fn begin(mut socket: TcpStream, tls: &Tls) -> Sealed {
        let mut connection = tls.connection(&socket);
        let mut record = Vec::new();
        while connection.is_handshaking() {
            while connection.wants_write() {
                connection.write_tls(&mut socket).expect("send");
            }
            if connection.is_handshaking() {
                record.resize(HEADER, 0);
                socket.read_exact(&mut record).expect("a record");
                record.resize(HEADER + length_of(&record), 0);
                socket.read_exact(&mut record[HEADER..]).expect("a record");
                let mut from = &record[..];
                while !from.is_empty() {
                    connection.read_tls(&mut from).expect("a record");
                    connection.process_new_packets().expect("a handshake");
                }
            }
        }
        while connection.wants_write() {
            connection.write_tls(&mut socket).expect("send");
        }
        tls.resumed
            .set(connection.handshake_kind() == Some(HandshakeKind::Resumed));
        Sealed { connection, socket }
    }

    /// Receives until close_notify, and returns how many bytes the records hold that are data. Handshake messages cannot be told
    /// from data in what is not opened; but those are sent before any data, and by no server in records as long as a piece of a
    /// file: what is no more than 1 KiB before the first longer record is not counted.
    pub(super) fn pass_over(mut self, space: &mut [u8]) -> u64 {
        const TICKET: usize = 1024;
        let (mut total, mut data_came) = (0, false);
        let (mut start, mut end) = (0, 0);
        loop {
            while end - start >= HEADER {
                let length = length_of(&space[start..]);
                if end - start < HEADER + length {
                    break;
                }
                start += HEADER + length;
                let content = length - ADDED;
                if content == ALERT {
                    self.close();
                    return total;
                }
                data_came |= content > TICKET;
                if data_came {
                    total += content as u64;
                }
            }
            space.copy_within(start..end, 0);
            (start, end) = (0, end - start);
            match self.socket.read(&mut space[end..]).expect("recv") {
                0 => return total,
                got => end += got,
            }
        }
    }

    /// Seals the pieces and close_notify.
    pub(super) fn seal<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        self.connection.set_buffer_limit(None);
        let mut bytes = Vec::new();
        for piece in pieces {
            self.connection.writer().write_all(piece).expect("sealing");
            while self.connection.wants_write() {
                self.connection.write_tls(&mut bytes).expect("sealing");
            }
        }
        self.connection.send_close_notify();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes).expect("sealing");
        }
        bytes
    }

    /// Says that nothing more will be sent. A server that has gone already does not hear it.
    pub(super) fn close(mut self) {
        self.connection.send_close_notify();
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut self.socket).is_err() {
                return;
            }
        }
    }
}

impl Read for Sealed {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        rustls::Stream::new(&mut self.connection, &mut self.socket).read(into)
    }
}

fn length_of(header: &[u8]) -> usize {
    usize::from(header[3]) << 8 | usize::from(header[4])
}
