//! Which of Twilio's requests this is. They do not say; their fields do.

use super::fields::Fields;
use telephony_core::WebhookKind;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callback {
    /// Our answer could not be used: the fallback URL is asked.
    Fallback,
    /// A text of a recording or of the live call.
    Transcription,
    /// A recording began, ended or is absent.
    Recording,
    /// The media stream began, ended or failed.
    Stream,
    /// What was understood so far in a gather.
    PartialResult,
    /// Who answered, found out while the call goes on.
    MachineDetection,
    /// A status callback.
    Progress,
    /// The `action` of a gather.
    Gathered,
    /// The `action` of a dial.
    Dialled,
    /// The `action` of a record.
    Recorded,
    /// The `action` of a connect with a stream.
    StreamEnded,
    /// The `action` of a connect with a conversation relay.
    RelayEnded,
    /// The `action` of an enqueue.
    Dequeued,
    /// The other side of a dial asks to be transferred.
    Refer,
    /// The standard parameters and nothing else: a call that comes in, a redirect, or a status callback without marks.
    Plain,
}

impl Callback {
    pub(super) fn of(kind: WebhookKind, fields: &Fields) -> Self {
        let has = |name: &str| fields.get(name).is_some();
        let any = |names: &[&str]| names.iter().any(|name| has(name));
        if has("ErrorUrl") {
            Self::Fallback
        } else if kind == WebhookKind::IncomingCall {
            // A client of the voice SDK adds parameters of its own to this one.
            Self::Plain
        } else if any(&[
            "TranscriptionSid",
            "TranscriptionStatus",
            "TranscriptionEvent",
        ]) {
            Self::Transcription
        } else if has("RecordingStatus") {
            Self::Recording
        } else if has("StreamEvent") {
            Self::Stream
        } else if fields.has("StableSpeechResult") || fields.has("UnstableSpeechResult") {
            Self::PartialResult
        } else if any(&["CallbackSource", "CallDuration", "SequenceNumber"]) {
            Self::Progress
        } else if has("DialCallStatus") {
            Self::Dialled
        } else if has("RecordingUrl") {
            Self::Recorded
        } else if any(&["SessionStatus", "HandoffData"]) {
            Self::RelayEnded
        } else if has("QueueResult") {
            Self::Dequeued
        } else if has("ReferTransferTarget") {
            Self::Refer
        } else if is_gather(fields) {
            Self::Gathered
        } else if fields.after() == Some("stream") || has("StreamSid") {
            Self::StreamEnded
        } else if has("AnsweredBy") && !has("CallStatus") {
            Self::MachineDetection
        } else {
            Self::Plain
        }
    }

    /// Whether Twilio reads TwiML from what goes back.
    pub(super) fn takes_answer(self, kind: WebhookKind) -> bool {
        match self {
            Self::Fallback
            | Self::Gathered
            | Self::Dialled
            | Self::Recorded
            | Self::StreamEnded
            | Self::RelayEnded
            | Self::Dequeued
            | Self::Refer => true,
            Self::Transcription
            | Self::Recording
            | Self::Stream
            | Self::PartialResult
            | Self::MachineDetection
            | Self::Progress => false,
            Self::Plain => matches!(kind, WebhookKind::IncomingCall | WebhookKind::NextStep),
        }
    }
}

/// An empty gather may come without any field of its own; our own `action` URL tells then.
fn is_gather(fields: &Fields) -> bool {
    fields.after() == Some("gather")
        || fields.has("Digits")
        || fields.has("SpeechResult")
        || fields.get("msg") == Some("Gather End")
}
