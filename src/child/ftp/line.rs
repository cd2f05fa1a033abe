//! What a session has before and after its login alike: the control connection, what the client said about data connections
//! and encryption, and the commands that are about nothing else. Run by a child.

use super::control::Control;
use super::opening::Way;
use super::{End, Handled, checksums, tables};
use crate::child::ask::Broker;
use crate::child::dial::{Dialer, Passive};
use crate::child::run::World;
use crate::child::secure;
use crate::config::Encryption;
use crate::digest::Kind;
use crate::error::{Code, Refusal};
use crate::ipc::Client;
use crate::wire::ftp::command::{Type, split_word, transfer_type};
use crate::wire::ftp::facts::Facts;
use crate::wire::ftp::reply;

/// A connection.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) control: Control,
    pub(super) world: World<'a>,
    pub(super) client: &'a Client,
    pub(super) broker: Broker,
    /// None without data connections.
    pub(super) dialer: Option<Dialer>,
    /// The control connection is encrypted.
    pub(super) is_secure: bool,
    /// PBSZ was said, without which PROT has no meaning (RFC 2228, section 3).
    pub(super) buffer_said: bool,
    /// PROT P: data connections are encrypted.
    pub(super) protects: bool,
    /// How the bytes of files travel.
    pub(super) kind: Type,
    /// How the next data connection comes about.
    pub(super) way: Way,
    /// The passive socket that the client came to: it is likely to want another one. Closed when there is time for that.
    pub(super) came_to_us: Option<Passive>,
    /// It has come to one before.
    comes_again: bool,
    /// EPSV ALL was said (RFC 2428, section 4).
    pub(super) only_epsv: bool,
}

impl<'a> Line<'a> {
    pub(super) fn new(
        control: Control,
        world: World<'a>,
        client: &'a Client,
        broker: Broker,
        dialer: Option<Dialer>,
    ) -> Line<'a> {
        // Under TLS from the first byte data connections are, too, unless the client says otherwise.
        let is_secure = client.tls == Encryption::Implicit;
        Line {
            control,
            world,
            client,
            broker,
            dialer,
            is_secure,
            buffer_said: is_secure,
            protects: is_secure,
            kind: Type::default(),
            way: Way::default(),
            came_to_us: None,
            comes_again: false,
            only_epsv: false,
        }
    }

    /// Does what there is time for now that the client has its answer: the passive socket it came to is closed, and the next one
    /// is taken from the dialer, which made it meanwhile.
    pub(super) fn look_ahead(&mut self) {
        if self.came_to_us.take().is_none() {
            return;
        }
        if self.comes_again {
            if let Some(dialer) = &self.dialer {
                dialer.collect_passive();
            }
        } else {
            self.comes_again = true;
            self.prepare_next();
        }
    }

    /// Has the next passive socket made beside the transfer, for clients that have come to one before, and where ports are not scarce:
    /// it takes one even if it is not used.
    pub(super) fn prepare_next(&self) {
        let config = self.world.config;
        let scarce = |(first, last): (u16, u16)| {
            u32::from(last - first) + 1 < 2 * (config.max_clients + config.prefork)
        };
        if self.comes_again
            && !self.world.listen.ftp.passive_ports.is_some_and(scarce)
            && let Some(dialer) = &self.dialer
        {
            dialer.prepare_passive();
        }
    }
}

/// AUTH (RFC 4217, section 4).
pub(super) fn auth(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    begin_tls(line, argument, false)
}

/// AUTH of somebody who is in, and was let in without.
pub(super) fn auth_too_late(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    begin_tls(line, argument, true)
}

