//! Answers that are a success.

use super::body::Fields;
use super::failure::{failure, is_gone, unreadable};
use super::{RestOperation, date};
use crate::PROVIDER;
use crate::webhook::direction;
use crate::webhook::events::{answered_by, short};
use bytes::Bytes;
use http::{Response, header};
use serde_json::Value;
use std::fmt;
use std::time::{Duration, SystemTime};
use telephony_core::{
    AnsweredBy, CallId, CallLinks, CallStatus, Direction, ErrorKind, OutboundCall, Party,
    PlacedCall, RecordingId, Report, Result,
};

/// Dates are in whole seconds.
const RESOLUTION: Duration = Duration::from_secs(1);

/// Reads the answer to [`place_call`](super::Requests::place_call). The call was taken; whatever the answer says, it was
/// not answered yet.
///
/// # Errors
/// As [`failure`]; [`OutcomeUnknown`](telephony_core::Retry::OutcomeUnknown) also for a success that names no call.
pub fn placed_call(
    call: &OutboundCall,
    links: &CallLinks,
    response: &Response<Bytes>,
    now: SystemTime,
) -> Result<PlacedCall> {
    let fields = success(RestOperation::PlaceCall, response, now)?;
    let id = fields.text("sid").and_then(|sid| CallId::new(sid).ok());
    let Some(id) = id else {
        let what = "the answer names no call";
        return Err(unreadable(RestOperation::PlaceCall, response, what));
    };
    let status = match fields.text("status").map(|word| word.parse()) {
        None | Some(Err(_) | Ok(CallStatus::Queued)) => CallStatus::Queued,
        Some(Ok(_)) => CallStatus::Initiated,
    };
    let payload = response.body().clone();
    let report = Report::placed(&PROVIDER, &call.from, &call.to, &id, status, payload);
    let key = links.call_key().clone();
    Ok(PlacedCall::new(key, id, status, report))
}

/// Reads the answer to [`hang_up`](super::Requests::hang_up) and [`cancel`](super::Requests::cancel). A call that has gone
/// is hung up.
///
/// # Errors
/// As [`failure`].
pub fn hung_up(response: &Response<Bytes>, now: SystemTime) -> Result<()> {
    match accepted(RestOperation::HangUp, response, now) {
        Err(error) if is_gone(&error) => Ok(()),
        result => result,
    }
}

