//! A client of FTP, reply by reply: says what a test wants said, in the clear or under TLS, right or wrong.

use crate::server::{PATIENCE, Server};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// A reply: its code, and its lines with that and the end of the line taken off where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Reply {
    /// The last line.
    pub fn text(&self) -> &str {
        self.lines.last().expect("a line")
    }
}

/// A connection, for commands or for data.
pub enum Wire {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    pub fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(socket) => socket,
            Wire::Secure(stream) => &stream.sock,
        }
    }

    /// Says that this was all, as it should be said.
    pub fn finish(&mut self) {
        if let Wire::Secure(stream) = self {
            stream.conn.send_close_notify();
            stream.flush().expect("close_notify");
        }
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// All that comes, to the end.
    pub fn drain(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.read_to_end(&mut all).expect("data");
        all
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.read(into),
            Wire::Secure(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Wire::Plain(socket) => socket.write(bytes),
            Wire::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Wire::Plain(socket) => socket.flush(),
            Wire::Secure(stream) => stream.flush(),
        }
    }
}

/// What a client believes and offers under TLS, and the sessions that it remembers.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    version: ProtocolVersion,
}

impl Tls {
    /// Of a server with a certificate in its folder.
    pub fn new(server: &Server, version: &'static SupportedProtocolVersion) -> Tls {
        Tls::offering(server, version, &[])
    }

    /// The same with these protocols.
    pub fn offering(
        server: &Server,
        version: &'static SupportedProtocolVersion,
        alpn: &[&[u8]],
    ) -> Tls {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(server.folder().join("crt"));
        roots.add(certificate.expect("certificate")).expect("root");
        // As programs do that would take the older one, too.
        let versions: &[_] = match version.version {
            ProtocolVersion::TLSv1_2 => &[&TLS12],
            _ => &[&TLS13, &TLS12],
        };
        let mut config = ClientConfig::builder_with_provider(forkftp::tls::provider())
            .with_protocol_versions(versions)
            .expect("version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Tls {
            config: Arc::new(config),
            version: version.version,
        }
    }

    /// The handshake over `socket`, to its end.
    pub fn shake(&self, socket: TcpStream) -> std::io::Result<Wire> {
        let name = ServerName::try_from("127.0.0.1").expect("name");
        let connection = ClientConnection::new(Arc::clone(&self.config), name).expect("client");
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let found = stream.conn.protocol_version();
        assert_eq!(found, Some(self.version), "another version");
        Ok(Wire::Secure(Box::new(stream)))
    }
}

/// A connection with a deadline for all that is waited for.
pub fn tcp(address: SocketAddr) -> TcpStream {
    ready(TcpStream::connect(address).expect("connect"))
}

/// The same, and takes no more than a few KiB before it is read.
pub fn narrow(address: SocketAddr) -> TcpStream {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("socket");
    // Of a connection that stands it cannot be taken back: what is on its way has room already.
    setsockopt(&fd, sockopt::RcvBuf, &8192).expect("buffer");
    connect(fd.as_raw_fd(), &SockaddrStorage::from(address)).expect("connect");
    ready(TcpStream::from(fd))
}

/// The same of one that was made elsewhere.
pub fn ready(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket.set_write_timeout(Some(PATIENCE)).expect("timeout");
    socket.set_nodelay(true).expect("nodelay");
    socket
}

/// A client.
pub struct Ftp {
    control: Option<Wire>,
    unread: Vec<u8>,
    server: SocketAddr,
    /// Of data connections too, if there is any.
    pub tls: Option<Tls>,
}

impl Ftp {
    /// Connects, and hears the greeting.
    pub fn connect(address: &str) -> Ftp {
        let mut ftp = Ftp::knock(address);
        assert_eq!(ftp.hear().code, 220);
        ftp
    }

    /// Connects.
    pub fn knock(address: &str) -> Ftp {
        let server = address.parse().expect("address");
        Ftp::over(tcp(server), server)
    }

    /// The same of a client that takes little before it reads.
    pub fn knock_narrowly(address: &str) -> Ftp {
        let server = address.parse().expect("address");
        Ftp::over(narrow(server), server)
    }

    /// The same under TLS from the first byte, and with data connections under it.
    pub fn knock_secure(address: &str, tls: &Tls) -> Ftp {
        let mut ftp = Ftp::knock(address);
        let Some(Wire::Plain(socket)) = ftp.control.take() else {
            panic!("it is secure already");
        };
        ftp.control = Some(tls.shake(socket).expect("TLS"));
        ftp.tls = Some(tls.clone());
        ftp
    }

    /// The same from `source`, an address of this machine.
    pub fn knock_from(source: [u8; 4], address: &str) -> Ftp {
        let socket = ready(crate::peer::from(source, address));
        Ftp::over(socket, address.parse().expect("address"))
    }

    fn over(socket: TcpStream, server: SocketAddr) -> Ftp {
        Ftp {
            control: Some(Wire::Plain(socket)),
            unread: Vec::new(),
            server,
            tls: None,
        }
    }

    /// Connects, logs in, and has files travel as they are.
    pub fn enter(address: &str, user: &str) -> Ftp {
        let mut ftp = Ftp::connect(address);
        assert_eq!(ftp.log_in(user).code, 230, "{user}");
        ftp.expect("TYPE I", 200);
        ftp
    }

    /// The same under TLS, with data connections protected.
    pub fn enter_secure(address: &str, user: &str, tls: &Tls) -> Ftp {
        let mut ftp = Ftp::connect(address);
        ftp.secure(tls).expect("TLS");
        assert_eq!(ftp.log_in(user).code, 230, "{user}");
        ftp.expect("TYPE I", 200);
        ftp.protect_with(tls);
        ftp
    }

