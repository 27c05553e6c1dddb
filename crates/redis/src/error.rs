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
    let detail = crate::tls::fault(error).unwrap_or_else(|| plain(error));
    let refused = Error::new(ErrorKind::Store, operation, detail).with_retry(Retry::OutcomeUnknown);
    // The code is one word of the server: `LOADING`, `READONLY`, `CROSSSLOT`.
    match error.code() {
        Some(code) => refused.with_provider_code(code),
        None => refused,
    }
}

/// No connection could be made, in time if there is no error.
pub(crate) fn unreachable(
    operation: &'static str,
    error: Option<&RedisError>,
    has_tls: bool,
) -> Error {
    let detail = match error {
        Some(error) if error.is_connection_refusal() => return refused(operation, error),
        // Redis without TLS waits for the end of what it takes for a command; with it, it hangs up.
        Some(error) if error.is_connection_dropped() && !has_tls => {
            "connections are closed at once; does Redis want TLS: rediss://?"
        }
        Some(error) if !error.is_timeout() => return refused(operation, error),
        _ if has_tls => "Redis does not answer in time; does it speak TLS?",
        _ => "Redis does not answer in time",
    };
    Error::new(ErrorKind::Store, operation, detail).with_retry(Retry::Safe)
}

fn plain(error: &RedisError) -> &'static str {
    match (error.code(), error.kind()) {
        (Some("WRONGPASS" | "NOAUTH"), _) | (_, Cause::AuthenticationFailed) => {
            "Redis refuses the user or the password"
        }
        (Some("NOPERM"), _) => "Redis does not allow this user to do that",
        (Some("LOADING"), _) => "Redis is still reading what it keeps",
        (Some("READONLY"), _) => "this Redis is not the primary one any more",
        (_, Cause::InvalidClientConfig) => "the configuration of the client is not valid",
        (_, Cause::Parse) => "what answers there is not Redis, or wants TLS: rediss://",
        _ if error.is_connection_refusal() => "nobody answers at its address",
        _ if is_lost(error) => "the connection was lost or could not be made",
        _ if error.is_timeout() => "Redis does not answer in time",
        _ => "Redis refuses the command",
    }
}

/// Whether the connection is of no use any more. After a failover it may lead to what is only a replica now.
pub(crate) fn is_lost(error: &RedisError) -> bool {
    error.code() == Some("READONLY")
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_unrecoverable_error()
}
