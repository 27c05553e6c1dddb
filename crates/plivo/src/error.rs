//! What Plivo's failures mean.
//!
//! Plivo's REST API has no codes of its own: its HTTP status says what happened, its words say it to people.
//!
//! ```
//! use telephony_core::ErrorKind;
//! use telephony_plivo::error::{kind_of_status, meaning_of_status};
//!
//! assert_eq!(kind_of_status(429), ErrorKind::RateLimited);
//! assert_eq!(meaning_of_status(404), "there is no such call or resource");
//! ```

use telephony_core::ErrorKind;

/// What a status of the REST API means.
#[must_use]
pub fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        // Redirects are not followed: `base_url` is not where the API is.
        300..=399 | 401 | 407 | 426 => ErrorKind::Configuration,
        402 | 403 | 409 | 451 => ErrorKind::Refused,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited,
        400..=499 => ErrorKind::InvalidArgument,
        _ => ErrorKind::Carrier,
    }
}

/// The same for people.
#[must_use]
pub fn meaning_of_status(status: u16) -> &'static str {
    match status {
        300..=399 => "the answer leads to another address, where no credentials are sent",
        401 => "the credentials are not accepted: check `auth_id` and `auth_token`",
        403 => {
            "the account may not do that: the country, the number of calls at once, or its balance"
        }
        404 | 410 => "there is no such call or resource",
        408 | 504 => "no answer came in time",
        429 => "too many requests",
        400..=499 => "the request was not accepted",
        500..=599 => "the service failed",
        _ => "this is no answer of the API",
    }
}
