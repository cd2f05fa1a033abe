//! Moments as FTP writes them, in UTC (RFC 3659, section 2.3). Run by children that serve FTP, once for each line of a listing:
//! plain arithmetic of the Gregorian calendar, without allocation.

use super::digits::push_number;

/// The first second of the year 0 and the last of 9999: a year has four digits.
const YEARS: (i64, i64) = (-62_167_219_200, 253_402_300_799);

/// A moment taken apart. The month and the day count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// `seconds` since 1970 as a date and a time; what lies outside the years 0 to 9999 is the end of them.
#[must_use]
pub fn civil(seconds: i64) -> Civil {
    let seconds = seconds.clamp(YEARS.0, YEARS.1);
    let (days, within) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years: the leap day is the last of its year, and the months before it repeat
    // in fives of 153 days (Hinnant, "chrono-compatible low-level date algorithms").
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Civil {
        year: year as u16,
        month: month as u8,
        day: day as u8,
        hour: (within / 3600) as u8,
        minute: (within / 60 % 60) as u8,
        second: (within % 60) as u8,
    }
}

/// Days from 1970-01-01 to a date; None for a date that no calendar has. The year is at most 9999.
#[must_use]
pub fn days_from_civil(year: u64, month: u64, day: u64) -> Option<i64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year > 9999 || !(1..=longest).contains(&day) {
        return None;
    }
    let (year, month, day) = (year as i64, month as i64, day as i64);
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// `20261121074045`. Without a fraction, which the RFC leaves to the server: many a script reads fourteen digits.
#[must_use]
pub fn stamp(seconds: i64) -> String {
    let mut text = Vec::with_capacity(14);
    write_stamp(&mut text, seconds);
    text.iter().map(|&digit| char::from(digit)).collect()
}

/// Adds `stamp` to `out`.
pub fn write_stamp(out: &mut Vec<u8>, seconds: i64) {
    let at = civil(seconds);
    push_number(out, at.year.into(), 4, b'0');
    for two in [at.month, at.day, at.hour, at.minute, at.second] {
        push_number(out, two.into(), 2, b'0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Date;
    use proptest::prelude::*;

    #[test]
    fn every_day_of_ten_thousand_years() {
        let mut date = Date::new(0, 1, 1).expect("a date");
        for days in YEARS.0 / 86_400..=YEARS.1 / 86_400 {
            let (year, month, day) = (date.year() as u16, date.month() as u8, date.day() as u8);
            let at = civil(days * 86_400);
            assert_eq!((at.year, at.month, at.day), (year, month, day));
            assert_eq!(
                days_from_civil(year.into(), month.into(), day.into()),
                Some(days)
            );
            if let Ok(tomorrow) = date.tomorrow() {
                date = tomorrow;
            }
        }
        assert_eq!(
            date,
            Date::new(9999, 12, 31).expect("a date"),
            "the last was reached"
        );
    }

    #[test]
    fn stamps_table() {
        for (seconds, text) in [
            (0, "19700101000000"),
            (1_795_246_845, "20261121074045"),
            (-1, "19691231235959"),
            (i64::MIN, "00000101000000"),
            (i64::MAX, "99991231235959"),
        ] {
            assert_eq!(stamp(seconds), text);
        }
        for (year, month, day) in [
            (2026, 2, 29),
            (1900, 2, 29),
            (2026, 4, 31),
            (2026, 0, 1),
            (2026, 13, 1),
            (2026, 1, 0),
            (10_000, 1, 1),
            (u64::MAX, 1, 1),
            (2026, u64::MAX, 1),
            (2026, 1, u64::MAX),
        ] {
            assert_eq!(
                days_from_civil(year, month, day),
                None,
                "{year}-{month}-{day}"
            );
        }
    }

    proptest! {
        #[test]
        fn as_jiff_has_it(seconds in -62_167_219_200i64..=253_402_207_200) {
            let jiff = jiff::Timestamp::from_second(seconds).expect("in range").to_zoned(jiff::tz::TimeZone::UTC);
            prop_assert_eq!(stamp(seconds), jiff.strftime("%Y%m%d%H%M%S").to_string());
        }
    }
}
