//! Text made small on its way to whoever can unpack it (RFC 9110, section 8.4.1.3). Run by a child.

use super::exchange::Exchange;
use super::reply::Reply;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Fewer bytes than this go as they are: they fit into one packet.
const WORTH: usize = 1000;

/// An answer with that text, packed where that is understood. What can be told from how small it became (BREACH) is no secret: no page has one
/// in it. `vary`: the fields of the request that it depends on besides, each after a
/// comma.
pub(super) fn reply(
    exchange: &Exchange<'_>,
    status: u16,
    kind: &str,
    content: Vec<u8>,
    vary: &str,
) -> Reply {
    let packed = if content.len() >= WORTH && understood(exchange) {
        pack(&content)
    } else {
        None
    };
    match packed {
        Some(packed) => Reply::with_content(status, kind, packed).field("Content-Encoding", "gzip"),
        None => Reply::with_content(status, kind, content),
    }
    .field("Vary", format!("Accept-Encoding{vary}"))
}

fn pack(content: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

fn understood(exchange: &Exchange<'_>) -> bool {
    exchange.head.listed("accept-encoding").any(accepts)
}

/// True for a member of Accept-Encoding that lets gzip pass (RFC 9110, section 12.5.3).
fn accepts(member: String) -> bool {
    let mut parts = member.split(';').map(str::trim);
    let is_gzip = matches!(parts.next(), Some("gzip" | "x-gzip"));
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    is_gzip && weight.is_none_or(|text| text.parse::<f32>().is_ok_and(|weight| weight > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn only_what_is_accepted_is_sent() {
        for (member, expected) in [
            ("gzip", true),
            ("x-gzip;q=0.5", true),
            ("gzip; q=0", false),
            ("gzip;q=0.000", false),
            ("br", false),
            ("*", false),
        ] {
            assert_eq!(accepts(member.to_owned()), expected, "{member}");
        }
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let text = b"<tr><td>".repeat(1000);
        let packed = pack(&text).expect("packed");
        assert!(packed.len() < text.len() / 20);
        let mut unpacked = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&packed[..]);
        decoder.read_to_end(&mut unpacked).expect("unpacked");
        assert_eq!(unpacked, text);
    }
}
