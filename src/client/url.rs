//! Addresses: which server, and which path in its library. Pure; run by the command line and by users of the library.
//!
//! | form | meaning |
//! |---|---|
//! | `drive://host`, `drive://host:port`, `drive://[2001:db8::1]:port` | TCP; port 8888 unless given |
//! | `drives://host` and so on | the same under TLS |
//! | `drive://host/folder/file` | a path in the library |
//! | `drive://host/folder/` | the same, and surely a folder |
//! | `drive://user@host`, `drive+unix://user@/run/forkftpd.sock` | somebody who logs in; `%XX` for `:`, `/`, `@` and `%` in the name |
//! | `drive+unix:///run/forkftpd.sock` | a Unix socket |
//! | `drive+unix:///run/forkftpd.sock//folder/file` | what follows the double slash is the path in the library |
//!
//! A password has no place in an address, which ends up in histories and lists of processes.
//!
//! In paths `%XX` stands for any byte; `?` and `#` mean nothing special.

use crate::scram;
use crate::wire::drive::PORT;
use crate::wire::name;
use crate::wire::path::{Bad, RelPath};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server is, and a path there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Who logs in, if anybody does, in the one form of names (`scram::user_name`).
    pub user: Option<String>,
    /// The server.
    pub place: Place,
    /// The path, without slashes at its ends; empty for the root.
    pub path: RelPath,
    /// The path was empty or ended with a slash: it names a folder.
    pub folder: bool,
}

/// How to reach a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Host name or address (IPv6 without brackets), and port.
    Tcp(String, u16),
    /// The same, under TLS.
    Tls(String, u16),
    /// Unix socket.
    Unix(PathBuf),
}

impl Url {
    /// The path `below` under this address's path.
    ///
    /// # Errors
    /// When the two together are no path that can be in a library.
    pub fn join(&self, below: &[u8]) -> Result<RelPath, String> {
        join(&self.path, below).map_err(|bad| bad.when_writing().message)
    }
}

/// `below` under `folder`.
pub(crate) fn join(folder: &RelPath, below: &[u8]) -> Result<RelPath, Bad> {
    if folder.is_root() {
        return RelPath::parse(below);
    }
    if below.is_empty() {
        return Ok(folder.clone());
    }
    RelPath::parse(&[folder.as_bytes(), b"/", below].concat())
}

/// Where `from` goes when it is moved to `to` below `folder`: with a slash at the end of `to`, into that folder under its own name.
pub(crate) fn target(folder: &RelPath, from: &RelPath, to: &[u8]) -> Result<RelPath, String> {
    let say = |bad: Bad| bad.when_writing().message;
    let Some(into) = to.strip_suffix(b"/") else {
        return join(folder, to).map_err(say);
    };
    let into = join(folder, into).map_err(say)?;
    match from.split_last() {
        Some((_, name)) => join(&into, name).map_err(say),
        None => Err("the root has no name".into()),
    }
}

/// Decodes a path as people write it: slashes at both ends are passed over. The flag is true when it must be a folder.
pub(crate) fn parse_path(text: &str) -> Result<(RelPath, bool), String> {
    let trimmed = text.trim_matches('/');
    let folder = trimmed.is_empty() || text.ends_with('/');
    // Part by part, so that %2F cannot smuggle a separator in.
    let mut bytes = Vec::with_capacity(trimmed.len());
    for (i, part) in trimmed.split('/').enumerate() {
        let part = name::decode(part).ok_or_else(|| {
            format!(
                "{text}: % needs two hexadecimal digits after it (a percent sign itself is %25)"
            )
        })?;
        if part.contains(&b'/') {
            return Err(format!("{text}: a name cannot contain %2F"));
        }
        if i > 0 {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(&part);
    }
    RelPath::parse(&bytes)
        .map(|path| (path, folder))
        .map_err(|bad| format!("{text}: {}", bad.when_writing().message))
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        if let Some(rest) = text.strip_prefix("drive+unix://") {
            return parse_unix(rest);
        }
        let secure = text.strip_prefix("drives://");
        let Some(rest) = secure.or_else(|| text.strip_prefix("drive://")) else {
            return Err(match text.split_once("://") {
                Some((scheme, _)) => format!(
                    "{scheme}: not a scheme of forkftp; drive://HOST[:PORT][/PATH] is, drives:// with TLS, or drive+unix:///SOCKET[//PATH]"
                ),
                None => format!("{text} has no scheme; write drive://{text}"),
            });
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(parse_user(user)?), authority),
            None => (None, authority),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest
                    .split_once(']')
                    .ok_or("an IPv6 address needs its closing bracket")?;
                (
                    host,
                    port.strip_prefix(':')
                        .or(port.is_empty().then_some(""))
                        .ok_or_else(|| format!("{authority}: only :PORT may follow ]"))?,
                )
            }
            None => match authority.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(format!(
                        "write an IPv6 address in brackets: drive://[{authority}]"
                    ));
                }
                Some((host, port)) => (host, port),
                None => (authority, ""),
            },
        };
        if host.is_empty() {
            return Err(format!("{text}: the host is missing"));
        }
        if host.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err("a host name has no spaces or control characters".into());
        }
        let port = match port {
            "" => PORT,
            digits => digits
                .parse()
                .ok()
                .filter(|p| *p != 0 && !digits.starts_with('+'))
                .ok_or_else(|| format!("{digits}: not a port (1 to 65535)"))?,
        };
        let (path, folder) = parse_path(path)?;
        Ok(Url {
            user,
            place: if secure.is_some() {
                Place::Tls(host.into(), port)
            } else {
                Place::Tcp(host.into(), port)
            },
            path,
            folder,
        })
    }
}

