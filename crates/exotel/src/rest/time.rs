//! Times as Exotel writes them: `yyyy-mm-dd hh:mm:ss`, Indian time, without saying so.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// Indian time is so far ahead of UTC, all year.
const INDIA: u64 = 5 * 3_600 + 1_800;
/// The first of March of the year 0 was so many days before 1970.
const TO_1970: u64 = 719_468;

/// That moment in India, rounded down. What is before 1970 is 1970.
pub(super) fn indian_time(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().saturating_add(INDIA);
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The moment that is meant; [`None`] for anything that is not such a time, and for what is before 1970.
pub(super) fn moment(text: &str) -> Option<SystemTime> {
    let (day, clock) = text.trim().split_once([' ', 'T'])?;
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let is_time = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !is_time {
        return None;
    }
    let days = days(year, month, day).checked_sub(TO_1970)?;
    let seconds = days * DAY + hour * 3_600 + minute * 60 + second;
    let since = Duration::from_secs(seconds.checked_sub(INDIA)?);
    UNIX_EPOCH.checked_add(since)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let number = |part: &str| match part.len() {
        1..=4 if part.bytes().all(|byte| byte.is_ascii_digit()) => part.parse().ok(),
        _ => None,
    };
    let numbers: Option<Vec<u64>> = text.split(between).map(number).collect();
    numbers?.try_into().ok()
}

/// The date of a day since 1970. In years that begin in March the leap day is the last one, and 400 of them have 146 097
/// days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + TO_1970;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

/// The other way round: the days since the first of March of the year 0.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_indian() {
        for (seconds, written) in [
            (0, "1970-01-01 05:30:00"),
            (951_762_600, "2000-02-29 00:00:00"),
            (951_849_000, "2000-03-01 00:00:00"),
            (1_767_205_799, "2025-12-31 23:59:59"),
            (1_767_205_800, "2026-01-01 00:00:00"),
            (4_107_522_600, "2100-03-01 00:00:00"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(indian_time(time), written);
            assert_eq!(moment(written), Some(time), "{written}");
        }
        assert!(indian_time(UNIX_EPOCH - Duration::from_secs(1)).starts_with("1970"));
        date(u64::MAX / DAY);
    }

    #[test]
    fn every_day_is_read_back() {
        for day in 0..60_000 {
            let time = UNIX_EPOCH + Duration::from_secs(day * DAY + 43_211);
            assert_eq!(moment(&indian_time(time)), Some(time));
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            " ",
            "now",
            "2026-01-01",
            "2026-01-01 10:00",
            "2026-01-01 10:00:00+05:30",
            "2026-13-01 10:00:00",
            "2026-00-01 10:00:00",
            "2026-01-00 10:00:00",
            "2026-01-01 24:00:00",
            "2026-01-01 10:60:00",
            "2026-01--1 10:00:00",
            "0000-00-00 00:00:00",
            "1970-01-01 00:00:00",
            "99999-01-01 10:00:00",
            "2026-01-01-01 10:00:00",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
        assert!(moment("2026-01-01T10:00:00").is_some());
    }
}
