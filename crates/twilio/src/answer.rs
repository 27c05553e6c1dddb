//! Answers as TwiML.
//!
//! | step | TwiML (Twilio docs unless said) |
//! |---|---|
//! | stream | `<Connect><Stream url statusCallback><Parameter/>…</Stream></Connect>`, then `<Hangup/>` (without it the next verb runs when the socket closes: field reports); to go on with no step left, `action` asks us |
//! | say | `<Say language voice>` |
//! | play | `<Play loop>`; 0 is without end |
//! | gather | `<Gather input action actionOnEmptyResult …>` with the prompts in it; the `action` is asked in every case, so nothing can follow |
//! | dial | `<Dial action callerId timeout timeLimit>` with `<Number>`, `<Sip>`, `<Client>`, each with its own status callback; the `action` is asked in every case |
//! | pause | `<Pause length>` in whole seconds, rounded up |
//! | hang up | `<Hangup/>` |
//! | reject | `<Reject reason>`, alone, before the call is answered |
//! | redirect | `<Redirect>` |

mod twiml;

use crate::{NAME, party};
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::media::StreamTicket;
use telephony_core::{
    AfterStream, Answer, Answered, CallLinks, CallStatus, Dial, Error, ErrorKind, Gather, Play,
    Prompt, Redirect, Result, Say, Step, Stream,
};
use telephony_xml::Dialect;

/// What is done here, for errors.
const OPERATION: &str = "write answer";
/// The media type of TwiML.
const CONTENT_TYPE: &str = "text/xml";
/// A `<Stream>` in `<Start>` is a copy of the audio.
const TWIML: Dialect = Dialect::new(NAME, "TwiML")
    .with_root_code("12102")
    .with_two_way_streams_in("Connect")
    .with_attribute_rule(check_stream_url);
/// The largest document (error 11750).
const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// A stream's parameter must be shorter: name and value together, in characters.
const PARAMETER_CHARS: usize = 500;
/// How long a dial may ring.
const RING_SECONDS: std::ops::RangeInclusive<u64> = 5..=600;

/// Writes what to do with a call that is at `status`.
pub(crate) fn answered(
    answer: &Answer,
    links: &CallLinks,
    status: Option<CallStatus>,
) -> Result<Answered> {
    let body = twiml(answer, links, status)?;
    Ok(Answered::document(CONTENT_TYPE, body))
}

/// The TwiML for what to do with a call that is at `status`.
pub(crate) fn twiml(
    answer: &Answer,
    links: &CallLinks,
    status: Option<CallStatus>,
) -> Result<String> {
    let body = match answer.as_document() {
        Some(document) => TWIML.fill(document, links)?,
        None => {
            check(answer.steps(), status)?;
            twiml::write(None, answer.steps(), links)?
        }
    };
    sized(body)
}

/// The TwiML that sends keys into a call that is up, and then does `then`.
pub(crate) fn twiml_with_keys(keys: &str, then: &[Step], links: &CallLinks) -> Result<String> {
    check(then, Some(CallStatus::InProgress))?;
    if matches!(then, [Step::Reject(_)]) {
        return Err(invalid("nothing can be rejected after keys were sent"));
    }
    sized(twiml::write(Some(keys), then, links)?)
}

fn sized(body: Vec<u8>) -> Result<String> {
    if body.len() > MAX_DOCUMENT_BYTES {
        return Err(invalid("the TwiML is larger than 64 kB"));
    }
    String::from_utf8(body).map_err(|error| {
        Error::new(ErrorKind::Internal, OPERATION, "the TwiML is not UTF-8")
            .with_provider(NAME)
            .with_source(error.utf8_error())
    })
}

/// Refuses what Twilio cannot do before anything is written.
fn check(steps: &[Step], status: Option<CallStatus>) -> Result<()> {
    for (at, step) in steps.iter().enumerate() {
        check_step(step)?;
        check_rest(step, &steps[at + 1..])?;
        if matches!(step, Step::Reject(_)) {
            if steps.len() > 1 {
                return Err(invalid(
                    "reject must be the only step: any other answers the call",
                ));
            }
            if status == Some(CallStatus::InProgress) {
                return Err(invalid(
                    "the call is answered already: it can be hung up, not rejected",
                ));
            }
        }
    }
    let streams = steps.iter().filter(|step| matches!(step, Step::Stream(_)));
    if streams.count() > 1 {
        return Err(invalid(
            "a call has one two-way stream at a time: answer with one",
        ));
    }
    Ok(())
}

/// Refuses steps that would never run.
fn check_rest(step: &Step, rest: &[Step]) -> Result<()> {
    match step {
        _ if rest.is_empty() => Ok(()),
        Step::Stream(stream) if stream.then == AfterStream::HangUp => Err(invalid(
            "the call ends with the stream: steps after it need `AfterStream::Continue`",
        )),
        Step::HangUp | Step::Redirect(_) => Err(invalid(&format!(
            "nothing can come after the step `{}`",
            step.name()
        ))),
        // To hang up is what happens anyway if the event is not answered.
        Step::Gather(_) | Step::Dial(_) if rest != [Step::HangUp] => Err(unsupported(&format!(
            "Twilio asks us after the step `{}`, whatever came of it: answer that event instead of adding steps",
            step.name()
        ))),
        _ => Ok(()),
    }
}