/// What stands before the @.
fn parse_user(text: &str) -> Result<String, String> {
    if text.contains(':') {
        // Not shown again: it is a password, most likely.
        return Err("a password has no place in an address, where others can read it: leave it out; it is asked for, or read from the file that --password-file or FORKFTP_PASSWORD_FILE names (: in a user's name is %3A)".into());
    }
    let bytes = name::decode(text)
        .ok_or_else(|| format!("{text}@: % needs two hexadecimal digits after it"))?;
    let name = String::from_utf8(bytes).map_err(|_| format!("{text}@: the name is not UTF-8"))?;
    scram::user_name(&name)
}

/// Signs that mean something else before an @.
const IN_USERS: &AsciiSet = &CONTROLS.add(b'%').add(b':').add(b'/').add(b'@').add(b' ');

fn parse_unix(rest: &str) -> Result<Url, String> {
    use std::os::unix::ffi::OsStringExt;
    let (user, rest) = match rest.split_once('/') {
        Some((user, _)) if user.ends_with('@') => (
            Some(parse_user(&user[..user.len() - 1])?),
            &rest[user.len()..],
        ),
        _ => (None, rest),
    };
    if !rest.starts_with('/') {
        return Err(
            "the path of a Unix socket is absolute: drive+unix:///run/forkftpd.sock".into(),
        );
    }
    let (socket, path) = rest.split_once("//").unwrap_or((rest, ""));
    let socket = name::decode(socket.trim_end_matches('/'))
        .ok_or_else(|| format!("{socket}: % needs two hexadecimal digits after it"))?;
    if socket.is_empty() || socket.contains(&0) {
        return Err("the path of the Unix socket is missing".into());
    }
    let (path, folder) = parse_path(path)?;
    Ok(Url {
        user,
        place: Place::Unix(std::ffi::OsString::from_vec(socket).into()),
        path,
        folder,
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::os::unix::ffi::OsStrExt;
        match self {
            Place::Tcp(host, port) | Place::Tls(host, port) => {
                let secure = matches!(self, Place::Tls(..));
                let scheme = if secure { "drives" } else { "drive" };
                if host.contains(':') {
                    write!(f, "{scheme}://[{host}]")?;
                } else {
                    write!(f, "{scheme}://{host}")?;
                }
                if *port == PORT {
                    Ok(())
                } else {
                    write!(f, ":{port}")
                }
            }
            Place::Unix(path) => write!(
                f,
                "drive+unix://{}",
                name::encode(path.as_os_str().as_bytes())
            ),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if matches!(self.place, Place::Unix(_)) && !self.path.is_root() {
            "//"
        } else {
            "/"
        };
        let end = if self.folder && !self.path.is_root() {
            "/"
        } else {
            ""
        };
        let place = self.place.to_string();
        let (scheme, rest) = place.split_once("//").unwrap_or(("", &place));
        write!(f, "{scheme}//")?;
        if let Some(user) = &self.user {
            // Written out, since the set would escape what is not ASCII too.
            for c in user.chars() {
                if c.is_ascii() {
                    let sign = [c as u8];
                    write!(f, "{}", percent_encode(&sign, IN_USERS))?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            f.write_str("@")?;
        }
        write!(
            f,
            "{rest}{slash}{}{end}",
            name::encode(self.path.as_bytes())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let tcp = |host: &str, port| Place::Tcp(host.into(), port);
        let unix = |path: &str| Place::Unix(path.into());
        for (text, place, path, folder) in [
            ("drive://host", tcp("host", 8888), &b""[..], true),
            ("drive://host/", tcp("host", 8888), b"", true),
            ("drive://host:21/a/b", tcp("host", 21), b"a/b", false),
            ("drives://h", Place::Tls("h".into(), 8888), b"", true),
            (
                "drives://[::1]:7/x",
                Place::Tls("::1".into(), 7),
                b"x",
                false,
            ),
            ("drive://10.0.0.1/a/", tcp("10.0.0.1", 8888), b"a", true),
            ("drive://[::1]/x", tcp("::1", 8888), b"x", false),
            (
                "drive://[2001:db8::1]:99",
                tcp("2001:db8::1", 99),
                b"",
                true,
            ),
            ("drive://h/a b%20c", tcp("h", 8888), b"a b c", false),
            ("drive://h/%FC%25", tcp("h", 8888), b"\xfc%", false),
            ("drive://h/what?#1", tcp("h", 8888), b"what?#1", false),
            ("drive+unix:///run/s", unix("/run/s"), b"", true),
            ("drive+unix:///run/s//a/b", unix("/run/s"), b"a/b", false),
            ("drive+unix:///run/s//a/", unix("/run/s"), b"a", true),
            ("drive+unix:///run/my%20s", unix("/run/my s"), b"", true),
        ] {
            let url: Url = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(
                (&url.place, url.path.as_bytes(), url.folder),
                (&place, path, folder),
                "{text}"
            );
            assert_eq!(
                url.to_string().parse::<Url>().as_ref(),
                Ok(&url),
                "{text} again"
            );
        }
        for bad in [
            "host",
            "http://host",
            "drive://",
            "drive:///x",
            "drive://@h",
            "drive://u:p@h",
            "drive://u%4@h",
            "drive://u%FF@h",
            "drive://%07@h",
            "drive+unix://u:p@/s",
            "drive+unix://u@",
            "drives://",
            "drivess://h",
            "drive://h:0",
            "drive://h:65536",
            "drive://h:+1",
            "drive://h:x",
            "drive://::1",
            "drive://[::1",
            "drive://[::1]x",
            "drive://h/../x",
            "drive://h/a//b",
            "drive://h/.hidden",
            "drive://h/%2e%2e/x",
            "drive://h/a%2Fb",
            "drive://h/a%0Ab",
            "drive://h/%4",
            "drive://h h/",
            "drive+unix://run/s",
            "drive+unix:///",
            "drive+unix:///s//../x",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }

    #[test]
    fn users_and_no_passwords() {
        for (text, user, again) in [
            ("drive://alice@h/a", "alice", "drive://alice@h/a"),
            ("drive://al@ice@h", "al@ice", "drive://al%40ice@h/"),
            (
                "drive://a%3Ab%2F%25%20c@[::1]:9",
                "a:b/% c",
                "drive://a%3Ab%2F%25%20c@[::1]:9/",
            ),
            ("drive://\u{fc}@h", "\u{fc}", "drive://\u{fc}@h/"),
            (
                "drive+unix://al@/run/s//a",
                "al",
                "drive+unix://al@/run/s//a",
            ),
        ] {
            let url: Url = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(url.user.as_deref(), Some(user), "{text}");
            assert_eq!(url.to_string(), again);
            assert_eq!(again.parse::<Url>().as_ref(), Ok(&url), "{text} again");
        }
        let why = "drive://alice:pencil@h"
            .parse::<Url>()
            .expect_err("refused");
        assert!(
            why.contains("FORKFTP_PASSWORD_FILE") && !why.contains("pencil"),
            "{why}"
        );
    }

    #[test]
    fn joined_paths_stay_below() {
        let url: Url = "drive://h/a".parse().expect("url");
        assert_eq!(url.join(b"b/c").expect("path").as_bytes(), b"a/b/c");
        for bad in [&b"../x"[..], b"/etc/x", b"b/../../c", b".h"] {
            assert!(url.join(bad).is_err());
        }
    }
}
