//! `handshakes`: clients connect, make a TLS 1.3 handshake, hear the first words inside it and leave, eight at once. Beside a bare
//! loop that accepts, forks, and whose child has the private key itself: what does it cost that the key is in the broker? What
//! forking, walls and the broker cost without TLS is measured along, and taken off.

use crate::crowd::{AT_ONCE, come_and_go};
use crate::machine::World;
use crate::peer::Peer;
use crate::server::{Door, Server};
use crate::stats::{Goal, Run, Series, disturbance, in_turns, say};
use forkftp::tls::{ALPN, provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned};
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// Handshakes in a run.
const HANDSHAKES: usize = 3_000;
/// At most so many times the time of a handshake by a key that is at hand.
const GOAL: f64 = 1.5;

/// Measures four sides: ours and the bare loop, each with TLS and without.
pub(crate) fn run(world: &World) {
    let congestion = world.unpaced();
    let count = HANDSHAKES / world.part;
    let [certificate, key] = world.certificate();
    let door = |tls| Door {
        proof: true,
        login: false,
        tls,
    };
    let ours = [true, false].map(|tls| Server::with_door(world, congestion, door(tls), &[]));
    let words = [certificate.to_string_lossy(), key.to_string_lossy()];
    let bare = [
        Server::bare(congestion, &["tls", &words[0], &words[1]]),
        Server::bare(congestion, &["fork"]),
    ];
    let client = client(CertificateDer::from_pem_file(&certificate).expect("the certificate"));
    let (runs, noise) = in_turns(
        world.runs,
        &mut [
            &mut || secure(&ours[0], &client, count),
            &mut || secure(&bare[0], &client, count),
            &mut || plain(&ours[1], count),
            &mut || plain(&bare[1], count),
        ],
    );
    report(&runs, count, congestion, noise);
}

fn report(runs: &[Vec<Run>], count: usize, congestion: &str, noise: f64) {
    let rate = |side: usize| Series::of(&runs[side], |run| run.value);
    let cpu = |side: usize| Series::of(&runs[side], |run| run.cpu);
    let less = |one: &Series, other: &Series| one.with(other, |a, b| a - b);
    let time = rate(1).over(&rate(0));
    let added = [less(&cpu(0), &cpu(2)), less(&cpu(1), &cpu(3))];
    say(&format!(
        "{count} TLS 1.3 handshakes, {AT_ONCE} at once, ECDSA P-256, {congestion}: connect, handshake, first words\n    \
         forkftpd, key in the broker {} handshakes/s | bare fork, key at hand {} handshakes/s | time ratio {time} | {}\n    \
         server CPU {} us | {} us | ratio {}\n    \
         of it TLS (less the same without TLS, {} us and {} us): {} us, {} us of that the broker's | {} us | ratio {} | {}",
        rate(0),
        rate(1),
        Goal::AtMost(GOAL).verdict(time.median()),
        cpu(0),
        cpu(1),
        cpu(0).over(&cpu(1)),
        cpu(2),
        cpu(3),
        added[0],
        less(
            &Series::of(&runs[0], |run| run.broker),
            &Series::of(&runs[2], |run| run.broker)
        ),
        added[1],
        added[0].over(&added[1]),
        disturbance(noise)
    ));
}

/// A client that speaks TLS 1.3 and trusts this certificate alone.
fn client(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn secure(server: &Server, client: &Arc<ClientConfig>, count: usize) -> Run {
    server.measure(count as f64 / 1e6, || {
        come_and_go(count, |_| shake_hands(server.address, client))
    })
}

fn shake_hands(address: SocketAddr, client: &Arc<ClientConfig>) {
    let socket = TcpStream::connect(address).expect("connect");
    socket.set_nodelay(true).expect("TCP_NODELAY");
    let name = ServerName::from(address.ip());
    let connection = ClientConnection::new(client.clone(), name).expect("a client");
    let mut stream = StreamOwned::new(connection, socket);
    let heard = stream.read(&mut [0; 2048]).expect("the first words");
    assert!(heard > 0, "the server hung up");
    let version = stream.conn.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));
}

fn plain(server: &Server, count: usize) -> Run {
    server.measure(count as f64 / 1e6, || {
        come_and_go(count, |_| {
            Peer::connect(server.address, None).hear_something();
        })
    })
}
