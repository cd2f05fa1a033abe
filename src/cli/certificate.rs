//! `forkftpd cert new`, and what `forkftpd check` says of a certificate. Run by the operator's command.

use crate::broker::Pair;
use crate::config::Tls;
use crate::tls::certificate::{Facts, day};
use rcgen::{CertificateParams, KeyPair};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Years for which a self-signed certificate holds: as long as admins give theirs (`openssl req -x509 -days 3650`). Clients pin
/// the key, and do not ask for the date; to those that have the certificate as an authority (`--ca`) an early end would bring an
/// outage and nothing else, since there is nobody who would look at the key again before renewing it.
const YEARS: i16 = 10;

/// Makes a self-signed certificate for `names`, and its key. Files that are there are left alone. Returns what to say.
///
/// # Errors
/// A sentence; then neither file is left behind.
pub(super) fn new(names: &[String], certificate: &Path, key: &Path) -> Result<String, String> {
    let names = if names.is_empty() {
        own_names()
    } else {
        names.to_vec()
    };
    let cannot = |error: rcgen::Error| format!("the certificate cannot be made: {error}");
    let pair = KeyPair::generate().map_err(cannot)?;
    let made = asked(&names)?.self_signed(&pair).map_err(cannot)?;
    let facts = Facts::read(made.der())?;
    write(key, 0o600, Zeroizing::new(pair.serialize_pem()).as_bytes())?;
    if let Err(problem) = write(certificate, 0o644, made.pem().as_bytes()) {
        // A key without its certificate would only be in the way.
        let _ = std::fs::remove_file(key);
        return Err(problem);
    }
    Ok(format!(
        "certificate for {}, until {}\n{}\n",
        facts.names.join(", "),
        day(facts.not_after),
        facts.fingerprint
    ))
}

fn asked(names: &[String]) -> Result<CertificateParams, String> {
    for name in names {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("--host {name:?}: a host name or an IP address"));
        }
    }
    let mut asked = CertificateParams::new(names)
        .map_err(|error| format!("--host {}: {error}", names.join(", ")))?;
    let mut called = rcgen::DistinguishedName::new();
    // Clients look at the names above; this one is for people. It has at most 64 characters (RFC 5280, ub-common-name).
    let first = names.first().map_or("forkftpd", String::as_str);
    called.push(
        rcgen::DnType::CommonName,
        first.chars().take(64).collect::<String>(),
    );
    asked.distinguished_name = called;
    asked.use_authority_key_identifier_extension = false;
    asked.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    asked.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    // A day back, for clients whose clock is behind.
    let now = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let from = now.yesterday().map_err(|error| error.to_string())?;
    let to = now
        .checked_add(jiff::Span::new().years(YEARS))
        .map_err(|error| error.to_string())?;
    let moment = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    (asked.not_before, asked.not_after) = (moment(from), moment(to));
    Ok(asked)
}

/// What this machine is called, by itself and by its programs.
fn own_names() -> Vec<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let local = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    [name.trim().to_owned()]
        .into_iter()
        .filter(|name| !name.is_empty() && *name != local[0])
        .chain(local.iter().cloned())
        .collect()
}

fn write(path: &Path, mode: u32, content: &[u8]) -> Result<(), String> {
    let say = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut options = File::options();
    options.write(true).create_new(true).mode(mode);
    let taken = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!(
                "{}: exists, and is left alone: choose another name",
                path.display()
            )
        }
        _ => say(error),
    };
    let mut file = options.open(path).map_err(taken)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half of one would be taken for a damaged one.
        let _ = std::fs::remove_file(path);
        say(error)
    })
}

/// What the certificate of TLS listeners says, line by line.
///
/// # Errors
/// What is wrong with it or its key.
pub(super) fn describe(tls: &Tls) -> Result<String, String> {
    let facts = Pair::load(tls)?.facts;
    let names = if facts.names.is_empty() {
        "no name: clients that check names refuse it".to_owned()
    } else {
        facts.names.join(", ")
    };
    let mut text = format!(
        "certificate {}: {names}\n  until {}\n  {}\n",
        tls.certificate.display(),
        day(facts.not_after),
        facts.fingerprint
    );
    let now = jiff::Timestamp::now().as_second();
    if let Some(trouble) = facts.trouble(now) {
        text += &format!("  WARNING: it {trouble}; clients that check that refuse it\n");
    } else if facts.not_after - now < 14 * 24 * 60 * 60 {
        text += "  WARNING: it expires in less than 14 days\n";
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_certificate_is_one_the_broker_takes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let tls = Tls {
            certificate: folder.path().join("crt"),
            key: folder.path().join("key"),
        };
        let names = ["files.example.org".to_owned(), "::1".to_owned()];
        let said = new(&names, &tls.certificate, &tls.key).expect("made");
        let facts = Pair::load(&tls).expect("a pair").facts;
        assert_eq!(facts.names, names);
        assert!(said.contains(&facts.fingerprint.to_string()), "{said}");
        let days = (facts.not_after - facts.not_before) / 86_400;
        assert!((3650..3656).contains(&days), "{days}");
        assert_eq!(facts.trouble(jiff::Timestamp::now().as_second()), None);
        let key = std::fs::metadata(&tls.key).expect("key");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&tls.key).expect("key");
        let refused = new(&names, &folder.path().join("crt2"), &tls.key);
        assert!(refused.expect_err("there is one").contains("exists"));
        let refused = new(&names, &tls.certificate, &folder.path().join("key2"));
        assert!(refused.expect_err("there is one").contains("exists"));
        assert!(!folder.path().join("key2").exists(), "a key left behind");
        assert_eq!(std::fs::read(&tls.key).expect("key"), before);
        assert!(describe(&tls).expect("facts").contains("until"));
        assert!(asked(&["a b".to_owned()]).is_err());
        assert!(asked(&["x".repeat(80) + ".example"]).is_ok());
    }
}
