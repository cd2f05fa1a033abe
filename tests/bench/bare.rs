//! Bare loops: the least that does the work of a figure, without protocol, names, checks or deadlines. This same program,
//! started again with a hidden word, so that it is small when it forks and its CPU time can be read apart.
//!
//! Each listens on a port of its own choice, says which on standard output, and serves until it is ended.

use forkftp::digest::{Hasher, Kind};
use forkftp::sys::{net, process};
use forkftp::tls::{ALPN, provider};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, fork};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// The hidden word.
pub(crate) const FLAG: &str = "--bare-loop";
/// Bytes received and written at once.
const PIECE: usize = 256 * 1024;
/// What a forked child answers.
pub(crate) const ANSWER: [u8; 1024] = [b'x'; 1024];

/// Runs the loop that the words name: congestion control, which loop, and what it wants.
pub(crate) fn run(words: &[String]) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (congestion, rest) = words.split_first().expect("a congestion control");
    let fd = net::listen_tcp(([127, 0, 0, 1], 0).into(), 1024, Some(congestion)).expect("listen");
    let address = net::local_address(fd.as_fd()).expect("address");
    let listener = TcpListener::from(fd);
    listener.set_nonblocking(false).expect("blocking");
    crate::stats::say(&address.to_string());
    match rest {
        ["sendfile", file] => fork_for_each(&listener, |client| send_file(client, Path::new(file))),
        ["sink", file, digest, durable] => {
            let digest = (*digest != "none").then(|| digest.parse().expect("a digest"));
            receive_files(&listener, Path::new(file), digest, *durable == "full");
        }
        ["fork"] => fork_for_each(&listener, |mut client| client.write_all(&ANSWER)),
        ["tls", certificate, key] => {
            let config = with_own_key(Path::new(certificate), Path::new(key));
            fork_for_each(&listener, |client| say_under_tls(client, config.clone()));
        }
        other => panic!("no bare loop {other:?}"),
    }
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().expect("accept").0
}

/// After one byte: the file, by sendfile.
fn send_file(mut client: TcpStream, path: &Path) -> std::io::Result<()> {
    client.read_exact(&mut [0])?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut at = 0;
    while at < size as i64 {
        let left = size as usize - at as usize;
        nix::sys::sendfile::sendfile64(&client, &file, Some(&mut at), left)?;
    }
    Ok(())
}

/// For each connection: what comes until its end into a new file, with a digest if wanted, on the disk if wanted; then the
/// digest in answer.
fn receive_files(listener: &TcpListener, path: &Path, kind: Option<Kind>, durable: bool) {
    let folder = File::open(path.parent().expect("a folder")).expect("the folder");
    let mut piece = vec![0; PIECE];
    loop {
        let mut client = accept(listener);
        let mut file = File::create_new(path).expect("a new file");
        let mut hasher = kind.map(Hasher::new);
        loop {
            match client.read(&mut piece).expect("recv") {
                0 => break,
                got => {
                    file.write_all(&piece[..got]).expect("write");
                    if let Some(hasher) = &mut hasher {
                        hasher.update(&piece[..got]);
                    }
                }
            }
        }
        if durable {
            file.sync_data().expect("fdatasync");
            folder.sync_all().expect("fsync");
        }
        let answer = hasher.map(|hasher| hasher.finish().as_bytes().to_vec());
        // Something has to be said where there is no digest.
        client
            .write_all(answer.as_deref().unwrap_or(b"k"))
            .expect("the answer");
    }
}

/// For each connection: a child, which serves it and exits. Nobody waits for it.
fn fork_for_each(listener: &TcpListener, serve: impl Fn(TcpStream) -> std::io::Result<()>) {
    // SAFETY: SIG_IGN runs no code.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.expect("SIGCHLD");
    loop {
        let client = accept(listener);
        // SAFETY: this program has one thread, so that the child may go on like any other.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Parent { .. } => {}
            ForkResult::Child => {
                let served = serve(client).is_ok();
                process::exit(i32::from(!served));
            }
        }
    }
}

/// TLS with the same arithmetic as the server's, and nothing to remember; the private key is in this process.
fn with_own_key(certificate: &Path, key: &Path) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificate).expect("the certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("its key");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("certificate and key");
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

fn say_under_tls(client: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).expect("a connection");
    let mut stream = StreamOwned::new(connection, client);
    stream.write_all(&ANSWER)?;
    stream.flush()
}

/// Reads the file and computes its digest: no network, in this process.
pub(crate) fn read_and_hash(path: &Path, kind: Kind) -> String {
    let file = File::open(path).expect("the file");
    let mut hasher = Hasher::new(kind);
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        match file.read_at(&mut piece, at).expect("pread") {
            0 => return hasher.finish().to_hex(),
            got => {
                hasher.update(&piece[..got]);
                at += got as u64;
            }
        }
    }
}
