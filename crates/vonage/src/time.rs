//! Times as Vonage writes them, and as it wants them.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// Seconds since 1970 of a time in UTC: `2026-01-01T12:00:00Z` with or without milliseconds, as webhooks have it, or
/// `2026-01-01 12:00:00`, as REST has it.
pub(crate) fn seconds_of(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = ["Z", "+00:00", "+0000"]
        .iter()
        .find_map(|zone| text.strip_suffix(zone))
        .unwrap_or(text);
    let (date, time) = text.split_once(['T', ' '])?;
    let time = time.split('.').next()?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    in_range.then(|| days_since_1970(year, month, day) * DAY + hour * 3_600 + minute * 60 + second)
}

/// That moment as `2026-01-01T12:00:00Z`, rounded down; [`None`] before 1970 and after 9999.
pub(crate) fn utc_text(moment: SystemTime) -> Option<String> {
    let seconds = moment.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = i64::try_from(seconds).ok()?;
    let (year, month, day) = date_of(seconds / DAY)?;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text
        .split(separator)
        .map(|part| part.parse::<u16>().map(i64::from));
    let three = [
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    ];
    parts.next().is_none().then_some(three)
}

/// In years that begin in March the leap day is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The date of a day since 1970: the turn back of [`days_since_1970`].
fn date_of(days: i64) -> Option<(i64, i64, i64)> {
    const LONGEST: i64 = 3_000_000; // Somewhere after the year 9999.
    if !(0..=LONGEST).contains(&days) {
        return None;
    }
    // The year that 366 days a year give is never too late, and a few steps too early at most.
    let mut year = 1970 + days / 366;
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12)
        .rev()
        .find(|month| days_since_1970(year, *month, 1) <= days)?;
    (year <= 9999).then(|| (year, month, days - days_since_1970(year, month, 1) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2000-03-01T00:00:00.999Z", 951_868_800),
            ("2026-01-01T00:00:00.000Z", 1_767_225_600),
            ("2026-01-01T00:00:00+00:00", 1_767_225_600),
            ("2026-01-01 00:00:00", 1_767_225_600),
        ] {
            assert_eq!(seconds_of(text), Some(seconds), "{text}");
        }
        for bad in [
            "",
            "Z",
            "2026-01-01",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00Z",
            "a-b-cT0:0:0Z",
        ] {
            assert_eq!(seconds_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for days in 0..=(2_932_896 / 7) {
            let seconds = days * 7 * 86_400 + days % 86_400;
            let text = utc_text(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
            assert_eq!(seconds_of(&text), i64::try_from(seconds).ok(), "{text}");
        }
        let last = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
        assert_eq!(utc_text(last).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(utc_text(last + Duration::from_secs(1)), None);
        assert_eq!(utc_text(UNIX_EPOCH - Duration::from_secs(1)), None);
        let leap = UNIX_EPOCH + Duration::from_millis(951_868_799_999);
        assert_eq!(utc_text(leap).as_deref(), Some("2000-02-29T23:59:59Z"));
    }
}
