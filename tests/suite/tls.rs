//! TLS, looked at from outside: what goes through it, where the key is, what the broker signs, and what happens when the
//! certificate is another one in the middle of it all.

use super::peer::{frame, noise, request};
use super::server::{PATIENCE, SECRET, Server, eventually, forkftpd, new_certificate};
use super::walls::{MODES, broker_of, open_files, remembers, skip, status};
use forkftp::client::{Client, Error, GetRequest, Options, PutRequest, Trust, Url};
use forkftp::ipc::{self, Answer, Ask, Handshake, Report, Tell};
use forkftp::proof::Secret;
use forkftp::sys::channel;
use forkftp::sys::net::Peer;
use forkftp::tls::certificate::Facts;
use forkftp::tls::{ALPN, provider};
use nix::sys::signal::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

fn certificate(folder: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(folder.join("crt")).expect("certificate")
}

/// What the library client has to know of the certificate in `folder`.
fn options(folder: &Path) -> Options {
    let facts = Facts::read(&certificate(folder)).expect("facts");
    Options {
        secret: Some(Secret::new(SECRET.as_bytes()).expect("secret")),
        trust: Trust {
            pin: Some(facts.fingerprint),
            ..Trust::default()
        },
        ..Options::default()
    }
}

fn url(address: &str) -> Url {
    format!("drives://{address}/").parse().expect("url")
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A TLS connection made by hand, with this version and these protocols.
fn connect(server: &Server, version: &'static SupportedProtocolVersion, alpn: &[&[u8]]) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(server.folder())).expect("root");
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .expect("version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("127.0.0.1").expect("name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("client");
    StreamOwned::new(connection, tcp(&server.address))
}

fn tcp(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connect");
    socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
    socket.set_nodelay(true).expect("nodelay");
    socket
}

fn hear(stream: &mut impl Read) -> std::io::Result<(char, Vec<u8>)> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    Ok((char::from(head[0]), payload))
}

#[test]
fn every_request_goes_through() {
    for mode in MODES {
        let server = Server::start(&[&["--tls", "--proof"], mode].concat());
        let mut client =
            Client::connect(&url(&server.address), &options(server.folder())).expect("connect");
        assert!(client.info().mac.is_some() && client.info().tls.is_some());
        assert_eq!(client.channel_binding().expect("a name").len(), 32);
        client.ping().expect("echo");
        let url = url(&server.address);
        // Nothing, less than a record, records exactly, and many.
        for (number, size) in [0, 1, 16_384, 65_536, 5_000_001].into_iter().enumerate() {
            let content = noise(size, number as u64);
            let path = || url.join(format!("f{number}").as_bytes()).expect("path");
            client
                .put_from(&PutRequest::new(path()), &mut &content[..])
                .expect("put");
            let mut got = Vec::new();
            client
                .get_to(&GetRequest::whole(path()), &mut got)
                .expect("get");
            assert!(got == content, "{size} bytes");
        }
        let mut names = Vec::new();
        client
            .list(&url.path, false, |entry| {
                names.push(entry.name.0.clone());
                Ok(())
            })
            .expect("list");
        assert_eq!(names.len(), 5);
        let missing = client.get_to(
            &GetRequest::whole(url.join(b"none").expect("path")),
            &mut Vec::new(),
        );
        assert!(matches!(missing, Err(Error::Refused(_))), "{missing:?}");
        assert!(client.is_usable());
        client.quit().expect("quit");
        // The child took leave as it should.
        server.wait_for(" left ");
    }
}

#[test]
fn both_versions_are_spoken_and_many_requests_at_once() {
    for version in VERSIONS {
        let server = Server::prepared(&["--tls"], |library| {
            std::fs::write(library.join("f"), noise(200_000, 1)).expect("file");
        });
        let mut stream = connect(&server, version, &[ALPN]);
        assert_eq!(hear(&mut stream).expect("hello").0, 'H');
        let many = request('G', &json!({"path": "f"})).repeat(50);
        stream.write_all(&many).expect("requests");
        for _ in 0..50 {
            let mut content = Vec::new();
            loop {
                match hear(&mut stream).expect("an answer") {
                    ('D', payload) => content.extend(payload),
                    ('K', _) => {}
                    ('Z', _) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert!(content == noise(200_000, 1));
        }
        // A change of keys in the middle is no request, and hangs nothing up.
        if version.version == rustls::ProtocolVersion::TLSv1_3 {
            stream.conn.refresh_traffic_keys().expect("refresh");
        }
        stream.write_all(&frame('N', b"echo")).expect("echo");
        assert_eq!(hear(&mut stream).expect("echo").1, b"echo");
        stream.write_all(&request('Q', &json!({}))).expect("quit");
        assert_eq!(hear(&mut stream).expect("goodbye").0, 'K');
        // `read` says an end without close_notify is an error.
        assert_eq!(stream.read(&mut [0]).expect("close_notify"), 0);
    }
}

#[test]
fn who_names_another_protocol_is_refused_and_who_names_none_may_come_in() {
    let server = Server::start(&["--tls"]);
    let mut stream = connect(&server, VERSIONS[0], &[b"h2", b"http/1.1"]);
    let refused = hear(&mut stream).expect_err("another protocol");
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
    server.wait_for("no TLS handshake");
    let mut stream = connect(&server, VERSIONS[0], &[]);
    assert_eq!(hear(&mut stream).expect("hello").0, 'H');
    let mut stream = connect(&server, VERSIONS[0], &[b"h2", ALPN]);
    assert_eq!(hear(&mut stream).expect("hello").0, 'H');
}

#[test]
fn without_tls_nothing_is_said_at_a_tls_port_and_the_other_way_round() {
    let server = Server::start(&["--tls"]);
    let mut plain = tcp(&server.address);
    plain
        .write_all(&request('L', &json!({"path": ""})))
        .expect("send");
    let line = server.wait_for("no TLS handshake");
    assert!(line.contains("no TLS"), "{line}");
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    // An alert at most, and no frame.
    assert!(
        said.is_empty() || said.starts_with(&[0x15, 3]),
        "{said:02x?}"
    );
    let bare = Server::start(&[]);
    let refused = Client::connect(&url(&bare.address), &options(server.folder()));
    let said = refused.expect_err("a plain server").to_string();
    assert!(said.contains("drive://"), "{said}");
}

#[test]
fn a_handshake_has_its_time_however_its_bytes_come() {
    let server = Server::start(&["--tls", "--handshake-seconds", "1"]);
    let begin = Instant::now();
    let mut socket = tcp(&server.address);
    // The head of a long record, and then a byte now and again.
    socket.write_all(&[0x16, 3, 1, 0x10, 0]).expect("send");
    while socket.write_all(&[1]).is_ok() && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begin.elapsed() < Duration::from_secs(8), "not cut off");
    server.wait_for("no TLS handshake");
}

#[test]
fn an_upload_that_is_cut_without_a_word_leaves_nothing() {
    let server = Server::start(&["--tls"]);
    let mut stream = connect(&server, VERSIONS[0], &[ALPN]);
    hear(&mut stream).expect("hello");
    let begun = [
        request('P', &json!({"path": "cut", "size": 10})),
        frame('D', b"half"),
    ];
    stream.write_all(&begun.concat()).expect("begin");
    stream.flush().expect("flush");
    stream.sock.shutdown(std::net::Shutdown::Both).expect("cut");
    server.wait_for(" lost ");
    assert!(!server.library().join("cut").exists());
}

/// A number times 2^256 modulo the order of P-256: the form in which a private key of that curve stands in memory to be computed
/// with, words of 64 bits, the lowest first.
fn montgomery(scalar: &[u8]) -> Vec<u8> {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = hex::decode(order).expect("order");
    let mut number = scalar.to_vec();
    for _ in 0..256 {
        let mut carry = 0;
        for byte in number.iter_mut().rev() {
            let doubled = u16::from(*byte) * 2 + carry;
            (*byte, carry) = (doubled as u8, doubled >> 8);
        }
        if carry == 0 && number < order {
            continue;
        }
        let mut borrow = 0;
        for (byte, less) in number.iter_mut().zip(&order).rev() {
            let rest = i16::from(*byte) - i16::from(*less) - borrow;
            (*byte, borrow) = (rest as u8, i16::from(rest < 0));
        }
    }
    number
}

#[test]
fn the_key_is_in_the_memory_of_the_broker_alone() {
    let everywhere = |server: &Server, wanted: &[Vec<u8>]| -> std::io::Result<bool> {
        for pid in server.children().into_iter().chain([server.pid()]) {
            let name = status(pid, "Name");
            assert!(!remembers(pid, wanted)?, "{name} has the key");
        }
        remembers(broker_of(server), wanted)
    };
    for mode in MODES {
        let server = Server::start(&[&["--tls"], mode].concat());
        let mut streams: Vec<_> = VERSIONS
            .iter()
            .map(|version| connect(&server, version, &[ALPN]))
            .collect();
        for stream in &mut streams {
            hear(stream).expect("hello");
        }
        let pem = std::fs::read(server.folder().join("key")).expect("key");
        let der = PrivateKeyDer::from_pem_slice(&pem).expect("key");
        // In PKCS #8 with ECPrivateKey inside (RFC 5915) the number follows its tag and length.
        let der = der.secret_der();
        let at = der.windows(5).position(|bytes| bytes == [2, 1, 1, 4, 32]);
        let at = at.expect("a key of P-256") + 5;
        let scalar = der[at..at + 32].to_vec();
        let turned = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
        let body = String::from_utf8_lossy(&pem);
        let body = body.lines().nth(1).expect("a line of PEM").as_bytes();
        // The number itself, either way round; and as the broker computes with it.
        let wanted = [
            turned(&scalar),
            turned(&montgomery(&scalar)),
            scalar,
            body.to_vec(),
        ];
        assert_eq!(status(server.pid(), "Threads"), "1");
        match everywhere(&server, &wanted) {
            Ok(found) => assert!(found, "not even the broker has the key"),
            Err(error) => return skip(&format!("the memory of other processes: {error}")),
        }
        // Read again, and signed with, once more.
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        let mut stream = connect(&server, VERSIONS[0], &[ALPN]);
        hear(&mut stream).expect("hello");
        assert!(everywhere(&server, &wanted).expect("memory"));
    }
}

#[test]
fn a_handshake_is_random_in_each_child() {
    for mode in MODES {
        let server = Server::start(&[&["--tls"], mode].concat());
        // A ClientHello as any client sends it, again and again the same.
        let mut hello = Vec::new();
        let mut first = connect(&server, VERSIONS[1], &[ALPN]).conn;
        first.write_tls(&mut hello).expect("hello");
        let randoms: std::collections::HashSet<Vec<u8>> = (0..8)
            .map(|_| {
                let mut socket = tcp(&server.address);
                socket.write_all(&hello).expect("send");
                let mut answer = [0; 43];
                socket.read_exact(&mut answer).expect("a ServerHello");
                assert_eq!((answer[0], answer[5]), (0x16, 2));
                // After record, message and version (RFC 5246, section 7.4.1.3).
                answer[11..43].to_vec()
            })
            .collect();
        assert_eq!(randoms.len(), 8);
    }
}

#[test]
fn a_child_keeps_nothing_of_the_handshake() {
    for mode in MODES {
        let server = Server::start(&[&["--tls"], mode].concat());
        let mut stream = connect(&server, VERSIONS[0], &[ALPN]);
        hear(&mut stream).expect("hello");
        answers(&mut stream);
        let line = server.wait_for(" secured ");
        let (_, rest) = line.split_once("child[").expect("a process");
        let pid: u32 = rest
            .split(']')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number");
        let files = open_files(pid);
        if files.is_empty() {
            return skip("the descriptors of children cannot be seen here");
        }
        assert_eq!(status(pid, "Seccomp"), "2");
        assert_eq!(status(pid, "Threads"), "1");
        // The client, and the broker, which counts who is in for as long as that is open; neither of them twice.
        let sockets = files.iter().filter(|(_, link)| link.starts_with("socket:"));
        assert_eq!(sockets.count(), 2, "{files:?}");
        let sealed = files.iter().find(|(_, link)| link.contains("memfd"));
        assert_eq!(sealed, None);
    }
}

/// Tells a session that goes on from one that does not.
fn answers(stream: &mut Stream) {
    stream.write_all(&frame('N', b"echo")).expect("echo");
    assert_eq!(hear(stream).expect("echo").1, b"echo");
}

#[test]
fn a_new_certificate_is_for_new_sessions_and_a_broken_one_for_none() {
    for mode in MODES {
        let server = Server::start(&[&["--tls"], mode].concat());
        let mut oldest = connect(&server, VERSIONS[0], &[ALPN]);
        hear(&mut oldest).expect("hello");
        let shown = |server: &Server| {
            let mut config = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[VERSIONS[0]])
                .expect("version")
                .with_root_certificates({
                    let mut roots = RootCertStore::empty();
                    roots.add(certificate(server.folder())).expect("root");
                    roots
                })
                .with_no_client_auth();
            config.alpn_protocols = vec![ALPN.to_vec()];
            let name = ServerName::try_from("127.0.0.1").expect("name");
            let connection = ClientConnection::new(Arc::new(config), name).expect("client");
            let mut stream = StreamOwned::new(connection, tcp(&server.address));
            hear(&mut stream).is_ok()
        };
        // Made by SIGHUP, and by the files alone.
        for by_signal in [true, false] {
            new_certificate(server.folder());
            if by_signal {
                server.signal(Signal::SIGHUP);
                server.wait_for("configuration reloaded");
            } else {
                server.wait_for("certificate renewed");
            }
            // Warm children made before may be about to go.
            eventually("the new certificate is shown", || shown(&server));
            answers(&mut oldest);
        }
        std::fs::write(server.folder().join("crt.new"), "damaged").expect("write");
        std::fs::copy(server.folder().join("crt"), server.folder().join("kept")).expect("copy");
        std::fs::rename(server.folder().join("crt.new"), server.folder().join("crt"))
            .expect("rename");
        let line = server.wait_for("certificate not renewed, the old one stays");
        assert!(line.contains("no certificate"), "{line}");
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration not reloaded, the old one stays");
        std::fs::rename(server.folder().join("kept"), server.folder().join("crt")).expect("rename");
        assert!(shown(&server), "the old one does not serve on");
        answers(&mut oldest);
    }
}

#[test]
fn a_session_that_began_with_the_old_certificate_is_signed_with_the_old_key() {
    let server = Server::start(&["--tls"]);
    let mut config_of_old = connect(&server, VERSIONS[0], &[ALPN]);
    // The child is there, and has said nothing yet: it was born with the old chain.
    server.wait_for(" connected ");
    new_certificate(server.folder());
    server.signal(Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    // Verified against the old certificate, which `connect` has read.
    assert_eq!(hear(&mut config_of_old).expect("hello").0, 'H');
}

/// A TLS server with a certificate of its own that passes all on to `server`, and back.
fn middle_man(server: &Server, folder: &Path) -> (String, std::thread::JoinHandle<()>) {
    let key = PrivateKeyDer::from_pem_file(folder.join("key")).expect("key");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&VERSIONS)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate(folder)], key)
        .expect("certificate");
    config.alpn_protocols = vec![ALPN.to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    let mut there = connect(server, VERSIONS[0], &[ALPN]);
    let thread = std::thread::spawn(move || {
        let (socket, _) = listener.accept().expect("accept");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let connection = ServerConnection::new(Arc::new(config)).expect("server");
        let mut here = StreamOwned::new(connection, socket);
        // The hello, the proof, and what the server says to that.
        let (letter, payload) = hear(&mut there).expect("hello");
        here.write_all(&frame(letter, &payload)).expect("hello");
        let (letter, payload) = hear(&mut here).expect("proof");
        there.write_all(&frame(letter, &payload)).expect("proof");
        let (letter, payload) = hear(&mut there).expect("answer");
        assert_eq!(
            letter, 'E',
            "the server took a proof made in another channel"
        );
        here.write_all(&frame(letter, &payload)).expect("answer");
        let _ = here.read(&mut [0]);
    });
    (address, thread)
}

