//! Answers as Plivo XML.
//!
//! | step | XML (Plivo docs unless said) |
//! |---|---|
//! | stream | `<Stream bidirectional keepCallAlive contentType statusCallbackUrl extraHeaders>wss://…</Stream>`, then `<Hangup/>`; to go on with no step left, `<Redirect>` asks us |
//! | say | `<Speak language voice>` |
//! | play | `<Play loop>`; 0 is without end |
//! | gather | `<GetDigits action …>` for keys alone, else `<GetInput action …>`, with the prompts in it; then `<Redirect>`, because the `action` is not asked when nothing comes. So nothing can follow |
//! | dial | `<Dial action callerId timeout timeLimit callbackUrl>` with `<Number>` and `<User>`; the `action` is asked in every case |
//! | pause | `<Wait length>` in whole seconds, rounded up |
//! | hang up | `<Hangup/>`; as the first step of a call that rings, it refuses the call |
//! | reject | `<Hangup reason>`, alone, before the call is answered |
//! | redirect | `<Redirect>` |

pub(crate) mod elements;

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
const CONTENT_TYPE: &str = "application/xml";
/// Every `<Stream>` counts: a call has one at a time.
const PLIVO_XML: Dialect = Dialect::new(NAME, "Plivo XML");
/// The largest document (Plivo docs: 100 Kb).
const MAX_DOCUMENT_BYTES: usize = 100 * 1000;
/// Parameters of a stream, written out.
const MAX_HEADER_BYTES: usize = 512;
/// How long speech is waited for.
const INPUT_SECONDS: std::ops::RangeInclusive<u64> = 5..=60;
/// How many keys a `<GetInput>` takes.
const MAX_INPUT_DIGITS: u8 = 32;

/// Writes what to do with a call that is at `status`.
pub(crate) fn answered(
    answer: &Answer,
    links: &CallLinks,
    status: Option<CallStatus>,
) -> Result<Answered> {
    Ok(Answered::document(
        CONTENT_TYPE,
        xml(answer, links, status)?,
    ))
}

/// The XML for what to do with a call that is at `status`.
pub(crate) fn xml(
    answer: &Answer,
    links: &CallLinks,
    status: Option<CallStatus>,
) -> Result<Vec<u8>> {
    let body = match answer.as_document() {
        Some(document) => PLIVO_XML.fill(document, links)?,
        None => {
            check(answer.steps(), status)?;
            elements::write(answer.steps(), links)?
        }
    };
    if body.len() > MAX_DOCUMENT_BYTES {
        return Err(invalid("the XML is larger than 100 kB"));
    }
    Ok(body)
}

/// Refuses what Plivo cannot do before anything is written.
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
        return Err(invalid("a call has one stream at a time: answer with one"));
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
            "Plivo asks us after the step `{}`, whatever came of it: answer that event instead of adding steps",
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
            "Plivo has no step `{}`",
            other.name()
        ))),
    }
}

fn check_stream(stream: &Stream) -> Result<()> {
    if stream.rate.is_some_and(|rate| rate != SampleRate::HZ_8000) {
        return Err(unsupported("streams are µ-law at 8000 Hz here"));
    }
    let is_plain = |text: &String| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !text.is_empty() && text.bytes().all(fits)
    };
    for (name, value) in &stream.parameters {
        if name == StreamTicket::KEY_PARAMETER {
            return Err(invalid(&format!(
                "the stream parameter `{name}` is the library's own"
            )));
        }
        if !is_plain(name) || !is_plain(value) {
            return Err(invalid(
                "names and values of stream parameters may have letters, digits, `-` and `_` only, and not be empty: \
                 Plivo has no way to escape others",
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
    if gather.speech && !INPUT_SECONDS.contains(&whole_seconds(gather.timeout)) {
        return Err(invalid("speech is waited for from 5 to 60 seconds"));
    }
    if gather.speech
        && gather
            .max_digits
            .is_some_and(|digits| digits > MAX_INPUT_DIGITS)
    {
        return Err(invalid("32 keys are the most where speech is taken, too"));
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
            _ => return Err(unsupported("Plivo has no such prompt")),
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
    let is_nothing = |limit: Option<Duration>| limit.is_some_and(|limit| limit.is_zero());
    if is_nothing(dial.ring_timeout) || is_nothing(dial.time_limit) {
        return Err(invalid(
            "the ring time and the time limit of the dial must be at least a second",
        ));
    }
    Ok(())
}

fn check_url(what: &str, url: &str) -> Result<()> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let fits = |c: char| !c.is_whitespace() && !c.is_control();
    if rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(fits)) {
        Ok(())
    } else {
        Err(invalid(&format!("{what} must be absolute: https://…")))
    }
}

/// Plivo counts whole seconds; a wait is not made shorter.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

fn invalid(detail: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, OPERATION, detail).with_provider(NAME)
}

fn unsupported(detail: &str) -> Error {
    Error::unsupported(OPERATION, detail).with_provider(NAME)
}
