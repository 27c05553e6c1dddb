//! Exotel's error codes.

use telephony_core::ErrorKind;

/// What one of Exotel's own codes means: of a stream that failed ([`StreamReport::error`](telephony_core::StreamReport)
/// begins with it), or of a REST answer. [`None`] for a code that is not known.
///
/// | code | kind | from |
/// |---|---|---|
/// | `3009` | [`Transport`](ErrorKind::Transport): our media socket could not be opened | real streams |
/// | `Streaming_call_throttled` | [`RateLimited`](ErrorKind::RateLimited): more streams at once than the account may have | documented |
/// | `RATE_LIMIT_EXCEEDED` | [`RateLimited`](ErrorKind::RateLimited) | documented |
/// | `1012` | [`Refused`](ErrorKind::Refused): the agent's device is off | documented |
/// | `10705` | [`Refused`](ErrorKind::Refused): the device is not verified | documented |
/// | `10706` | [`Refused`](ErrorKind::Refused): the agent is busy | documented |
///
/// ```
/// use telephony_core::ErrorKind;
/// use telephony_exotel::kind_of_code;
///
/// assert_eq!(kind_of_code("3009 failed to establish ws conn"), Some(ErrorKind::Transport));
/// assert_eq!(kind_of_code("something new"), None);
/// ```
#[must_use]
pub fn kind_of_code(code: &str) -> Option<ErrorKind> {
    let code = code.split_whitespace().next()?;
    let is = |known: &str| code.eq_ignore_ascii_case(known);
    match code {
        "3009" => Some(ErrorKind::Transport),
        "1012" | "10705" | "10706" => Some(ErrorKind::Refused),
        _ if is(THROTTLED) || is("RATE_LIMIT_EXCEEDED") => Some(ErrorKind::RateLimited),
        _ => None,
    }
}

/// What a stream's detailed status says when the account has too many streams at once.
pub(crate) const THROTTLED: &str = "Streaming_call_throttled";
