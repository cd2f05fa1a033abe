//! Moments as people write them on a command line.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::str::FromStr;

/// A moment: `2026-05-01`, `2026-05-01T13:45`, with a time zone or in this machine's; or so long ago: `90s`, `15m`, `12h`, `7d`, `4w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Moment(pub(in crate::cli) Timestamp);

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Moment, String> {
        let wrong = || {
            format!(
                "{text:?} is no moment: 2026-05-01, 2026-05-01T13:45, or so long ago: 90s, 15m, 12h, 7d, 4w"
            )
        };
        let found = ago(text)
            .or_else(|| text.parse::<Timestamp>().ok())
            .or_else(|| here(text));
        found.map(Moment).ok_or_else(wrong)
    }
}

/// So long before now.
fn ago(text: &str) -> Option<Timestamp> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = number
        .checked_mul(seconds)
        .filter(|seconds| *seconds >= 0)?;
    let then = Timestamp::now().checked_sub(SignedDuration::from_secs(seconds));
    then.ok()
}

/// A date or a date and time in this machine's time zone.
fn here(text: &str) -> Option<Timestamp> {
    let date = text
        .parse::<Date>()
        .map(|date| date.to_datetime(jiff::civil::Time::midnight()));
    // A date alone is one, too, of whatever hour: the first form has to come first.
    let time = if text.contains(':') {
        text.replace(' ', "T").parse::<DateTime>()
    } else {
        date
    };
    let zoned = time.ok()?.to_zoned(TimeZone::system()).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let moment = |text: &str| text.parse::<Moment>().map(|moment| moment.0);
        assert_eq!(
            moment("2026-05-01T13:45:00Z").expect("UTC").to_string(),
            "2026-05-01T13:45:00Z"
        );
        let day = moment("2026-05-01").expect("day");
        let noon = moment("2026-05-01 12:00").expect("noon");
        assert_eq!(noon.duration_since(day).as_hours(), 12);
        let hour = Timestamp::now().duration_since(moment("1h").expect("hour"));
        assert!((3599..3700).contains(&hour.as_secs()));
        assert!(moment("4w").expect("weeks") < moment("7d").expect("days"));
        for bad in [
            "",
            "d",
            "-1d",
            "yesterday",
            "2026-13-01",
            "12:00",
            "99999999999999999w",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
