//! From an answer to what an applet takes.

mod connect;
mod document;
mod prompt;
mod stream;

pub(crate) use stream::RATE_PARAMETER;

use crate::ExotelConfig;
use crate::applet::Applet;
use http::StatusCode;
use telephony_core::{Answer, Answered, CallLinks, Error, ErrorKind, Result, Step};

/// What Exotel's JSON is sent as.
const JSON: &str = "application/json";
/// What the text of a Greeting applet is sent as: exactly this, without a charset.
const TEXT: &str = "text/plain";

/// Writes answers for one account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) config: &'a ExotelConfig,
    pub(crate) links: &'a CallLinks,
}

impl Writer<'_> {
    /// What `applet` gets for `answer`.
    pub(crate) fn write(&self, applet: Applet, answer: &Answer) -> Result<Answered> {
        if let Some(document) = answer.as_document() {
            return self.document(applet, document);
        }
        let step = only_step(answer)?;
        match (applet, step) {
            (Applet::Voicebot, Step::Stream(stream)) => self.stream(stream),
            (Applet::Connect, Step::Dial(dial)) => self.dial(dial),
            (Applet::Connect, Step::HangUp) => connect::nobody(),
            (Applet::Gather, Step::Gather(gather)) => prompt::gather(gather),
            (Applet::Greeting, Step::Say(say)) => prompt::say(say),
            (Applet::Greeting, Step::Play(play)) => prompt::play(play),
            (Applet::Passthru, Step::HangUp) => Ok(Answered::empty(StatusCode::FOUND)),
            _ => Err(wrong_applet(applet, step)),
        }
    }

    /// What `applet` gets when there is no answer: nothing is dialled, said or decided, and the flow goes on.
    pub(crate) fn acknowledge(applet: Option<Applet>) -> Result<Answered> {
        match applet {
            Some(Applet::Connect) => connect::nobody(),
            Some(Applet::Greeting) => Ok(Answered::document(TEXT, "")),
            _ => Ok(Answered::empty(StatusCode::OK)),
        }
    }

    /// A URL of ours that Exotel may call: with our secret in it.
    pub(crate) fn with_key(&self, url: &str) -> String {
        let join = if url.contains('?') { '&' } else { '?' };
        format!("{url}{join}key={}", self.config.current_secret())
    }
}

/// An applet does one thing; what comes then is the flow's next applet.
fn only_step(answer: &Answer) -> Result<&Step> {
    match answer.steps() {
        [step] => Ok(step),
        [] => Err(invalid("the answer has no step")),
        _ => Err(unsupported(
            "an applet of Exotel does one step; what comes after it is the next applet of the flow",
        )),
    }
}

fn wrong_applet(applet: Applet, step: &Step) -> Error {
    let place = match step {
        Step::Stream(_) => "a Voicebot applet whose URL says applet=voicebot can",
        Step::Say(_) | Step::Play(_) => "a Greeting applet whose URL says applet=greeting can",
        Step::Gather(_) => "a Gather applet whose URL says applet=gather can",
        Step::Dial(_) => "a Connect applet whose URL says applet=connect can",
        Step::HangUp => {
            "put a Hangup applet next in the flow, or on the second branch of a Passthru applet whose URL says applet=passthru"
        }
        _ => "no applet of Exotel can",
    };
    unsupported(&format!(
        "the {} applet cannot {}; {place}",
        applet.as_str(),
        step.name()
    ))
}

fn unsupported(detail: &str) -> Error {
    Error::unsupported("write answer", detail).with_provider(crate::NAME)
}

fn invalid(detail: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "write answer", detail).with_provider(crate::NAME)
}

/// An answer as JSON.
fn json(body: &impl serde::Serialize) -> Result<Answered> {
    let body = serde_json::to_vec(body).map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            "write answer",
            "it does not become JSON",
        )
        .with_provider(crate::NAME)
        .with_source(error)
    })?;
    Ok(Answered::document(JSON, body))
}

/// Whole seconds, rounded up: Exotel takes no fractions.
pub(crate) fn seconds(duration: std::time::Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Whether it is an absolute `http` or `https` URL without anything that a URL cannot hold.
pub(crate) fn is_web_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}
