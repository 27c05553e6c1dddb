//! Why a call ended, as Plivo's records tell it, and which status that is.
//!
//! <https://www.plivo.com/docs/voice/troubleshooting/hangup-causes>

use telephony_core::CallStatus;

/// The status of a call that is over and was never answered, by the code and the name of its cause. The code decides; the
/// names are for records without one, and may be written as codes of other systems are (`NO_ANSWER`, `USER_BUSY`). A cause
/// that we do not know is a failure.
pub(super) fn status_of_unanswered(code: Option<u64>, name: Option<&str>) -> CallStatus {
    let by_code = code.and_then(status_of_code);
    let by_name = || name.and_then(status_of_name);
    by_code.or_else(by_name).unwrap_or(CallStatus::Failed)
}

/// The codes that Plivo documents. [`None`] for 0, `Unknown`, and for those that are not documented.
fn status_of_code(code: u64) -> Option<CallStatus> {
    Some(match code {
        // Canceled; Lost Race: somebody else answered first.
        1000 | 9000 => CallStatus::Canceled,
        // No Answer; Ring Timeout Reached.
        3000 | 6010 => CallStatus::NoAnswer,
        // Busy Line; Rejected by whom was called; Busy everywhere; Declined.
        3010 | 3020 | 3100 | 3110 => CallStatus::Busy,
        // Normal ends, the time limit, silence on the line; Machine Detected, Confirm Key Challenge Failed.
        4000..=4999 | 6000 | 6020 | 9100 | 9110 => CallStatus::Completed,
        // The account cannot; the destination is none; the network, the carrier, a URL or its XML failed.
        1001..=1999 | 2000..=2999 | 3001..=3999 | 5000..=5999 | 7000..=8999 => CallStatus::Failed,
        _ => return None,
    })
}

fn status_of_name(name: &str) -> Option<CallStatus> {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    let name: String = letters
        .map(|letter| char::from(letter.to_ascii_lowercase()))
        .collect();
    Some(match name.as_str() {
        "canceled" | "cancelled" | "cancel" | "lostrace" | "originatorcancel" => {
            CallStatus::Canceled
        }
        "noanswer" | "ringtimeoutreached" | "nouserresponse" => CallStatus::NoAnswer,
        "busyline" | "rejected" | "busyeverywhere" | "declined" | "userbusy" | "callrejected" => {
            CallStatus::Busy
        }
        "normalhangup"
        | "endofxmlinstructions"
        | "multipartycallended"
        | "kickedoutofmultipartycall"
        | "scheduledhangup"
        | "mediatimeout"
        | "machinedetected"
        | "confirmkeychallengefailed"
        | "normalclearing" => CallStatus::Completed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use CallStatus::{Busy, Canceled, Completed, Failed, NoAnswer};

    /// Plivo's list of causes, whole.
    const LISTED: &[(u64, &str, CallStatus)] = &[
        (0, "Unknown", Failed),
        (1000, "Canceled", Canceled),
        (1010, "Canceled (Out Of Credits)", Failed),
        (1020, "Canceled (Simultaneous dial limit reached)", Failed),
        (2000, "Invalid Destination Address", Failed),
        (2010, "Destination Out Of Service", Failed),
        (2020, "Endpoint Not Registered", Failed),
        (2030, "Destination Country Barred", Failed),
        (2040, "Destination Number Barred", Failed),
        (2050, "Destination Prefix Barred", Failed),
        (2060, "Loop Detected", Failed),
        (2070, "Violates Media Anchoring", Failed),
        (3000, "No Answer", NoAnswer),
        (3010, "Busy Line", Busy),
        (3020, "Rejected", Busy),
        (3030, "Unknown Caller ID", Failed),
        (3040, "Forbidden", Failed),
        (3050, "Unallocated number", Failed),
        (3070, "Request timeout", Failed),
        (3080, "Internal server error from carrier", Failed),
        (3090, "Network congestion from carrier", Failed),
        (3100, "Busy everywhere", Busy),
        (3110, "Declined", Busy),
        (3120, "User does not exist anywhere", Failed),
        (3130, "Spam block", Failed),
        (3140, "DNO Caller ID", Failed),
        (4000, "Normal Hangup", Completed),
        (4010, "End Of XML Instructions", Completed),
        (4020, "Multiparty Call Ended", Completed),
        (4030, "Kicked Out Of Multiparty Call", Completed),
        (5000, "Network Error", Failed),
        (5010, "Internal Error", Failed),
        (5020, "Routing Error", Failed),
        (6000, "Scheduled Hangup", Completed),
        (6010, "Ring Timeout Reached", NoAnswer),
        (6020, "Media Timeout", Completed),
        (7011, "Error Reaching Answer URL", Failed),
        (7024, "Invalid Redirect URL", Failed),
        (7034, "Invalid Method For Redirect URL", Failed),
        (8011, "Invalid Answer XML", Failed),
        (8014, "Invalid Redirect XML", Failed),
        (9000, "Lost Race", Canceled),
        (9100, "Machine Detected", Completed),
        (9110, "Confirm Key Challenge Failed", Completed),
    ];

    #[test]
    fn every_cause_has_its_status_by_code_and_by_name() {
        for (code, name, status) in LISTED {
            assert_eq!(status_of_unanswered(Some(*code), None), *status, "{code}");
            assert_eq!(status_of_unanswered(None, Some(name)), *status, "{name}");
            assert_eq!(
                status_of_unanswered(Some(*code), Some(name)),
                *status,
                "{code} {name}"
            );
        }
    }

    #[test]
    fn the_code_decides_and_names_may_be_written_in_other_ways() {
        for (code, name, status) in [
            (Some(3010), Some("Normal Hangup"), Busy),
            (Some(0), Some("No Answer"), NoAnswer),
            (Some(12), Some("busy line"), Busy),
            (None, Some("normal_hangup"), Completed),
            (None, Some("Cancelled"), Canceled),
            (None, Some("USER_BUSY"), Busy),
            (None, Some("ORIGINATOR_CANCEL"), Canceled),
            (None, Some("a new cause"), Failed),
            (None, None, Failed),
            (Some(u64::MAX), None, Failed),
        ] {
            assert_eq!(
                status_of_unanswered(code, name),
                status,
                "{code:?} {name:?}"
            );
        }
    }
}