#[test]
fn a_proof_passed_on_from_another_channel_is_refused() {
    let server = Server::start(&["--tls", "--proof"]);
    let folder = tempfile::tempdir().expect("folder");
    new_certificate(folder.path());
    let (address, thread) = middle_man(&server, folder.path());
    // The client was made to believe that the middle man is the server.
    let fooled = options(folder.path());
    let refused = Client::connect(&url(&address), &fooled);
    assert!(
        matches!(refused, Err(Error::ProofRefused(_))),
        "{refused:?}"
    );
    thread.join().expect("middle man");
    // And this is what it believes otherwise.
    let (address, _thread) = middle_man(&server, folder.path());
    let refused = Client::connect(&url(&address), &options(server.folder()));
    assert!(matches!(refused, Err(Error::Identity(_))), "{refused:?}");
    assert!(Client::connect(&url(&server.address), &options(server.folder())).is_ok());
}

/// A broker without a listener, played to by the test.
struct Broker {
    process: std::process::Child,
    control: std::os::fd::OwnedFd,
    next: u64,
    leaf: String,
    _folder: tempfile::TempDir,
}

impl Broker {
    fn start() -> Broker {
        let folder = tempfile::tempdir().expect("folder");
        let library = folder.path().join("library");
        std::fs::create_dir(&library).expect("library");
        super::server::give_away(folder.path(), &library);
        new_certificate(folder.path());
        let config = folder.path().join("tls.toml");
        let text = "tls_certificate = \"crt\"\ntls_key = \"key\"\n[[listen]]\naddress = \"127.0.0.1:0\"\nproof = \"none\"\ntls = true\n";
        std::fs::write(&config, text).expect("configuration");
        let (control, theirs) = channel::pair().expect("channel");
        let process = forkftpd()
            .args(["broker", "--library"])
            .arg(&library)
            .arg("--config")
            .arg(config)
            .args(super::server::as_user())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .expect("broker");
        let (report, given) = ipc::receive::<Report>(control.as_fd(), true)
            .expect("report")
            .expect("report");
        assert!(
            matches!(report, Report::Ready { chain: true, .. }),
            "{report:?}"
        );
        // The chain comes last, and is sealed.
        let chain = given.into_iter().next_back().expect("chain");
        let sealed = forkftp::sys::sealed::read(chain, ipc::MAX_CHAIN).expect("sealed");
        let chain: ipc::Chain = serde_json::from_slice(&sealed).expect("chain");
        assert_eq!(chain.schemes, [0x0403], "ECDSA with P-256 and SHA-256");
        let leaf = hex::decode(&chain.certificates[0]).expect("DER");
        assert_eq!(leaf, certificate(folder.path()).as_ref());
        let mut hasher = forkftp::digest::Hasher::new(forkftp::digest::Kind::Sha256);
        hasher.update(&leaf);
        Broker {
            process,
            control,
            next: 1,
            leaf: hasher.finish().to_hex(),
            _folder: folder,
        }
    }

