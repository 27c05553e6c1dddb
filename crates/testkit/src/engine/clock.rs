//! Call time, wall time and the dates that carriers write.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How much faster than life a call runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tempo(f64);

impl Tempo {
    /// `speed` times as fast as life; what is not between 0.01 and 1000 is brought there.
    pub fn new(speed: f64) -> Self {
        Self(if speed.is_finite() {
            speed.clamp(0.01, 1_000.0)
        } else {
            1.0
        })
    }

    /// How long `call_time` takes on the wall.
    pub fn wall(self, call_time: Duration) -> Duration {
        call_time.div_f64(self.0)
    }

    /// How much call time has passed in `wall` time.
    pub fn call(self, wall: Duration) -> Duration {
        wall.mul_f64(self.0)
    }
}

/// Seconds since 1970.
pub fn unix_now() -> u64 {
    since_epoch(SystemTime::now()).as_secs()
}

/// Now as `Fri, 20 Aug 2010 01:13:42 +0000`.
pub fn rfc_2822_now() -> String {
    rfc_2822(SystemTime::now())
}

/// A moment as `Fri, 20 Aug 2010 01:13:42 +0000`.
pub fn rfc_2822(moment: SystemTime) -> String {
    let (date, _) = Civil::at(since_epoch(moment));
    format!(
        "{}, {:02} {} {} {:02}:{:02}:{:02} +0000",
        WEEKDAYS[date.weekday],
        date.day,
        MONTHS[date.month - 1],
        date.year,
        date.hour,
        date.minute,
        date.second
    )
}

/// Now as `2026-01-31T01:13:42.123Z`.
pub fn iso_8601_now() -> String {
    iso_8601(SystemTime::now())
}

/// A moment as `2026-01-31T01:13:42.123Z`.
pub fn iso_8601(moment: SystemTime) -> String {
    let (date, millis) = Civil::at(since_epoch(moment));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    )
}

/// Now as `2026-01-31 06:43:42`, in a zone that is `ahead` of UTC and not named.
pub fn local_now(ahead: Duration) -> String {
    local(SystemTime::now(), ahead)
}

/// A moment as `2026-01-31 06:43:42`, in a zone that is `ahead` of UTC and not named.
pub fn local(moment: SystemTime, ahead: Duration) -> String {
    let (date, _) = Civil::at(since_epoch(moment) + ahead);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        date.year, date.month, date.day, date.hour, date.minute, date.second
    )
}

fn since_epoch(moment: SystemTime) -> Duration {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default()
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Days since 1970 to a date, after the well-known algorithm with years that begin in March.
    fn at(since_epoch: Duration) -> (Self, u32) {
        let seconds = since_epoch.as_secs();
        let days = (seconds / 86_400) as i64;
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let civil = Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as usize,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7) as usize,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        };
        (civil, since_epoch.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        for (seconds, expected) in [
            (0, (1970, 1, 1, 4, 0)),
            (1_282_266_822, (2010, 8, 20, 5, 1)),
            (951_782_400, (2000, 2, 29, 2, 0)),
            (1_767_225_599, (2025, 12, 31, 3, 23)),
        ] {
            let (date, _) = Civil::at(Duration::from_secs(seconds));
            assert_eq!(
                (date.year, date.month, date.day, date.weekday, date.hour),
                expected
            );
        }
    }

    #[test]
    fn tempo_scales_both_ways() {
        let tempo = Tempo::new(10.0);
        assert_eq!(
            tempo.wall(Duration::from_secs(1)),
            Duration::from_millis(100)
        );
        assert_eq!(
            tempo.call(Duration::from_millis(100)),
            Duration::from_secs(1)
        );
        assert_eq!(Tempo::new(f64::NAN), Tempo::new(1.0));
    }
}
