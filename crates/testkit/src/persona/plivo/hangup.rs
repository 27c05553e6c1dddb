//! What ended a call.
//!
//! <https://www.plivo.com/docs/voice/troubleshooting/hangup-causes>

use serde_json::{Value, json};

use crate::engine::CallDirection;
use crate::outcome::EndedBy;

/// What a call that is over keeps of its end.
pub(crate) const HANGUP: &str = "hangup";

/// The code of a cause by its name.
pub(crate) fn code_of(cause: &str) -> u32 {
    match cause {
        "Canceled" => 1000,
        "Invalid Destination Address" => 2000,
        "Loop Detected" => 2060,
        "Busy Line" => 3010,
        "Rejected" => 3020,
        "Normal Hangup" => 4000,
        "End Of XML Instructions" => 4010,
        "Ring Timeout Reached" => 6010,
        "Error Reaching Answer URL" => 7011,
        "Error Reaching Redirect URL" => 7014,
        // `Unknown`
        _ => 0,
    }
}

/// Who hung up, in Plivo's words.
pub(crate) fn source_of(by: EndedBy, direction: CallDirection) -> &'static str {
    match (by, direction) {
        (EndedBy::Caller, CallDirection::Outbound) | (EndedBy::Callee, _) => "Callee",
        (EndedBy::Caller, CallDirection::Inbound) => "Caller",
        (EndedBy::App, _) => "API Request",
        (EndedBy::Document, _) => "Answer XML",
        _ => "Plivo",
    }
}

/// The end as the call keeps it.
pub(crate) fn note(cause: &str, source: &str) -> Value {
    json!({"code": code_of(cause), "name": cause, "source": source})
}
