//! Steering a live call, and fetching what is known of it.

use super::call_state::CallFilter;
use super::host::Origin;
use super::place::{check_keys, read_raw};
use super::{ApplicationToken, RestOperation, VoiceApi, bare, invalid, with_json};
use crate::answer;
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Method, Request};
use serde::Serialize;
use serde_json::value::RawValue;
use telephony_core::{Answer, CallId, CallLinks, Result, Step};

impl VoiceApi {
    /// Ends a call (`PUT /v1/calls/{uuid}`). Read the response with [`hung_up`](super::hung_up).
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) if this cannot be the id of a call.
    pub fn hang_up(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        self.action(RestOperation::HangUp, token, call)
    }

    /// Lets the others not hear this leg.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn mute(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        self.action(RestOperation::Mute, token, call)
    }

    /// Lets the others hear this leg again.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn unmute(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        self.action(RestOperation::Unmute, token, call)
    }

    /// Lets this leg not hear the others.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn earmuff(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        self.action(RestOperation::Earmuff, token, call)
    }

    /// Lets this leg hear the others again.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn unearmuff(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        self.action(RestOperation::Unearmuff, token, call)
    }

    fn action(
        &self,
        operation: RestOperation,
        token: &ApplicationToken,
        call: &CallId,
    ) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        struct Body {
            action: &'static str,
        }
        let action = match operation {
            RestOperation::Mute => "mute",
            RestOperation::Unmute => "unmute",
            RestOperation::Earmuff => "earmuff",
            RestOperation::Unearmuff => "unearmuff",
            _ => "hangup",
        };
        let target = self.call_url(operation.name(), call, "")?;
        with_json(target, Method::PUT, token, &Body { action })
    }

    /// Runs this answer in the place of what runs now (`transfer` with an NCCO). Taken is not done: the events tell.
    ///
    /// # Errors
    /// What the answer's errors are; [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) if the answer only
    /// hangs up.
    pub fn transfer(
        &self,
        token: &ApplicationToken,
        call: &CallId,
        answer: &Answer,
        links: &CallLinks,
    ) -> Result<Request<Bytes>> {
        let name = RestOperation::Transfer.name();
        if matches!(answer.steps(), [Step::HangUp]) {
            let detail =
                "the answer does nothing but hang up, which is no transfer: hang the call up";
            return Err(invalid(name, detail));
        }
        let destination = Destination {
            kind: "ncco",
            url: None,
            ncco: Some(read_raw(&self.written(answer, links)?)?),
        };
        self.transfer_to(token, call, destination)
    }

    /// Runs the NCCO that Vonage fetches from this URL. It does so by GET, which the answer URL of this library does not
    /// take by default; an answer that [asks us](Answer::redirect) is the way to that.
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) if it is not an absolute URL with http or https.
    pub fn transfer_to_url(
        &self,
        token: &ApplicationToken,
        call: &CallId,
        url: &str,
    ) -> Result<Request<Bytes>> {
        let destination = Destination {
            kind: "ncco",
            url: Some([web_url(RestOperation::Transfer, url)?]),
            ncco: None,
        };
        self.transfer_to(token, call, destination)
    }

    fn transfer_to(
        &self,
        token: &ApplicationToken,
        call: &CallId,
        destination: Destination<'_>,
    ) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        struct Body<'a> {
            action: &'static str,
            destination: Destination<'a>,
        }
        let target = self.call_url(RestOperation::Transfer.name(), call, "")?;
        let body = Body {
            action: "transfer",
            destination,
        };
        with_json(target, Method::PUT, token, &body)
    }

    /// Sends keys into a call: `0-9 * #`, and `p` for a pause of 500 ms.
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) for anything else, and for none.
    pub fn send_dtmf(
        &self,
        token: &ApplicationToken,
        call: &CallId,
        digits: &str,
    ) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        struct Body<'a> {
            digits: &'a str,
        }
        let name = RestOperation::SendDtmf.name();
        check_keys(name, digits)?;
        let target = self.call_url(name, call, "/dtmf")?;
        with_json(target, Method::PUT, token, &Body { digits })
    }

    /// Speaks a text into a call, beside what runs.
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) for a text, language or level that Vonage does not
    /// take.
    pub fn start_talk(
        &self,
        token: &ApplicationToken,
        call: &CallId,
        talk: &Talk,
    ) -> Result<Request<Bytes>> {
        let operation = RestOperation::StartTalk;
        let body = talk.body(operation)?;
        let target = self.call_url(operation.name(), call, "/talk")?;
        with_json(target, Method::PUT, token, &body)
    }

    /// Stops speaking into a call.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn stop_talk(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        let target = self.call_url(RestOperation::StopTalk.name(), call, "/talk")?;
        bare(target, Method::DELETE, token)
    }

    /// Plays an audio file into a call, beside what runs.
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) for a URL or level that Vonage does not take.
    pub fn start_stream(
        &self,
        token: &ApplicationToken,
        call: &CallId,
        audio: &StreamAudio,
    ) -> Result<Request<Bytes>> {
        let operation = RestOperation::StartStream;
        let body = audio.body(operation)?;
        let target = self.call_url(operation.name(), call, "/stream")?;
        with_json(target, Method::PUT, token, &body)
    }

    /// Stops playing an audio file into a call.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn stop_stream(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        let target = self.call_url(RestOperation::StopStream.name(), call, "/stream")?;
        bare(target, Method::DELETE, token)
    }

    /// Has every key reported at the call's events URL as it is pressed. The NCCO must have an `input` with the mode
    /// `asynchronous`.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn subscribe_dtmf(
        &self,
        token: &ApplicationToken,
        call: &CallId,
        links: &CallLinks,
    ) -> Result<Request<Bytes>> {
        #[derive(Serialize)]
        struct Body {
            event_url: [String; 1],
        }
        let target = self.call_url(RestOperation::SubscribeDtmf.name(), call, "/input/dtmf")?;
        let body = Body {
            event_url: [links.events_url()],
        };
        with_json(target, Method::PUT, token, &body)
    }

    /// Has keys not reported any longer.
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn unsubscribe_dtmf(
        &self,
        token: &ApplicationToken,
        call: &CallId,
    ) -> Result<Request<Bytes>> {
        let target = self.call_url(RestOperation::UnsubscribeDtmf.name(), call, "/input/dtmf")?;
        bare(target, Method::DELETE, token)
    }

    /// Asks where a call is. Read the response with [`call_state`](super::call_state).
    ///
    /// # Errors
    /// As [`hang_up`](Self::hang_up).
    pub fn fetch_call(&self, token: &ApplicationToken, call: &CallId) -> Result<Request<Bytes>> {
        let target = self.call_url(RestOperation::FetchCall.name(), call, "")?;
        bare(target, Method::GET, token)
    }

    /// Asks for calls. Read the response with [`call_page`](super::call_page).
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) for a filter that Vonage does not take.
    pub fn list_calls(
        &self,
        token: &ApplicationToken,
        filter: &CallFilter,
    ) -> Result<Request<Bytes>> {
        let query = filter.query()?;
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}/v1/calls{mark}{query}", self.base);
        bare((RestOperation::ListCalls.name(), url), Method::GET, token)
    }

    /// Fetches a recording, or its transcript, from the URL that its event named. Read the response with
    /// [`recording`](super::recording).
    ///
    /// # Errors
    /// [`InvalidArgument`](telephony_core::ErrorKind::InvalidArgument) if the URL is not of a host of Vonage's, by HTTPS,
    /// nor of the configured one: the token would go to a stranger.
    pub fn fetch_recording(&self, token: &ApplicationToken, url: &str) -> Result<Request<Bytes>> {
        let name = RestOperation::FetchRecording.name();
        let url = url.trim();
        if !Origin::of(url).is_some_and(|origin| self.trusts(&origin)) {
            let detail = "the recording is not on a host of Vonage's (https, under vonage.com or nexmo.com), nor on that \
                          of the configured `base_url`";
            return Err(invalid(name, detail));
        }
        let mut request = bare((name, url.to_owned()), Method::GET, token)?;
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("*/*"));
        Ok(request)
    }
}

