//! The certificate: whether clients will take it, and for how long.

use super::patient::Patient;
use super::report::{Report, Topic};
use crate::broker::Pair;
use crate::config::Encryption;
use crate::tls::certificate::{Facts, day};
use crate::tls::provider;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

/// Seconds of a day.
const DAY: i64 = 86400;
/// Days before the end from which it is time, and from which it is late.
const SOON: i64 = 30;
const LATE: i64 = 7;

pub(super) fn examine(patient: &Patient, report: &mut Report) {
    let mut topic = report.topic("certificate");
    let Some(tls) = &patient.config.tls else {
        return topic.ok("no listening socket speaks TLS");
    };
    for (key, path) in [("tls_certificate", &tls.certificate), ("tls_key", &tls.key)] {
        if std::fs::File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        {
            return topic.hint(
                format!("{key} {}: not looked at: permission denied", path.display()),
                "sudo forkftpd doctor",
            );
        }
    }
    let pair = match Pair::load(tls) {
        Ok(pair) => pair,
        Err(problem) => return topic.problem(problem),
    };
    let file = tls.certificate.display().to_string();
    topic.ok(format!("{file}: sound, and its key belongs to it"));
    if let Ok(facts) = std::fs::metadata(&tls.certificate)
        && facts.permissions().mode() & 0o022 != 0
    {
        topic.warning(
            format!(
                "{file}: mode {:04o}: others than its owner may change it",
                facts.permissions().mode() & 0o777
            ),
            format!("chmod go-w {file}"),
        );
    }
    expiry(&file, &pair.facts, &mut topic);
    names(&file, &pair.facts, patient, &mut topic);
    chain(&file, &pair, &mut topic);
}

fn expiry(file: &str, facts: &Facts, topic: &mut Topic<'_>) {
    let now = jiff::Timestamp::now().as_second();
    let renew = "renew it (certbot renew), or: forkftpd cert new; the running server takes it without a restart";
    let left = facts.not_after.saturating_sub(now) / DAY;
    let until = day(facts.not_after);
    if let Some(trouble) = facts.trouble(now) {
        let fix = if now < facts.not_before {
            "timedatectl (is the clock right?)"
        } else {
            renew
        };
        topic.error(format!("{file}: it {trouble}: clients refuse it"), fix);
    } else if left < LATE {
        topic.error(format!("{file}: it ends on {until}, in {left} days"), renew);
    } else if left < SOON {
        topic.warning(format!("{file}: it ends on {until}, in {left} days"), renew);
    } else {
        topic.ok(format!("{file}: good until {until}"));
    }
}

/// Whether it is for the names that clients call the server by.
fn names(file: &str, facts: &Facts, patient: &Patient, topic: &mut Topic<'_>) {
    if facts.names.is_empty() {
        return topic.warning(
            format!("{file}: it is for no name: clients that check names refuse it"),
            "forkftpd cert new --host NAME CERTIFICATE KEY",
        );
    }
    let secured = patient.config.listen.iter();
    let secured = secured.filter(|listen| listen.tls != Encryption::Off);
    let mut called: Vec<&String> = secured
        .flat_map(|listen| listen.ftp.names.iter().chain(&listen.http.names))
        .collect();
    called.sort();
    called.dedup();
    let has = facts.names.join(", ");
    let missing: Vec<_> = called
        .iter()
        .filter(|name| !covers(&facts.names, name))
        .collect();
    for name in &missing {
        topic.warning(
            format!("{file}: names = [\"{name}\"], and the certificate is for {has}"),
            format!("a certificate for {name} as well; or forkftpd cert new --host {name} CERTIFICATE KEY"),
        );
    }
    if missing.is_empty() {
        topic.ok(format!("{file}: for {has}"));
    }
}

/// Whether one of the certificate's names is that of a host (RFC 6125, section 6.4.3).
fn covers(names: &[String], host: &str) -> bool {
    names.iter().any(|name| match name.strip_prefix("*.") {
        Some(rest) => host
            .split_once('.')
            .is_some_and(|(_, above)| above.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(host),
    })
}

/// Whether clients get from it to somebody they trust.
fn chain(file: &str, pair: &Pair, topic: &mut Topic<'_>) {
    let mut chain = Vec::new();
    for certificate in pair.certificates() {
        match Facts::read(certificate) {
            Ok(facts) => chain.push(facts),
            Err(why) => {
                return topic.problem(format!("{file}: certificate {}: {why}", chain.len() + 1));
            }
        }
    }
    for (at, facts) in chain.iter().enumerate() {
        if let Some(weak) = facts.weak_signature().filter(|_| !facts.is_self_signed()) {
            topic.error(
                format!(
                    "{file}: certificate {} is signed with {weak}, which clients refuse",
                    at + 1
                ),
                "a new one of its authority",
            );
        }
    }
    let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
        return;
    };
    if let Some(at) = chain
        .windows(2)
        .position(|pair| pair[0].issuer != pair[1].subject)
    {
        return topic.error(
            format!("{file}: certificate {} is not the one that signed certificate {}: many clients refuse such a chain", at + 2, at + 1),
            "the server's own first, then each one's signer: cat server.crt intermediate.crt > FILE",
        );
    }
    if first.is_self_signed() {
        return topic.ok(format!(
            "{file}: self-signed: clients pin its key ({}), or are given the file",
            first.fingerprint
        ));
    }
    if chain.len() > 1 && last.is_self_signed() {
        topic.ok(format!(
            "{file}: the root comes with it, which clients have or do not trust; it need not"
        ));
    }
    match trust(pair, first) {
        Ok(()) => topic.ok(format!("{file}: this machine trusts it, by a chain of {}", chain.len())),
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => topic.warning(
            format!("{file}: it leads to nobody whom this machine trusts: an intermediate is missing, or the authority is your own, which clients have to be given"),
            "cat server.crt intermediate.crt > FILE, as the authority's page has them",
        ),
        // Dates and names were looked at.
        Err(Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. },
        )) => {}
        Err(error) => topic.note(format!("{file}: whether this machine trusts it was not found out: {error}")),
    }
}

/// Judges it as a client on this machine would.
fn trust(pair: &Pair, facts: &Facts) -> Result<(), Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    let name = facts.names.first().map_or("localhost", String::as_str);
    let name = ServerName::try_from(name.replace('*', "any"));
    let name = name.map_err(|error| Error::General(error.to_string()))?;
    let [first, rest @ ..] = pair.certificates() else {
        return Ok(());
    };
    let judged = verifier.verify_server_cert(first, rest, &name, &[], UnixTime::now());
    judged.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_clients_do() {
        let names = ["files.example.org".to_owned(), "*.example.net".to_owned()];
        for (host, found) in [
            ("files.example.org", true),
            ("FILES.example.org", true),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            ("example.org", false),
        ] {
            assert_eq!(covers(&names, host), found, "{host}");
        }
    }
}