/// Reads the answer to [`hang_up`](super::Requests::hang_up) more closely: whether the call may be waiting to be dialled
/// still. Twilio documents that `completed` ends calls that ring or are up, and only `canceled` one that waits; and it says
/// of one that waits, as of one that is over, that it is not in progress (21220).
///
/// # Errors
/// As [`failure`], but not for a call that has gone.
pub(crate) fn may_wait_still(response: &Response<Bytes>, now: SystemTime) -> Result<bool> {
    match success(RestOperation::HangUp, response, now) {
        Ok(fields) => {
            let status = fields.text("status").and_then(|word| word.parse().ok());
            Ok(matches!(
                status,
                Some(CallStatus::Queued | CallStatus::Initiated)
            ))
        }
        Err(error) if error.kind() == ErrorKind::Closed => Ok(true),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads the answer to what is only accepted: a transfer, keys, a change of a recording.
///
/// # Errors
/// As [`failure`].
pub fn accepted(
    operation: RestOperation,
    response: &Response<Bytes>,
    now: SystemTime,
) -> Result<()> {
    if response.status().is_success() {
        Ok(())
    } else {
        Err(failure(operation, response, now))
    }
}

/// Reads the answer to [`start_recording`](super::Requests::start_recording): the id of the recording.
///
/// # Errors
/// As [`failure`]; [`OutcomeUnknown`](telephony_core::Retry::OutcomeUnknown) also for a success that names no recording.
pub fn started_recording(response: &Response<Bytes>, now: SystemTime) -> Result<RecordingId> {
    let operation = RestOperation::StartRecording;
    let fields = success(operation, response, now)?;
    fields
        .text("sid")
        .and_then(|sid| RecordingId::new(sid).ok())
        .ok_or_else(|| unreadable(operation, response, "the answer names no recording"))
}

/// Reads the answer to [`fetch_call`](super::Requests::fetch_call), and that to every update of a call.
///
/// # Errors
/// As [`failure`]; [`Carrier`](telephony_core::ErrorKind::Carrier) for a success that names no call.
pub fn call_state(response: &Response<Bytes>, now: SystemTime) -> Result<CallState> {
    let operation = RestOperation::FetchCall;
    let fields = success(operation, response, now)?;
    CallState::read(&fields, response.body().clone())
        .ok_or_else(|| unreadable(operation, response, "the answer names no call"))
}

/// Reads the answer to [`find_calls`](super::Requests::find_calls) and [`next_calls`](super::Requests::next_calls). Calls
/// without an id are left out.
///
/// # Errors
/// As [`failure`]; [`Carrier`](telephony_core::ErrorKind::Carrier) for a success that is no list.
pub fn call_page(response: &Response<Bytes>, now: SystemTime) -> Result<CallPage> {
    let operation = RestOperation::FindCalls;
    let fields = success(operation, response, now)?;
    let Some(list) = fields.list("calls") else {
        return Err(unreadable(
            operation,
            response,
            "the answer has no list of calls",
        ));
    };
    let read = |value: &Value| CallState::read(&Fields::of(value)?, value.to_string().into());
    Ok(CallPage {
        calls: list.iter().filter_map(read).collect(),
        next: fields.text("next_page_uri"),
    })
}

/// Reads the answer to [`fetch_recording`](super::Requests::fetch_recording).
///
/// # Errors
/// As [`failure`]; [`Carrier`](telephony_core::ErrorKind::Carrier) for a success that names no recording.
pub fn recording_state(response: &Response<Bytes>, now: SystemTime) -> Result<RecordingState> {
    let operation = RestOperation::FetchRecording;
    let fields = success(operation, response, now)?;
    let Some(id) = fields.text("sid") else {
        return Err(unreadable(
            operation,
            response,
            "the answer names no recording",
        ));
    };
    Ok(RecordingState {
        id,
        call: fields
            .text("call_sid")
            .and_then(|sid| CallId::new(sid).ok()),
        word: fields
            .text("status")
            .map(|word| short(&word))
            .unwrap_or_default(),
        duration: seconds(&fields, "duration"),
        channels: fields.parsed("channels"),
        error_code: fields.text("error_code").map(|code| short(&code)),
        url: fields.text("media_url"),
        raw: response.body().clone(),
    })
}

/// Reads the answer to [`recording_audio`](super::Requests::recording_audio) and
/// [`recording_audio_at`](super::Requests::recording_audio_at).
///
/// # Errors
/// As [`failure`]: [`NotFound`](telephony_core::ErrorKind::NotFound) with [`Safe`](telephony_core::Retry::Safe) while the
/// recording is not ready; [`Carrier`](telephony_core::ErrorKind::Carrier) for a success that is no audio.
pub fn recording_audio(response: &Response<Bytes>, now: SystemTime) -> Result<RecordingAudio> {
    let operation = RestOperation::FetchRecording;
    accepted(operation, response, now)?;
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or("application/octet-stream").trim();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_audio = media_type
        .get(..6)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("audio/"))
        || media_type.eq_ignore_ascii_case("application/octet-stream");
    if !is_audio || response.body().is_empty() {
        return Err(unreadable(operation, response, "the answer is no audio"));
    }
    Ok(RecordingAudio {
        content_type: content_type.to_owned(),
        audio: response.body().clone(),
    })
}

fn success(
    operation: RestOperation,
    response: &Response<Bytes>,
    now: SystemTime,
) -> Result<Fields> {
    accepted(operation, response, now)?;
    Ok(Fields::read(response.body()).unwrap_or_default())
}

/// A call, as the API shows it. `Debug` shows no numbers.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct CallState {
    /// Its id.
    pub id: CallId,
    /// Where it is, if Twilio's word is known.
    pub status: Option<CallStatus>,
    /// Twilio's word for it; empty if there is none.
    pub word: String,
    /// Who called. `outbound-api` and `outbound-dial` are outbound.
    pub direction: Option<Direction>,
    /// Who calls.
    pub from: Option<Party>,
    /// Who is called.
    pub to: Option<Party>,
    /// The call that this one was dialled from.
    pub parent: Option<CallId>,
    /// Who answered, where machines are detected. It may be coarser and later than in callbacks.
    pub answered_by: Option<AnsweredBy>,
    /// How long it was up, once it is over.
    pub duration: Option<Duration>,
    /// How long it is thought to wait before it is dialled.
    pub queue_time: Option<Duration>,
    /// When it was created, to the second.
    pub created_at: Option<SystemTime>,
    /// When it was dialled, to the second.
    pub started_at: Option<SystemTime>,
    /// When it ended, to the second.
    pub ended_at: Option<SystemTime>,
    /// All that Twilio said.
    pub raw: Bytes,
}