fn begin_tls(line: &mut Line<'_>, argument: &[u8], is_late: bool) -> Handled {
    let mechanism = argument.to_ascii_uppercase();
    if !matches!(&mechanism[..], b"TLS" | b"TLS-C" | b"SSL" | b"TLS-P") {
        return line.control.say(504, "The mechanism is TLS.");
    }
    if line.is_secure {
        let what = "This connection is encrypted already.";
        return line.control.say(503, what);
    }
    if is_late {
        return line.control.say(503, "AUTH comes before the login.");
    }
    let (Some(tls), Encryption::Optional | Encryption::Required) =
        (line.world.tls, line.client.tls)
    else {
        return line.control.say(502, "There is no TLS here.");
    };
    if !line.control.is_clean() {
        let what = "something was said after AUTH and before TLS";
        return Err(End::HangUp(Refusal::new(Code::Protocol, what)));
    }
    line.control.say(234, "Begin TLS.")?;
    secure::begin(&mut line.control.stream, tls, &line.broker, line.client).map_err(End::Ended)?;
    line.is_secure = true;
    // The two other names of the mechanism protect data at once (RFC 4217, section 17).
    line.buffer_said = matches!(&mechanism[..], b"SSL" | b"TLS-P");
    line.protects = line.buffer_said;
    Ok(())
}

/// PBSZ (RFC 4217, section 8): there is no buffer to agree about.
pub(super) fn pbsz(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    if !line.is_secure {
        return line.control.say(503, "AUTH TLS comes first.");
    }
    if argument.is_empty() || !argument.iter().all(u8::is_ascii_digit) {
        return line.control.say(501, "PBSZ takes a number: 0.");
    }
    line.buffer_said = true;
    line.control.say(200, "PBSZ=0")
}

/// PROT (RFC 4217, section 9).
pub(super) fn prot(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    if !line.is_secure {
        return line.control.say(503, "AUTH TLS comes first.");
    }
    if !line.buffer_said {
        return line.control.say(503, "PBSZ comes first.");
    }
    match argument {
        b"P" | b"p" => {
            line.protects = true;
            line.control.say(200, "Data connections are encrypted.")
        }
        b"C" | b"c" if line.client.tls == Encryption::Optional => {
            line.protects = false;
            line.control.say(200, "Data connections are not encrypted.")
        }
        b"C" | b"c" => {
            let what = "Data connections are encrypted here: PROT P.";
            line.control.say(534, what)
        }
        b"S" | b"s" | b"E" | b"e" => line.control.say(536, "TLS has P and C."),
        _ => line.control.say(504, "PROT takes P or C."),
    }
}

/// CCC (RFC 4217, section 12.3): what was encrypted stays so.
pub(super) fn ccc(line: &mut Line<'_>, _: &[u8]) -> Handled {
    if line.is_secure {
        line.control.say(534, "This connection stays encrypted.")
    } else {
        line.control.say(533, "This connection is not encrypted.")
    }
}

/// ACCT (RFC 959, section 4.1.1): there are none.
pub(super) fn acct(line: &mut Line<'_>, _: &[u8]) -> Handled {
    line.control.say(202, "Accounts have no meaning here.")
}

pub(super) fn noop(line: &mut Line<'_>, _: &[u8]) -> Handled {
    line.control.say(200, "OK.")
}

pub(super) fn quit(line: &mut Line<'_>, _: &[u8]) -> Handled {
    line.control.say(221, "Goodbye.")?;
    Err(End::Goodbye)
}

/// SYST (RFC 1123, section 4.1.2.12; what clients look for before they read a listing).
pub(super) fn syst(line: &mut Line<'_>, _: &[u8]) -> Handled {
    line.control.say(215, "UNIX Type: L8")
}

/// FEAT (RFC 2389, section 3).
pub(super) fn feat(line: &mut Line<'_>, _: &[u8]) -> Handled {
    tell_features(line, Facts::default(), checksums::DEFAULT)
}