#[derive(Serialize)]
struct Destination<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ncco: Option<Box<RawValue>>,
}

/// A text to speak into a live call.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Talk {
    /// The text, or SSML in a `speak` element. At most 1500 characters without tags.
    pub text: String,
    /// The language as a BCP 47 tag. Default: `en-US`.
    pub language: Option<String>,
    /// The number of a style of the language. Default: 0.
    pub style: Option<u16>,
    /// Whether the premium version of the style is used where there is one.
    pub premium: bool,
    /// How often; 0 is without end. Default: 1.
    pub times: Option<u32>,
    /// The volume, from -1 to 1 in steps of 0.1. Default: 0.
    pub level: Option<f32>,
}

impl Talk {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    fn body(&self, operation: RestOperation) -> Result<impl Serialize + '_> {
        #[derive(Serialize)]
        struct Body<'a> {
            text: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            language: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            style: Option<u16>,
            #[serde(skip_serializing_if = "Option::is_none")]
            premium: Option<bool>,
            #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
            times: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            level: Option<String>,
        }
        let has_tags = self.text.contains('<');
        if self.text.trim().is_empty() {
            return Err(invalid(operation.name(), "there is nothing to say"));
        }
        if !has_tags && self.text.chars().count() > answer::MAX_TEXT_CHARS {
            return Err(invalid(
                operation.name(),
                "a text has at most 1500 characters: say it in several steps",
            ));
        }
        let language = answer::language(self.language.as_deref())
            .map_err(|error| invalid(operation.name(), error.detail()))?;
        Ok(Body {
            text: &self.text,
            language,
            style: self.style,
            premium: self.premium.then_some(true),
            times: self.times,
            level: level(operation, self.level)?,
        })
    }
}

