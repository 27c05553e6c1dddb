//! What came of a simulated call.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::{Serialize, Serializer};

use crate::complaint::{Complaint, Severity};
use crate::document::Document;
use crate::trace::TraceEntry;

/// Everything that the carrier and the caller saw of a call.
///
/// Times between two events (latencies, time to first audio, interruption) are wall time; lengths of audio are call
/// time. At the real speed they are the same. `Debug` shows no numbers, URLs or texts.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// Name of the carrier's persona.
    pub carrier: String,
    /// The carrier's id of the call.
    pub call_id: String,
    /// Whether the app took the call.
    pub answered: bool,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// The call's final status in the carrier's words.
    pub status: String,
    /// How long it took, from the first webhook to the end (wall time).
    #[serde(rename = "duration_ms", serialize_with = "as_millis")]
    pub duration: Duration,
    /// Requests that steer the call (answer, gather, dial …), in order.
    pub webhooks: Vec<WebhookAnswer>,
    /// Status callbacks and events that were sent, with what the app replied.
    pub callbacks: Vec<WebhookAnswer>,
    /// Documents that the app answered with.
    pub documents: Vec<Document>,
    /// The media streams of the call, in order.
    pub streams: Vec<StreamSummary>,
    /// What the caller heard, at [`heard_rate`](Self::heard_rate): signed 16-bit mono, with silence where nothing
    /// was played. At most ten minutes.
    #[serde(skip)]
    pub heard: Vec<i16>,
    /// Samples per second of [`heard`](Self::heard); 0 when there was no stream.
    pub heard_rate: u32,
    /// From when the caller began to interrupt until the carrier had nothing left to play. `None` when nobody
    /// interrupted, or the app talked on to the end.
    pub interruption: Option<Interrupted>,
    /// Keys that the caller pressed.
    pub keys_pressed: usize,
    /// Key tones that the person on the phone heard, because the app had the carrier send them.
    pub tones_heard: String,
    /// What the carrier has to say.
    pub complaints: Vec<Complaint>,
    /// Every message, both ways.
    #[serde(skip)]
    pub trace: Vec<TraceEntry>,
}

/// One media stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StreamSummary {
    /// From the document that asked for the stream to the finished handshake (wall time).
    #[serde(rename = "opened_after_ms", serialize_with = "as_millis")]
    pub opened_after: Duration,
    /// From the finished handshake to the first audio message of the app, silence included (wall time).
    #[serde(rename = "first_audio_ms", serialize_with = "as_maybe_millis")]
    pub first_audio: Option<Duration>,
    /// From the finished handshake until the caller could hear something (wall time).
    #[serde(rename = "first_sound_ms", serialize_with = "as_maybe_millis")]
    pub first_sound: Option<Duration>,
    /// Carrier to app.
    pub to_app: Traffic,
    /// App to carrier.
    pub from_app: Traffic,
    /// Audio of the app that was played to the caller.
    #[serde(rename = "played_ms", serialize_with = "as_millis")]
    pub played: Duration,
    /// Audio of the app that a clear threw away.
    #[serde(rename = "cleared_ms", serialize_with = "as_millis")]
    pub cleared: Duration,
    /// Audio that was still waiting when the stream ended.
    #[serde(rename = "unplayed_ms", serialize_with = "as_millis")]
    pub unplayed: Duration,
    /// Audio that the carrier threw away because its buffer was full.
    #[serde(rename = "overflowed_ms", serialize_with = "as_millis")]
    pub overflowed: Duration,
    /// How often the app's audio ran dry and went on within a second, with neither a mark nor a clear between.
    pub gaps: usize,
    /// How long those gaps were together.
    #[serde(rename = "gap_time_ms", serialize_with = "as_millis")]
    pub gap_time: Duration,
    /// Audio messages of the app that came more than 20 ms after everything before them was over, and less than a second.
    pub late_frames: usize,
    /// From the beginning of each utterance of the caller to which nobody was talking until the caller heard something
    /// (wall time, in ticks of 20 ms of call time).
    #[serde(rename = "replies_ms", serialize_with = "as_many_millis")]
    pub replies: Vec<Duration>,
    /// How late the simulator itself was at worst (wall time): where this is large, the machine is too busy, and the
    /// other times say little about the app.
    #[serde(rename = "carrier_lag_ms", serialize_with = "as_millis")]
    pub carrier_lag: Duration,
    /// Clears that the app sent.
    pub clears: usize,
    /// Marks that were returned because their audio had been played.
    pub marks_played: usize,
    /// Marks that were returned because of a clear.
    pub marks_cleared: usize,
    /// Keys that were sent to the app.
    pub keys: usize,
    /// Whether the app closed the socket, with which code; `None` when the carrier closed it.
    pub closed_by_app: Option<u16>,
}

