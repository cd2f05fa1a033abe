//! Moments as people write them. Run by the command and the shell.

use crate::sys::file::Stamp;

/// Reads `2026-05-01T13:45:07Z`, with a fraction or another offset if need be (RFC 3339, section 5.6).
///
/// # Errors
/// What a moment looks like.
pub fn parse(text: &str) -> Result<Stamp, String> {
    let wrong = || {
        format!(
            "{text}: not a moment; write one as 2026-05-01T13:45:07Z or 2026-05-01T15:45:07+02:00"
        )
    };
    text.parse().map(stamp).map_err(|_: jiff::Error| wrong())
}

/// This one.
#[must_use]
pub fn now() -> Stamp {
    stamp(jiff::Timestamp::now())
}

fn stamp(moment: jiff::Timestamp) -> Stamp {
    let nanos = moment.as_nanosecond();
    Stamp {
        // The calendar of the crate ends in the year 9999.
        seconds: nanos.div_euclid(1_000_000_000) as i64,
        nanos: nanos.rem_euclid(1_000_000_000) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_table() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2026-05-01T13:45:07Z", 1_777_643_107, 0),
            ("2026-05-01T15:45:07.5+02:00", 1_777_643_107, 500_000_000),
            ("1969-12-31T23:59:59.25Z", -1, 250_000_000),
        ] {
            assert_eq!(parse(text), Ok(Stamp { seconds, nanos }), "{text}");
        }
        for bad in [
            "",
            "now",
            "2026-05-01",
            "2026-05-01T13:45:07",
            "1777643107",
            "2026-13-01T00:00:00Z",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(now().seconds > 1_700_000_000);
    }
}
