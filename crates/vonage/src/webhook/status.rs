//! Vonage's words for the state of a leg.

use telephony_core::CallStatus;

/// The status that a word means, if it is one; the table is in the docs of the crate.
pub(crate) fn status_of(word: &str, detail: Option<&str>) -> Option<CallStatus> {
    Some(match word {
        "started" => CallStatus::Initiated,
        "ringing" => CallStatus::Ringing,
        "answered" => CallStatus::InProgress,
        "completed" => CallStatus::Completed,
        "busy" => CallStatus::Busy,
        "cancelled" => CallStatus::Canceled,
        "unanswered" | "timeout" => CallStatus::NoAnswer,
        "rejected" if detail == Some("declined") => CallStatus::Busy,
        "rejected" | "failed" => CallStatus::Failed,
        _ => return None,
    })
}

/// Whether the word says that a leg that we asked for did not come up. With `eventType: "synchronous"` these may be answered.
pub(super) fn is_dial_failure(word: &str) -> bool {
    matches!(
        word,
        "timeout" | "failed" | "rejected" | "unanswered" | "busy"
    )
}
