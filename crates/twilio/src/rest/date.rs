//! Dates as Twilio and HTTP write them.

use std::time::{Duration, SystemTime};

/// Reads `Tue, 31 Aug 2010 20:36:28 +0000` (RFC 2822) and `… GMT` (RFC 9110).
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    if let Ok(time) = httpdate::parse_http_date(text) {
        return Some(time);
    }
    let (local, zone) = text.rsplit_once(' ')?;
    let (sign, digits) = zone.split_at_checked(1)?;
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: u64 = digits.parse().ok()?;
    let offset = Duration::from_secs((digits / 100 * 60 + digits % 100) * 60);
    let local = httpdate::parse_http_date(&format!("{local} GMT")).ok()?;
    match sign {
        "+" => local.checked_sub(offset),
        "-" => local.checked_add(offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_both_kinds_and_nothing_else() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (text, wanted) in [
            ("Tue, 31 Aug 2010 20:36:28 +0000", at(1_283_286_988)),
            ("Tue, 31 Aug 2010 22:36:28 +0200", at(1_283_286_988)),
            ("Tue, 31 Aug 2010 14:06:28 -0630", at(1_283_286_988)),
            ("Tue, 31 Aug 2010 20:36:28 GMT", at(1_283_286_988)),
            ("", None),
            ("Tue, 31 Aug 2010 20:36:28", None),
            ("Tue, 31 Aug 2010 20:36:28 0000", None),
            ("Tue, 31 Aug 2010 20:36:28 é000", None),
            ("2010-08-31T20:36:28Z", None),
        ] {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }
}
