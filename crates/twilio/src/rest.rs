//! Twilio's REST API as values: requests to send, and answers read. Nothing is sent from here, and no clock is asked.
//!
//! ```
//! use bytes::Bytes;
//! use std::time::SystemTime;
//! use telephony_core::{CallId, CallStatus, Secret};
//! use telephony_twilio::TwilioConfig;
//! use telephony_twilio::rest::{Requests, call_state, hung_up};
//!
//! let config = TwilioConfig::new("AC0123", Secret::new("the auth token"));
//! let requests = Requests::new(&config)?;
//! let call = CallId::new("CA4567")?;
//!
//! let request = requests.hang_up(&call)?;
//! assert_eq!(request.uri(), "https://api.twilio.com/2010-04-01/Accounts/AC0123/Calls/CA4567.json");
//! assert_eq!(request.body(), "Status=completed");
//!
//! // Any HTTP client may send it. A call that has gone already is hung up, too.
//! let answer = http::Response::builder().status(404).body(Bytes::new()).unwrap();
//! hung_up(&answer, SystemTime::now())?;
//!
//! let answer = http::Response::new(Bytes::from_static(br#"{"sid": "CA4567", "status": "completed"}"#));
//! assert_eq!(call_state(&answer, SystemTime::now())?.status, Some(CallStatus::Completed));
//! # Ok::<(), telephony_core::Error>(())
//! ```
//!
//! # Requests
//! Form-encoded, `.json` at the end of each path (without it the answer is XML), Basic credentials in the `Authorization`
//! header and nowhere else, and only ever to the host that is configured (Twilio docs, SDKs).
//!
//! | operation | request |
//! |---|---|
//! | [`place_call`](Requests::place_call) | `POST Calls.json` |
//! | [`hang_up`](Requests::hang_up), [`cancel`](Requests::cancel) | `POST Calls/{Sid}.json` with `Status=completed`, `Status=canceled` |
//! | [`transfer`](Requests::transfer), [`send_digits`](Requests::send_digits) | `POST Calls/{Sid}.json` with `Twiml` or `Url` |
//! | [`fetch_call`](Requests::fetch_call), [`find_calls`](Requests::find_calls) | `GET Calls/{Sid}.json`, `GET Calls.json` |
//! | [`start_recording`](Requests::start_recording), [`change_recording`](Requests::change_recording) | `POST Calls/{Sid}/Recordings.json`, `…/Recordings/{Sid}.json` |
//! | [`fetch_recording`](Requests::fetch_recording) | `GET Recordings/{Sid}.json` |
//! | [`recording_audio`](Requests::recording_audio), [`recording_audio_at`](Requests::recording_audio_at) | `GET Recordings/{Sid}.wav` or `.mp3` |
//!
//! The `Debug` of a request does not show the credentials, but it does show the URL and the body, which have numbers in
//! them: log neither.
//!
//! # Answers
//! Each operation has the function that reads its answer; all of them make the same [`Error`] of
//! a failure, see [`failure`].

mod body;
mod date;
mod failure;
mod options;
mod place;
mod recording_url;
mod requests;
mod response;

pub(crate) use failure::unanswered;
pub use failure::{failure, is_gone};
pub use options::{
    MachineDetectionOptions, RecordingChannels, RecordingOptions, RecordingTrack, StatusEvent,
    TwilioCallOptions,
};
pub use recording_url::AudioFile;
pub use requests::{Delivery, Directed, RecordingChange, Requests};
pub(crate) use response::may_wait_still;
pub use response::{
    CallPage, CallState, RecordingAudio, RecordingState, accepted, call_page, call_state, hung_up,
    placed_call, recording_audio, recording_state, started_recording,
};

use crate::NAME;
use telephony_core::{Error, ErrorKind};

/// What a request asks for. It decides what a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestOperation {
    /// Placing a call.
    PlaceCall,
    /// Ending a call, or giving it up before it is answered.
    HangUp,
    /// Giving a call another answer.
    Transfer,
    /// Sending keys into a call.
    SendDigits,
    /// Reading what became of a call.
    FetchCall,
    /// Listing calls.
    FindCalls,
    /// Starting a recording.
    StartRecording,
    /// Stopping, pausing or resuming a recording.
    ChangeRecording,
    /// Reading what became of a recording, or its audio.
    FetchRecording,
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
            Self::FindCalls => "find calls",
            Self::StartRecording => "start recording",
            Self::ChangeRecording => "change recording",
            Self::FetchRecording => "fetch recording",
        }
    }

    /// Whether doing it twice is the same as doing it once: reads, and updates that only set a status (Twilio docs on
    /// error 20500). A document that runs again is heard again, so a transfer is not.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        match self {
            Self::HangUp
            | Self::FetchCall
            | Self::FindCalls
            | Self::ChangeRecording
            | Self::FetchRecording => true,
            Self::PlaceCall | Self::Transfer | Self::SendDigits | Self::StartRecording => false,
        }
    }

    pub(crate) fn invalid(self, detail: &str) -> Error {
        Error::new(ErrorKind::InvalidArgument, self.name(), detail).with_provider(NAME)
    }
}