impl CallState {
    fn read(fields: &Fields, raw: Bytes) -> Option<Self> {
        let time = |name: &str| date::parse(&fields.text(name)?);
        let party = |name: &str| Some(Party::parse(&fields.text(name)?));
        let word = fields.text("status");
        Some(Self {
            id: CallId::new(fields.text("sid")?).ok()?,
            status: word.as_ref().and_then(|word| word.parse().ok()),
            word: word.map(|word| short(&word)).unwrap_or_default(),
            direction: fields.text("direction").map(|word| direction(&word)),
            from: party("from"),
            to: party("to"),
            parent: fields
                .text("parent_call_sid")
                .and_then(|sid| CallId::new(sid).ok()),
            answered_by: fields.text("answered_by").map(|word| answered_by(&word)),
            duration: seconds(fields, "duration"),
            queue_time: fields.parsed("queue_time").map(Duration::from_millis),
            created_at: time("date_created"),
            started_at: time("start_time"),
            ended_at: time("end_time"),
            raw,
        })
    }
}

impl fmt::Debug for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallState")
            .field("id", &self.id)
            .field("word", &self.word)
            .field("direction", &self.direction)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("parent", &self.parent)
            .field("answered_by", &self.answered_by)
            .field("duration", &self.duration)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

/// Some calls of a list, the latest first.
#[derive(Clone, PartialEq)]
pub struct CallPage {
    calls: Vec<CallState>,
    next: Option<String>,
}

/// Where the next page is has the numbers in it that were asked for.
impl fmt::Debug for CallPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallPage")
            .field("calls", &self.calls)
            .field("next", &self.next.is_some())
            .finish()
    }
}

impl CallPage {
    /// The calls.
    #[must_use]
    pub fn calls(&self) -> &[CallState] {
        &self.calls
    }

    /// Those that the API placed at that time or later: candidates for a creation whose outcome is not known. The clocks
    /// differ: give a time some seconds before the request.
    pub fn placed_since(&self, time: SystemTime) -> impl Iterator<Item = &CallState> {
        self.calls.iter().filter(move |call| {
            call.direction != Some(Direction::Inbound)
                && call.parent.is_none()
                && !is_before(call, time)
        })
    }

    /// Whether earlier pages only have calls from before that time, so that there is no need to ask for them.
    #[must_use]
    pub fn reaches_back_to(&self, time: SystemTime) -> bool {
        self.next.is_none() || self.calls.last().is_some_and(|call| is_before(call, time))
    }

    pub(super) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

/// Whether the call was surely created before that time.
fn is_before(call: &CallState, time: SystemTime) -> bool {
    call.created_at
        .is_some_and(|created| created + RESOLUTION <= time)
}

/// A recording, as the API shows it. `Debug` does not show where it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingState {
    /// Its id.
    pub id: String,
    /// The call that was recorded.
    pub call: Option<CallId>,
    /// Twilio's word for where it is: `in-progress`, `paused`, `stopped`, `processing`, `completed`, `absent`, `deleted`.
    pub word: String,
    /// How long it is.
    pub duration: Option<Duration>,
    /// How many channels it has.
    pub channels: Option<u8>,
    /// Why there is none.
    pub error_code: Option<String>,
    /// Where its audio is: for [`recording_audio_at`](super::Requests::recording_audio_at).
    pub url: Option<String>,
    /// All that Twilio said.
    pub raw: Bytes,
}

impl RecordingState {
    /// Whether its audio can be fetched.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.word.eq_ignore_ascii_case("completed")
    }
}

impl fmt::Debug for RecordingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingState")
            .field("id", &self.id)
            .field("call", &self.call)
            .field("word", &self.word)
            .field("duration", &self.duration)
            .field("channels", &self.channels)
            .field("error_code", &self.error_code)
            .finish_non_exhaustive()
    }
}

/// The audio of a recording. `Debug` shows its size only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordingAudio {
    /// Its media type: `audio/x-wav`, `audio/mpeg`.
    pub content_type: String,
    /// The file.
    pub audio: Bytes,
}

impl fmt::Debug for RecordingAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RecordingAudio({}, {} bytes)",
            self.content_type,
            self.audio.len()
        )
    }
}

fn seconds(fields: &Fields, name: &str) -> Option<Duration> {
    fields.parsed(name).map(Duration::from_secs)
}
