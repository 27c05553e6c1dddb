//! Times, rates and keys as people write them.

use std::time::Duration;

/// `500ms`, `2s`, `1.5s`, `1m30s`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("\"{text}\" is no time: write 500ms, 2s, 1.5s, 1m30s or 1h");
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        seconds += number
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3_600.0,
                _ => return Err(wrong()),
            };
        rest = tail;
    }
    // More than a day of anything is a slip of the keyboard.
    if seconds > 86_400.0 {
        return Err(format!("\"{text}\" is more than a day"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// `20/s`, `600/m`, or a number per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("\"{text}\" is no rate: write 20/s or 600/m");
    let (number, seconds) = match text.split_once('/') {
        Some((number, "s")) => (number, 1.0),
        Some((number, "m" | "min")) => (number, 60.0),
        None => (text, 1.0),
        Some(_) => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    if number.is_finite() && number > 0.0 {
        Ok(number / seconds)
    } else {
        Err(wrong())
    }
}

/// Keys at a time: `1@2s`, `12#@500ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeysAt {
    pub(crate) keys: String,
    pub(crate) at: Duration,
}

pub(crate) fn keys_at(text: &str) -> Result<KeysAt, String> {
    let (keys, at) = text
        .split_once('@')
        .ok_or_else(|| format!("\"{text}\" has no time: write 1@2s"))?;
    let is_key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
    if keys.is_empty() || !keys.chars().all(is_key) {
        return Err(format!("\"{keys}\" are no keys: 0 to 9, *, #, A to D"));
    }
    Ok(KeysAt {
        keys: keys.to_owned(),
        at: duration(at)?,
    })
}

/// A time for people.
pub(crate) fn shown(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1_000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms if ms < 60_000.0 => format!("{:.2} s", ms / 1_000.0),
        ms => format!("{:.0} s", ms / 1_000.0),
    }
}

/// `1 call`, `2 calls`.
pub(crate) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, ms) in [
            ("500ms", 500),
            ("2s", 2_000),
            ("1.5s", 1_500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "2", "s", "2 s", "-1s", "2x", "1..s", "99h", "∞s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_and_keys_are_read() {
        assert_eq!(rate("20/s"), Ok(20.0));
        assert_eq!(rate("600/m"), Ok(10.0));
        assert_eq!(rate("2"), Ok(2.0));
        for wrong in ["0/s", "-1", "1/h", "x", "inf"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        let keys = keys_at("12#@2s").unwrap();
        assert_eq!(
            (keys.keys.as_str(), keys.at),
            ("12#", Duration::from_secs(2))
        );
        for wrong in ["1", "@2s", "x@2s", "1@2"] {
            assert!(keys_at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_shown() {
        let ms = |ms| shown(Duration::from_micros(ms));
        assert_eq!(ms(1_234), "1.2 ms");
        assert_eq!(ms(123_400), "123 ms");
        assert_eq!(ms(12_340_000), "12.34 s");
        assert_eq!(count(1, "call"), "1 call");
        assert_eq!(count(0, "call"), "0 calls");
    }
}