    /// AUTH TLS.
    pub fn secure(&mut self, tls: &Tls) -> std::io::Result<()> {
        self.expect("AUTH TLS", 234);
        let Some(Wire::Plain(socket)) = self.control.take() else {
            panic!("it is secure already");
        };
        self.control = Some(tls.shake(socket)?);
        Ok(())
    }

    /// PROT P, by the same TLS as the control connection's.
    pub fn protect_with(&mut self, tls: &Tls) {
        self.expect("PBSZ 0", 200);
        self.expect("PROT P", 200);
        self.tls = Some(tls.clone());
    }

    /// USER and PASS, with the password of all tests: the last reply.
    pub fn log_in(&mut self, user: &str) -> Reply {
        self.log_in_with(user, "pencil")
    }

    pub fn log_in_with(&mut self, user: &str, password: &str) -> Reply {
        let reply = self.ask(&format!("USER {user}"));
        match reply.code {
            331 => self.ask(&format!("PASS {password}")),
            _ => reply,
        }
    }

    pub fn wire(&mut self) -> &mut Wire {
        self.control.as_mut().expect("a connection")
    }

    /// The address that the server knows it by.
    pub fn address(&mut self) -> SocketAddr {
        self.wire().socket().local_addr().expect("address")
    }

    pub fn send(&mut self, bytes: &[u8]) {
        let wire = self.wire();
        wire.write_all(bytes).expect("send");
        wire.flush().expect("send");
    }

    pub fn say(&mut self, command: &str) {
        self.send(format!("{command}\r\n").as_bytes());
    }

    /// The reply to a command.
    pub fn ask(&mut self, command: &str) -> Reply {
        self.say(command);
        self.hear()
    }

    /// The reply to a command, which has this code.
    pub fn expect(&mut self, command: &str, code: u16) -> Reply {
        let reply = self.ask(command);
        assert_eq!(reply.code, code, "{command}: {reply:?}");
        reply
    }

    /// The next reply.
    pub fn hear(&mut self) -> Reply {
        self.next().expect("a reply")
    }

    /// The next reply; None at the end of the connection, however it ended.
    pub fn next(&mut self) -> Option<Reply> {
        let mut lines = Vec::new();
        let mut code = None;
        loop {
            let line = self.line()?;
            let number = line.get(..3).and_then(|digits| digits.parse::<u16>().ok());
            let first = *code.get_or_insert_with(|| number.expect("a code"));
            let ends = number == Some(first) && line.as_bytes().get(3) == Some(&b' ');
            let marked =
                number == Some(first) && matches!(line.as_bytes().get(3), Some(b' ' | b'-'));
            lines.push(if marked { line[4..].to_owned() } else { line });
            if ends {
                return Some(Reply { code: first, lines });
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.unread.split_off(at + 2);
                let line = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            let mut piece = [0; 4096];
            match self.wire().read(&mut piece) {
                Ok(0) => break,
                Ok(came) => self.unread.extend_from_slice(&piece[..came]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    panic!("nothing came in time");
                }
                // Reset, or cut under TLS.
                Err(_) => break,
            }
        }
        assert!(self.unread.is_empty(), "the connection ended within a line");
        None
    }

    /// True when something waits to be heard, if only the end.
    pub fn is_heard(&mut self) -> bool {
        let socket = self.wire().socket();
        socket.set_nonblocking(true).expect("socket");
        let there = socket.peek(&mut [0]);
        socket.set_nonblocking(false).expect("socket");
        !there.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// The connection ends here.
    pub fn expect_end(&mut self) {
        let next = self.next();
        assert!(next.is_none(), "{next:?}");
    }

    /// Has a data connection made, without TLS so far.
    pub fn reach(&mut self) -> TcpStream {
        let reply = self.expect("EPSV", 229);
        let port = reply.text().split('|').nth(3).expect("a port");
        let port = port.parse().expect("a port");
        tcp(SocketAddr::new(self.server.ip(), port))
    }

    /// Begins a transfer: the data connection, once the server has said that it begins.
    ///
    /// # Errors
    /// The reply that refuses it.
    pub fn begin(&mut self, command: &str) -> Result<Wire, Reply> {
        let socket = self.reach();
        self.say(command);
        let reply = self.hear();
        if reply.code != 150 {
            return Err(reply);
        }
        Ok(match &self.tls {
            None => Wire::Plain(socket),
            Some(tls) => match tls.shake(socket) {
                Ok(wire) => wire,
                Err(_) => return Err(self.hear()),
            },
        })
    }

    /// What a command has the server send.
    ///
    /// # Errors
    /// The reply that is not 226.
    pub fn fetch(&mut self, command: &str) -> Result<Vec<u8>, Reply> {
        let mut data = self.begin(command)?;
        let mut all = Vec::new();
        // What broke it the reply says.
        let _ = data.read_to_end(&mut all);
        match self.hear() {
            Reply { code: 226, .. } => Ok(all),
            other => Err(other),
        }
    }

    /// Sends `content` for a command: the last reply.
    pub fn store(&mut self, command: &str, content: &[u8]) -> Reply {
        let mut data = match self.begin(command) {
            Ok(data) => data,
            Err(reply) => return reply,
        };
        // A server that wants no more hangs up.
        if data.write_all(content).and_then(|()| data.flush()).is_ok() {
            data.finish();
        }
        // Under TLS there may be tickets.
        let mut rest = Vec::new();
        let _ = data.read_to_end(&mut rest);
        assert!(rest.is_empty(), "something came: {rest:?}");
        self.hear()
    }
}
