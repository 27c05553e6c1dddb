//! Plivo's REST API as values: requests to send, and answers read. Nothing is sent from here, and no clock is asked.
//!
//! ```
//! use bytes::Bytes;
//! use telephony_core::{CallId, Secret};
//! use telephony_plivo::PlivoConfig;
//! use telephony_plivo::rest::{Requests, is_gone, hung_up};
//!
//! let config = PlivoConfig::new("MA0123", Secret::new("the auth token"));
//! let requests = Requests::new(&config)?;
//! let call = CallId::new("8fe1c4f1-c1b3-44b3-a2b7-0a2f6d8a9c01")?;
//!
//! let request = requests.hang_up(&call)?;
//! assert_eq!(request.method(), "DELETE");
//! assert_eq!(request.uri(), "https://api.plivo.com/v1/Account/MA0123/Call/8fe1c4f1-c1b3-44b3-a2b7-0a2f6d8a9c01/");
//!
//! // Any HTTP client may send it.
//! let answer = http::Response::builder().status(404).body(Bytes::new()).unwrap();
//! assert!(is_gone(&hung_up(&answer).unwrap_err()));
//! # Ok::<(), telephony_core::Error>(())
//! ```
//!
//! JSON, a slash at the end of each path, Basic credentials in the `Authorization` header and nowhere else, and only ever to
//! the host that is configured (Plivo docs).
//!
//! | operation | request |
//! |---|---|
//! | [`place_call`](Requests::place_call) | `POST Call/` |
//! | [`hang_up`](Requests::hang_up), [`cancel`](Requests::cancel) | `DELETE Call/{uuid}/`, `DELETE Request/{uuid}/` |
//! | [`transfer`](Requests::transfer) | `POST Call/{uuid}/` |
//! | [`send_digits`](Requests::send_digits) | `POST Call/{uuid}/DTMF/` |
//! | [`fetch_call`](Requests::fetch_call) | `GET Call/{uuid}/`, with `?status=live` or `?status=queued` for one that is not over |

mod cause;
mod failure;
mod options;
mod requests;
mod state;

pub(crate) use failure::unanswered;
pub use failure::{failure, is_gone};
pub use options::PlivoCallOptions;
pub use requests::Requests;
pub use state::{Among, CallState, call_state};

use crate::{NAME, PROVIDER};
use bytes::Bytes;
use http::Response;
use serde_json::Value;
use telephony_core::{
    CallId, CallLinks, CallStatus, Error, ErrorKind, Handover, OutboundCall, PlacedCall, Report,
    Result,
};

/// What a request asks for. It decides what a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestOperation {
    /// Placing a call.
    PlaceCall,
    /// Ending a call, or giving it up before it is dialled.
    HangUp,
    /// Having a call ask for another answer.
    Transfer,
    /// Sending keys into a call.
    SendDigits,
    /// Reading what became of a call.
    FetchCall,
}

impl RestOperation {
    /// What is done, as a verb phrase for errors and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PlaceCall => "place call",
            Self::HangUp => "hang up",
            Self::Transfer => "transfer call",
            Self::SendDigits => "send DTMF",
            Self::FetchCall => "fetch call",
        }
    }

    /// Whether doing it twice is the same as doing it once.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        matches!(self, Self::HangUp | Self::FetchCall)
    }

    pub(crate) fn invalid(self, detail: &str) -> Error {
        Error::new(ErrorKind::InvalidArgument, self.name(), detail).with_provider(NAME)
    }
}

/// Reads the answer to [`place_call`](Requests::place_call): `request_uuid` becomes the call's id. The call was taken, and
/// is to ask at our answer URL what to do.
///
/// # Errors
/// As [`failure`]; [`OutcomeUnknown`](telephony_core::Retry::OutcomeUnknown) also for a success that names no call.
pub fn placed_call(
    call: &OutboundCall,
    links: &CallLinks,
    response: &Response<Bytes>,
) -> Result<PlacedCall> {
    accepted(RestOperation::PlaceCall, response)?;
    let body: Option<Value> = serde_json::from_slice(response.body()).ok();
    let named = body.as_ref().and_then(|body| body.get("request_uuid"));
    let id = match named {
        Some(Value::String(id)) => Some(id),
        // For several numbers at once it is a list.
        Some(Value::Array(ids)) => match ids.as_slice() {
            [Value::String(id)] => Some(id),
            _ => None,
        },
        _ => None,
    };
    let Some(id) = id.and_then(|id| CallId::new(id.as_str()).ok()) else {
        return Err(failure::unreadable(RestOperation::PlaceCall, response));
    };
    let status = CallStatus::Queued;
    let payload = response.body().clone();
    let report = Report::placed(&PROVIDER, &call.from, &call.to, &id, status, payload);
    let key = links.call_key().clone();
    Ok(PlacedCall::new(key, id, status, report).with_handover(Handover::Asks))
}

/// Reads the answer to [`hang_up`](Requests::hang_up) and [`cancel`](Requests::cancel).
///
/// # Errors
/// As [`failure`]; [`is_gone`] tells whether there is nothing left to end.
pub fn hung_up(response: &Response<Bytes>) -> Result<()> {
    accepted(RestOperation::HangUp, response)
}

/// Reads the answer to a request of which only the success matters.
///
/// # Errors
/// As [`failure`].
pub fn accepted(operation: RestOperation, response: &Response<Bytes>) -> Result<()> {
    match response.status().is_success() {
        true => Ok(()),
        false => Err(failure(operation, response)),
    }
}