    /// A child's channel, with a client that speaks TLS or does not.
    fn child(&mut self, tls: bool) -> std::os::fd::OwnedFd {
        let (ours, theirs) = channel::pair().expect("channel");
        let client = ipc::Client {
            protocol: forkftp::wire::Protocol::Drive,
            peer: Peer::Pipe,
            proof: false,
            login: forkftp::config::Login::None,
            tls: if tls {
                forkftp::config::Encryption::Implicit
            } else {
                forkftp::config::Encryption::Off
            },
            signs_data: false,
            by_proxy: false,
            session_hours: 1,
        };
        let told = Tell::Child {
            session: ipc::SessionId::new(1, self.next),
            client: Some(client),
        };
        self.next += 1;
        ipc::send(self.control.as_fd(), &told, &[theirs.as_fd()], true).expect("tell");
        ours
    }

    fn sign(&self, handshake: Handshake) -> Ask {
        Ask::Sign {
            leaf: self.leaf.clone(),
            scheme: 0x0403,
            handshake,
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn hash(bytes: usize) -> Handshake {
    Handshake::Tls13 {
        hash: "5a".repeat(bytes),
    }
}

fn params(params: &str) -> Handshake {
    Handshake::Tls12 {
        client_random: "01".repeat(32),
        server_random: "02".repeat(32),
        params: params.into(),
    }
}

/// The answer, or None when the channel was cut.
fn ask(channel: &std::os::fd::OwnedFd, question: &Ask) -> Option<Answer> {
    ipc::send(channel.as_fd(), question, &[], true).ok()?;
    let answer = ipc::receive::<Answer>(channel.as_fd(), true).ok()?;
    answer.map(|(answer, _)| answer)
}

#[test]
fn the_broker_signs_handshakes_and_nothing_else() {
    let mut broker = Broker::start();
    let secured = Ask::Secured {
        exporter: "07".repeat(32),
    };
    // As it should be: a signature, and the hello once the channel stands.
    let channel = broker.child(true);
    let signed = ask(&channel, &broker.sign(hash(32)));
    assert!(matches!(signed, Some(Answer::Signed { .. })), "{signed:?}");
    let hello = ask(&channel, &secured);
    assert!(matches!(hello, Some(Answer::Hello { .. })), "{hello:?}");
    // After that nothing is signed.
    assert_eq!(ask(&channel, &broker.sign(hash(32))), None);
    // The third is one too many.
    let channel = broker.child(true);
    let x25519 = format!("03001d20{}", "11".repeat(32));
    for handshake in [hash(48), params(&x25519)] {
        let signed = ask(&channel, &broker.sign(handshake));
        assert!(matches!(signed, Some(Answer::Signed { .. })), "{signed:?}");
    }
    assert_eq!(ask(&channel, &broker.sign(hash(32))), None);
    for bad in [
        hash(31),
        hash(0),
        hash(64),
        params(""),
        params(&x25519[..66]),
        params(&format!("{x25519}00")),
        params(&"41".repeat(100)),
    ] {
        let channel = broker.child(true);
        assert_eq!(ask(&channel, &broker.sign(bad.clone())), None, "{bad:?}");
    }
    // Under another certificate, with another kind of key, without TLS, without a channel's name.
    let channel = broker.child(true);
    let other = Ask::Sign {
        leaf: "00".repeat(32),
        scheme: 0x0403,
        handshake: hash(32),
    };
    assert_eq!(ask(&channel, &other), None);
    let channel = broker.child(true);
    let other = Ask::Sign {
        leaf: broker.leaf.clone(),
        scheme: 0x0804,
        handshake: hash(32),
    };
    assert_eq!(ask(&channel, &other), None);
    let channel = broker.child(false);
    let hello = ipc::receive::<Answer>(channel.as_fd(), true).expect("hello");
    assert!(matches!(hello, Some((Answer::Hello { .. }, _))));
    assert_eq!(ask(&channel, &broker.sign(hash(32))), None);
    let channel = broker.child(true);
    let short = Ask::Secured {
        exporter: "07".repeat(31),
    };
    assert_eq!(ask(&channel, &short), None);
    // None of that took anything from the next one.
    let channel = broker.child(true);
    assert!(ask(&channel, &broker.sign(hash(32))).is_some());
}
