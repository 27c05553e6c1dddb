//! What went wrong, without what was said: Redis repeats arguments in some of its errors.

use redis::{ErrorKind as Cause, RedisError};
use telephony_core::{Error, ErrorKind, Retry};

pub(crate) fn configuration(detail: &str) -> Error {
    Error::configuration(detail)
}

/// Nobody knows whether it was done.
pub(crate) fn timed_out(operation: &'static str) -> Error {
    Error::new(ErrorKind::Store, operation, "Redis does not answer in time")
        .with_retry(Retry::OutcomeUnknown)
}

/// Nothing was sent.
pub(crate) fn down(operation: &'static str, why: &str) -> Error {
    let detail = format!("there is no connection to Redis: {why}");
    Error::new(ErrorKind::Store, operation, detail).with_retry(Retry::Safe)
}

/// What is kept there is not what we wrote.
pub(crate) fn unreadable(operation: &'static str) -> Error {
    let detail = "what Redis keeps of the call cannot be read; did a newer version write it?";
    Error::new(ErrorKind::Store, operation, detail)
}

pub(crate) fn refused(operation: &'static str, error: &RedisError) -> Error {
    let detail = match (error.code(), error.kind()) {
        (Some("WRONGPASS" | "NOAUTH"), _) | (_, Cause::AuthenticationFailed) => {
            "Redis refuses the user or the password"
        }
        (Some("NOPERM"), _) => "Redis does not allow this user to do that",
        (Some("LOADING"), _) => "Redis is still reading what it keeps",
        (Some("READONLY"), _) => "this Redis is not the primary one any more",
        (_, Cause::InvalidClientConfig) => "the configuration of the client is not valid",
        _ if error.is_connection_refusal() => "nobody answers at its address",
        _ if is_lost(error) => "the connection was lost or could not be made",
        _ if error.is_timeout() => "Redis does not answer in time",
        _ => "Redis refuses the command",
    };
    let refused = Error::new(ErrorKind::Store, operation, detail).with_retry(Retry::OutcomeUnknown);
    // The code is one word of the server: `LOADING`, `READONLY`, `CROSSSLOT`.
    match error.code() {
        Some(code) => refused.with_provider_code(code),
        None => refused,
    }
}

/// Whether the connection is of no use any more. After a failover it may lead to what is only a replica now.
pub(crate) fn is_lost(error: &RedisError) -> bool {
    error.code() == Some("READONLY")
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_unrecoverable_error()
}