fn check_step(step: &Step) -> Result<()> {
    match step {
        Step::Stream(stream) => check_stream(stream),
        Step::Say(say) => check_say(say),
        Step::Play(play) => check_play(play),
        Step::Gather(gather) => check_gather(gather),
        Step::Dial(dial) => check_dial(dial),
        Step::Pause(_) | Step::HangUp | Step::Reject(_) | Step::Redirect(Redirect::Here) => Ok(()),
        Step::Redirect(Redirect::To(url)) => check_url("the URL of the redirect", url),
        other => Err(unsupported(&format!(
            "Twilio has no step `{}`",
            other.name()
        ))),
    }
}

fn check_stream(stream: &Stream) -> Result<()> {
    if stream.rate.is_some_and(|rate| rate != SampleRate::HZ_8000) {
        return Err(unsupported("Twilio streams at 8000 Hz only"));
    }
    for (name, value) in &stream.parameters {
        if name.is_empty() {
            return Err(invalid("a parameter of the stream has no name"));
        }
        if name == StreamTicket::KEY_PARAMETER {
            return Err(invalid(&format!(
                "the stream parameter `{name}` is the library's own"
            )));
        }
        if name.chars().count() + value.chars().count() >= PARAMETER_CHARS {
            return Err(invalid(
                "a parameter of the stream is too long: name and value must have less than 500 characters",
            ));
        }
    }
    Ok(())
}

fn check_say(say: &Say) -> Result<()> {
    if say.text.trim().is_empty() {
        return Err(invalid("there is no text to say"));
    }
    Ok(())
}

fn check_play(play: &Play) -> Result<()> {
    check_url("the URL to play", &play.url)
}

fn check_gather(gather: &Gather) -> Result<()> {
    if !gather.dtmf && !gather.speech {
        return Err(invalid("the gather takes neither keys nor speech"));
    }
    if gather.max_digits == Some(0) {
        return Err(invalid("the gather must take at least one key"));
    }
    if gather.timeout.is_zero() {
        return Err(invalid(
            "the timeout of the gather must be at least a second",
        ));
    }
    if let Some(key) = gather.finish_on_key
        && !matches!(key, '0'..='9' | '*' | '#')
    {
        return Err(invalid(
            "the finish key of the gather must be one of 0-9 * #",
        ));
    }
    if gather.hints.iter().any(|hint| hint.contains(',')) {
        return Err(invalid(
            "a hint of the gather has a comma: give each word on its own",
        ));
    }
    for prompt in &gather.prompts {
        match prompt {
            Prompt::Say(say) => check_say(say)?,
            Prompt::Play(play) => check_play(play)?,
            _ => return Err(unsupported("Twilio has no such prompt")),
        }
    }
    Ok(())
}

fn check_dial(dial: &Dial) -> Result<()> {
    if dial.targets.is_empty() {
        return Err(invalid("the dial has nobody to ring"));
    }
    for party in dial.targets.iter().chain(&dial.caller_id) {
        party::written(party, OPERATION)?;
    }
    let ring = dial.ring_timeout.map(whole_seconds);
    if ring.is_some_and(|seconds| !RING_SECONDS.contains(&seconds)) {
        return Err(invalid("the dial may ring from 5 to 600 seconds"));
    }
    if dial.time_limit.is_some_and(|limit| limit.is_zero()) {
        return Err(invalid(
            "the time limit of the dial must be at least a second",
        ));
    }
    Ok(())
}

/// Whether Twilio can ask that URL whatever the document is that names it.
pub(crate) fn is_absolute(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let fits = |c: char| !c.is_whitespace() && !c.is_control();
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(fits))
}

fn check_url(what: &str, url: &str) -> Result<()> {
    if is_absolute(url) {
        Ok(())
    } else {
        Err(invalid(&format!("{what} must be absolute: https://…")))
    }
}

/// Twilio counts whole seconds; a wait is not made shorter.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Twilio takes `wss` only (31922) and loses the query (31920). A simulated carrier on loopback may have `ws`.
fn check_stream_url(element: &str, name: &str, url: &str) -> std::result::Result<(), &'static str> {
    if (element, name) != ("Stream", "url") {
        return Ok(());
    }
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| !matches!(scheme, "wss" | "ws")) {
        return Err("the URL of a stream must begin with wss:// (31922)");
    }
    match url.contains('?') {
        true => Err("the URL of a stream cannot have a query (31920): use <Parameter>"),
        false => Ok(()),
    }
}

fn invalid(detail: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, OPERATION, detail).with_provider(NAME)
}

fn unsupported(detail: &str) -> Error {
    Error::unsupported(OPERATION, detail).with_provider(NAME)
}