/// Messages and audio in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages with audio.
    pub frames: usize,
    /// All messages.
    pub messages: usize,
    /// Bytes of all messages, as on the socket without WebSocket headers.
    pub bytes: usize,
}

/// How an interruption went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Interrupted {
    /// From the caller's first sound (or key) until silence (wall time).
    #[serde(rename = "after_ms", serialize_with = "as_millis")]
    pub after: Duration,
    /// `true`: the app cleared. `false`: it had simply said everything.
    pub by_clear: bool,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EndedBy {
    /// The caller hung up.
    Caller,
    /// The person whom the app had called hung up.
    Callee,
    /// The app closed its media socket and nothing was left to do, or it hung up through the carrier's REST API.
    App,
    /// The carrier gave up: a bad answer, a deadline.
    Carrier,
    /// The document came to its end, or told the carrier to hang up or to refuse.
    Document,
}

/// One webhook and what the app replied.
///
/// `Debug` does not show the URL.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WebhookAnswer {
    /// What the webhook was for, such as `"answer"`, `"gather"`, `"status completed"`.
    pub purpose: String,
    /// Method.
    pub method: String,
    /// Where it was sent, as the carrier knows it.
    pub url: String,
    /// HTTP status of the reply; `None` when there was none.
    #[serde(serialize_with = "as_number")]
    pub status: Option<StatusCode>,
    /// Content type of the reply.
    pub content_type: Option<String>,
    /// From the request to the end of the reply (wall time).
    #[serde(rename = "latency_ms", serialize_with = "as_millis")]
    pub latency: Duration,
    /// Why there was no reply.
    pub failure: Option<String>,
}

impl EndedBy {
    /// Whether it was the person on the phone, whoever had called whom.
    pub fn is_person(self) -> bool {
        matches!(self, Self::Caller | Self::Callee)
    }
}

impl Outcome {
    /// Whether the carrier has no complaint of severity error.
    pub fn ok(&self) -> bool {
        self.errors().next().is_none()
    }

    /// The complaints of severity error.
    pub fn errors(&self) -> impl Iterator<Item = &Complaint> {
        self.complaints
            .iter()
            .filter(|complaint| complaint.severity == Severity::Error)
    }

    /// The complaints with this code.
    pub fn complaints_about<'a>(&'a self, code: &'a str) -> impl Iterator<Item = &'a Complaint> {
        self.complaints
            .iter()
            .filter(move |complaint| complaint.code == code)
    }

    /// The first media stream, which for most calls is the only one.
    pub fn stream(&self) -> Option<&StreamSummary> {
        self.streams.first()
    }

    /// The trace as JSON lines.
    pub fn trace_lines(&self) -> String {
        self.trace
            .iter()
            .map(|entry| entry.json_line() + "\n")
            .collect()
    }

    /// What the caller heard, as a WAV file.
    ///
    /// # Errors
    /// When the file cannot be written, or nothing was heard because there was no stream.
    pub fn write_heard(&self, path: impl AsRef<std::path::Path>) -> Result<(), hound::Error> {
        if self.heard_rate == 0 {
            return Err(hound::Error::FormatError("there was no media stream"));
        }
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: self.heard_rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec)?;
        for sample in &self.heard {
            writer.write_sample(*sample)?;
        }
        writer.finalize()
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome")
            .field("carrier", &self.carrier)
            .field("answered", &self.answered)
            .field("ended_by", &self.ended_by)
            .field("status", &self.status)
            .field("duration", &self.duration)
            .field("webhooks", &self.webhooks)
            .field("callbacks", &self.callbacks)
            .field("documents", &self.documents)
            .field("streams", &self.streams)
            .field("heard_samples", &self.heard.len())
            .field("heard_rate", &self.heard_rate)
            .field("interruption", &self.interruption)
            .field("keys_pressed", &self.keys_pressed)
            .field("tones_heard", &self.tones_heard.len())
            .field("complaints", &self.complaints)
            .field("trace_entries", &self.trace.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookAnswer")
            .field("purpose", &self.purpose)
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("latency", &self.latency)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

pub(crate) fn as_millis<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e3)
}

fn as_maybe_millis<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => as_millis(duration, serializer),
        None => serializer.serialize_none(),
    }
}

fn as_many_millis<S: Serializer>(durations: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        durations
            .iter()
            .map(|duration| (duration.as_secs_f64() * 1e6).round() / 1e3),
    )
}

fn as_number<S: Serializer>(status: &Option<StatusCode>, serializer: S) -> Result<S::Ok, S::Error> {
    match status {
        Some(status) => serializer.serialize_u16(status.as_u16()),
        None => serializer.serialize_none(),
    }
}