/// An audio file to play into a live call.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct StreamAudio {
    /// Where Vonage fetches it: mp3, or wav with 16 bits.
    pub url: String,
    /// How often; 0 is without end. Default: 1.
    pub times: Option<u32>,
    /// The volume, from -1 to 1 in steps of 0.1. Default: 0.
    pub level: Option<f32>,
}

impl StreamAudio {
    /// The file at this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }

    fn body(&self, operation: RestOperation) -> Result<impl Serialize + '_> {
        #[derive(Serialize)]
        struct Body<'a> {
            stream_url: [&'a str; 1],
            #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
            times: Option<u32>,
            #[serde(skip_serializing_if = "Option::is_none")]
            level: Option<String>,
        }
        Ok(Body {
            stream_url: [web_url(operation, &self.url)?],
            times: self.times,
            level: level(operation, self.level)?,
        })
    }
}

/// A level is a text in REST, though a number in an NCCO.
fn level(operation: RestOperation, level: Option<f32>) -> Result<Option<String>> {
    let Some(level) = level else {
        return Ok(None);
    };
    let tenths = (level * 10.0).round();
    if !(-10.0..=10.0).contains(&tenths) || (level * 10.0 - tenths).abs() > 0.001 {
        return Err(invalid(
            operation.name(),
            "a level is -1 to 1 in steps of 0.1",
        ));
    }
    // Adding 0 makes -0 a 0.
    Ok(Some((tenths / 10.0 + 0.0).to_string()))
}

fn web_url(operation: RestOperation, url: &str) -> Result<&str> {
    answer::http_url(url).map_err(|_| {
        invalid(
            operation.name(),
            "a URL must be absolute, with http or https",
        )
    })
}