/// The features, with what of them is chosen.
pub(super) fn tell_features(line: &mut Line<'_>, facts: Facts, hash: Kind) -> Handled {
    let mut features: Vec<String> = [
        "AVBL",
        "CLNT",
        "LANG EN*",
        "MDTM",
        "MFMT",
        "RANG STREAM",
        "REST STREAM",
        "SIZE",
        "TVFS",
        "UTF8",
        "XCRC \"file\" start end",
        "XMD5 \"file\" start end",
        "XSHA256 \"file\" start end",
    ]
    .map(str::to_owned)
    .into();
    features.push(facts.feature());
    features.push(checksums::feature(hash));
    if line.dialer.is_some() {
        features.push("EPSV".into());
        if line.world.listen.ftp.active {
            features.push("EPRT".into());
        }
    }
    if matches!(line.client.tls, Encryption::Optional | Encryption::Required) {
        features.push("AUTH TLS".into());
    }
    if line.client.tls != Encryption::Off {
        features.extend(["PBSZ".into(), "PROT".into()]);
    }
    if !line.world.listen.ftp.names.is_empty() {
        features.push("HOST".into());
    }
    features.sort();
    let mut said = vec!["Features:".to_owned()];
    said.extend(features);
    said.push("End".into());
    line.control.send(&reply::lines(211, &said))
}

/// HELP: what there is.
pub(super) fn help(line: &mut Line<'_>, _: &[u8]) -> Handled {
    let mut said = vec!["These commands are served:".to_owned()];
    let verbs: Vec<&str> = tables::verbs().collect();
    said.extend(verbs.chunks(10).map(|verbs| verbs.join(" ")));
    said.push("Help is in the manual page of forkftpd.".into());
    line.control.send(&reply::lines(214, &said))
}

pub(super) fn clnt(line: &mut Line<'_>, _: &[u8]) -> Handled {
    line.control.say(200, "Noted.")
}

/// LANG (RFC 2640, section 4.1).
pub(super) fn lang(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    let argument = argument.to_ascii_lowercase();
    if argument.is_empty() || argument.split(|&b| b == b'-').next() == Some(b"en") {
        line.control.say(200, "Replies are in English.")
    } else {
        line.control.say(504, "Replies are in English alone.")
    }
}

/// HOST (RFC 7151), where the server has names to compare.
pub(super) fn host(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    let names = &line.world.listen.ftp.names;
    if names.is_empty() {
        return line.control.say(502, "This server has one name for all.");
    }
    if argument.is_empty() {
        return line.control.say(501, "HOST takes a name.");
    }
    if names
        .iter()
        .any(|name| argument.eq_ignore_ascii_case(name.as_bytes()))
    {
        line.control.say(220, "That is who you are talking to.")
    } else {
        line.control.say(504, "That is another server.")
    }
}

/// TYPE (RFC 959, section 3.1.1).
pub(super) fn transfer_kind(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    match transfer_type(argument) {
        Some(kind) => {
            line.kind = kind;
            let text = match kind {
                Type::Ascii => "Files are text: A.",
                Type::Image => "Files are bytes: I.",
            };
            line.control.say(200, text)
        }
        None if argument.is_empty() => line.control.say(501, "TYPE takes A or I."),
        None => line.control.say(504, "TYPE is A or I."),
    }
}

pub(super) fn stru(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    match argument {
        b"F" | b"f" => line.control.say(200, "Files have no structure: F."),
        _ => line.control.say(504, "STRU is F."),
    }
}

pub(super) fn mode(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    match argument {
        b"S" | b"s" => line.control.say(200, "Files are streams: S."),
        _ => line.control.say(504, "MODE is S."),
    }
}

/// OPTS of what concerns no file (RFC 2389, section 4); those of MLST and HASH are the session's.
pub(super) fn opts(line: &mut Line<'_>, argument: &[u8]) -> Handled {
    let (what, value) = split_word(argument);
    match (
        &what.to_ascii_uppercase()[..],
        &value.to_ascii_uppercase()[..],
    ) {
        (b"UTF8" | b"UTF-8", b"ON" | b"") => line
            .control
            .say(200, "Names are as they are: UTF-8, if you keep to it."),
        (b"UTF8" | b"UTF-8", _) => line.control.say(504, "Names are as they are."),
        _ => line.control.say(501, "There is no such option."),
    }
}
