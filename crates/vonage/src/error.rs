//! What Vonage's own words for a failure mean.
//!
//! Vonage has no numbered codes for calls: a status event says why in its `detail`, REST answers with an HTTP status and,
//! sometimes, a word in `type`.
//!
//! | word | where | kind |
//! |---|---|---|
//! | `invalid_number` | `detail` of `rejected` | [`InvalidArgument`](ErrorKind::InvalidArgument) |
//! | `restricted`, `declined`, `unavailable`, `number_out_of_service`, `remote_busy` | `detail` | [`Refused`](ErrorKind::Refused) |
//! | `timeout`, `carrier_timeout` | `detail` of `unanswered` | [`Timeout`](ErrorKind::Timeout) |
//! | `cannot_route`, `internal_error` | `detail` of `failed` | [`Carrier`](ErrorKind::Carrier) |
//! | 400 `BAD_REQUEST`, 413, 414, 415, 422 | REST | [`InvalidArgument`](ErrorKind::InvalidArgument) |
//! | 401 `UNAUTHORIZED` | REST: our own credentials | [`Configuration`](ErrorKind::Configuration) |
//! | 402, 403 `FORBIDDEN` | REST: no balance, no permission | [`Refused`](ErrorKind::Refused) |
//! | 404 `NOT_FOUND` | REST: no such call, or not on this host | [`NotFound`](ErrorKind::NotFound) |
//! | 408, 504 | REST | [`Timeout`](ErrorKind::Timeout) |
//! | 429 | REST | [`RateLimited`](ErrorKind::RateLimited) |
//!
//! The words of `detail` are those of Vonage's SDKs (Java, .NET); its documentation says `timeout` where they say
//! `carrier_timeout`. `remote_busy` is from field reports.

use telephony_core::ErrorKind;

/// What a word of Vonage's or an HTTP status of its REST API means; [`Carrier`](ErrorKind::Carrier) if it is not known.
///
/// ```
/// use telephony_core::ErrorKind;
/// use telephony_vonage::error::kind_of_code;
///
/// assert_eq!(kind_of_code("invalid_number"), ErrorKind::InvalidArgument);
/// assert_eq!(kind_of_code("429"), ErrorKind::RateLimited);
/// ```
#[must_use]
pub fn kind_of_code(code: &str) -> ErrorKind {
    match code.trim().to_ascii_lowercase().as_str() {
        "invalid_number" | "400" | "413" | "414" | "415" | "422" | "bad_request" => {
            ErrorKind::InvalidArgument
        }
        "restricted" | "declined" | "unavailable" | "number_out_of_service" | "remote_busy" => {
            ErrorKind::Refused
        }
        "402" | "403" | "forbidden" => ErrorKind::Refused,
        "timeout" | "carrier_timeout" | "408" | "504" => ErrorKind::Timeout,
        "401" | "unauthorized" => ErrorKind::Configuration,
        "404" | "not_found" => ErrorKind::NotFound,
        "429" => ErrorKind::RateLimited,
        _ => ErrorKind::Carrier,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_have_a_kind() {
        for (code, kind) in [
            ("invalid_number", ErrorKind::InvalidArgument),
            ("restricted", ErrorKind::Refused),
            ("DECLINED", ErrorKind::Refused),
            ("unavailable", ErrorKind::Refused),
            ("number_out_of_service", ErrorKind::Refused),
            ("carrier_timeout", ErrorKind::Timeout),
            ("timeout", ErrorKind::Timeout),
            ("cannot_route", ErrorKind::Carrier),
            ("internal_error", ErrorKind::Carrier),
            ("400", ErrorKind::InvalidArgument),
            ("UNAUTHORIZED", ErrorKind::Configuration),
            ("402", ErrorKind::Refused),
            ("403", ErrorKind::Refused),
            ("422", ErrorKind::InvalidArgument),
            ("504", ErrorKind::Timeout),
            ("404", ErrorKind::NotFound),
            ("429", ErrorKind::RateLimited),
            ("503", ErrorKind::Carrier),
            ("", ErrorKind::Carrier),
        ] {
            assert_eq!(kind_of_code(code), kind, "{code}");
        }
    }
}
