//! The steps of an answer, each as its actions.

use super::ncco::{Action, Authorization, Callback, Endpoint, Keys, Payload, Speech};
use super::{invalid, unsupported};
use crate::config::{RATES, VonageConfig, WebsocketAuthorization};
use bytes::Bytes;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use telephony_core::media::StreamTicket;
use telephony_core::{
    CallLinks, Dial, Error, ErrorKind, Gather, Party, Play, Prompt, Redirect, Result, Say, Step,
    Stream,
};

/// The most characters of a text (Vonage's NCCO reference), tags of SSML not counted.
pub(crate) const MAX_TEXT_CHARS: usize = 1500;
/// The most bytes of a media socket's headers as JSON (Vonage's guide on WebSockets).
pub(crate) const MAX_HEADER_BYTES: usize = 512;
/// The most keys that every version of the documentation allows; newer ones allow 22.
const MAX_DIGITS: u8 = 20;
const MAX_DIGITS_NOW: u8 = 22;
/// What the first text message of the socket uses itself, beside the headers.
pub(crate) const RESERVED_HEADERS: [&str; 2] = ["event", "content-type"];

pub(super) fn write(config: &VonageConfig, steps: &[Step], links: &CallLinks) -> Result<Bytes> {
    check_order(steps)?;
    let mut actions = Vec::with_capacity(steps.len() + 2);
    for step in steps {
        match step {
            Step::Stream(step) => actions.push(stream(config, step, links)?),
            Step::Say(step) => actions.push(talk(step, false)?),
            Step::Play(step) => actions.push(play(step, false)?),
            Step::Gather(step) => gather(step, links, &mut actions)?,
            Step::Dial(step) => actions.push(dial(step, links)?),
            Step::Pause(duration) => actions.push(wait(*duration)?),
            // A call ends when its NCCO has run out; there is no action for it.
            Step::HangUp => {}
            Step::Redirect(step) => actions.push(redirect(step, links)?),
            Step::Reject(_) => {
                let detail = "a call cannot be refused by its NCCO: Vonage has answered it by then; hang up instead";
                return Err(unsupported(detail));
            }
            other => {
                let detail = format!("this crate does not know the step `{}`", other.name());
                return Err(unsupported(&detail));
            }
        }
    }
    serde_json::to_vec(&actions)
        .map(Bytes::from)
        .map_err(|error| {
            let detail = "the NCCO could not be written as JSON";
            Error::new(ErrorKind::Internal, "write answer", detail).with_source(error)
        })
}

/// What may follow a step: after one that ends the NCCO, only a hang-up, which is what happens anyway.
fn check_order(steps: &[Step]) -> Result<()> {
    if steps.is_empty() {
        return Err(invalid("the answer has no steps"));
    }
    for (index, step) in steps.iter().enumerate() {
        let rest = &steps[index + 1..];
        let only_hang_up = matches!(rest, [] | [Step::HangUp]);
        match step {
            Step::HangUp if !rest.is_empty() => {
                return Err(invalid("nothing can follow a hang-up"));
            }
            Step::Stream(_) if !only_hang_up => {
                return Err(unsupported(
                    "nothing can follow a stream: Vonage would run it as soon as the socket is up, not when the stream \
                     is over; answer the event that the stream has stopped instead",
                ));
            }
            Step::Dial(_) if !only_hang_up => {
                return Err(unsupported(
                    "nothing can follow a dial: Vonage would run it as soon as the other side has answered; answer the \
                     event that the dial has ended instead",
                ));
            }
            Step::Redirect(_) if !only_hang_up => {
                return Err(invalid("nothing can follow a redirect"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn stream<'a>(config: &VonageConfig, step: &'a Stream, links: &'a CallLinks) -> Result<Action<'a>> {
    let rate = step.rate.unwrap_or(config.media_rate);
    if !RATES.contains(&rate) {
        return Err(unsupported("a media socket has 8000, 16000 or 24000 Hz"));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in &step.parameters {
        if is_reserved(name) {
            return Err(invalid(
                "`event`, `content-type` and `call_key` cannot be names of stream parameters: the first message of the \
                 socket has them already",
            ));
        }
        headers.insert(name.as_str(), value.as_str());
    }
    headers.insert(StreamTicket::KEY_PARAMETER, links.call_key().as_str());
    let bytes = serde_json::to_string(&headers).map_or(usize::MAX, |json| json.len());
    if bytes > MAX_HEADER_BYTES {
        return Err(invalid(&format!(
            "the stream parameters have {bytes} bytes as JSON with our call key; Vonage takes {MAX_HEADER_BYTES}"
        )));
    }
    let authorization = match config.websocket_authorization {
        WebsocketAuthorization::Vonage => Some(Authorization { kind: "vonage" }),
        WebsocketAuthorization::None => None,
    };
    Ok(Action::Connect {
        from: None,
        endpoint: [Endpoint::Websocket {
            uri: links.media_url()?,
            content_type: format!("audio/l16;rate={}", rate.hz()),
            headers,
            authorization,
        }],
        event_type: "synchronous",
        timeout: None,
        limit: None,
        callback: Callback::to(links.events_url()),
    })
}

fn is_reserved(name: &str) -> bool {
    name == StreamTicket::KEY_PARAMETER
        || RESERVED_HEADERS
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
}

fn talk(step: &Say, barge_in: bool) -> Result<Action<'_>> {
    if step.text.trim().is_empty() {
        return Err(invalid("there is nothing to say"));
    }
    if step.text.chars().count() > MAX_TEXT_CHARS {
        return Err(invalid(&format!(
            "a text has at most {MAX_TEXT_CHARS} characters: say it in several steps"
        )));
    }
    let style = match step.voice.as_deref().map(str::parse) {
        None => None,
        Some(Ok(style)) => Some(style),
        Some(Err(_)) => {
            return Err(invalid(
                "Vonage has no names for voices: the voice is the number of a style of the language, from 0",
            ));
        }
    };
    Ok(Action::Talk {
        text: plain_text(&step.text),
        language: language(step.language.as_deref())?,
        style,
        barge_in,
    })
}

/// A text is taken for SSML if it has a `speak` element. One that only talks of it is said as it is.
fn plain_text(text: &str) -> Cow<'_, str> {
    if !text.to_ascii_lowercase().contains("<speak") {
        return Cow::Borrowed(text);
    }
    let mut ssml = String::with_capacity(text.len() + 32);
    ssml.push_str("<speak>");
    for c in text.chars() {
        match c {
            '<' => ssml.push_str("&lt;"),
            '>' => ssml.push_str("&gt;"),
            '&' => ssml.push_str("&amp;"),
            c => ssml.push(c),
        }
    }
    ssml.push_str("</speak>");
    Cow::Owned(ssml)
}

pub(crate) fn language(tag: Option<&str>) -> Result<Option<&str>> {
    let fits = |tag: &str| {
        (1..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match tag {
        Some(tag) if !fits(tag) => Err(invalid("the language is not a BCP 47 tag such as `en-GB`")),
        tag => Ok(tag),
    }
}

fn play(step: &Play, barge_in: bool) -> Result<Action<'_>> {
    Ok(Action::Stream {
        stream_url: [http_url(&step.url)?],
        times: (step.times != 1).then_some(step.times),
        barge_in,
    })
}

pub(crate) fn http_url(url: &str) -> Result<&str> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let is_http = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let has_host = !rest.is_empty() && !rest.starts_with(['/', '?', '#']);
    if is_http && has_host && url.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(url)
    } else {
        Err(invalid(
            "a URL in an answer must be absolute, with http or https",
        ))
    }
}

/// Prompts that the caller may interrupt, and then the input: with `bargeIn` it must be the next action.
fn gather<'a>(step: &'a Gather, links: &'a CallLinks, actions: &mut Vec<Action<'a>>) -> Result<()> {
    for prompt in &step.prompts {
        actions.push(match prompt {
            Prompt::Say(say) => talk(say, true)?,
            Prompt::Play(file) => play(file, true)?,
            _ => return Err(unsupported("this crate does not know this kind of prompt")),
        });
    }
    let (mut kinds, mut dtmf, mut speech) = (Vec::new(), None, None);
    if step.dtmf {
        kinds.push("dtmf");
        dtmf = Some(keys(step)?);
    }
    if step.speech {
        kinds.push("speech");
        speech = Some(Speech {
            start_timeout: whole_seconds(step.timeout, 1..=60, "the timeout of speech")?,
            language: language(step.language.as_deref())?,
            context: &step.hints,
        });
    }
    if kinds.is_empty() {
        return Err(invalid("a gather takes keys, speech or both"));
    }
    actions.push(Action::Input {
        kinds,
        dtmf,
        speech,
        callback: Callback::to(links.answer_url()),
    });
    Ok(())
}

fn keys(step: &Gather) -> Result<Keys> {
    let submit_on_hash = match step.finish_on_key {
        Some('#') => true,
        None => false,
        Some(_) => return Err(unsupported("only `#` can end an entry, or no key")),
    };
    let max_digits = step.max_digits.unwrap_or(MAX_DIGITS);
    if !(1..=MAX_DIGITS_NOW).contains(&max_digits) {
        return Err(invalid(&format!(
            "a gather takes 1 to {MAX_DIGITS_NOW} keys"
        )));
    }
    Ok(Keys {
        time_out: whole_seconds(step.timeout, 0..=10, "the timeout of keys")?,
        max_digits,
        submit_on_hash,
    })
}

fn dial<'a>(step: &'a Dial, links: &'a CallLinks) -> Result<Action<'a>> {
    let target = match step.targets.as_slice() {
        [target] => target,
        [] => return Err(invalid("the dial has no target")),
        _ => {
            return Err(unsupported(
                "Vonage connects with one party, not with several at once",
            ));
        }
    };
    let from = match &step.caller_id {
        None | Some(Party::Withheld) => None,
        Some(party) => Some(
            number(party)
                .ok_or_else(|| invalid("the caller id must be a number of yours in E.164"))?,
        ),
    };
    let timeout = step
        .ring_timeout
        .map(|time| whole_seconds(time, 3..=7200, "the ring timeout"));
    let limit = step
        .time_limit
        .map(|time| whole_seconds(time, 1..=7200, "the time limit"));
    Ok(Action::Connect {
        from,
        endpoint: [endpoint(target)?],
        event_type: "synchronous",
        timeout: timeout.transpose()?,
        limit: limit.transpose()?,
        callback: Callback::to(links.answer_url()),
    })
}

fn endpoint(target: &Party) -> Result<Endpoint<'_>> {
    let filled = |text: &str| !text.trim().is_empty();
    match target {
        Party::Number(_) | Party::LocalNumber(_) => number(target)
            .map(|number| Endpoint::Phone { number })
            .ok_or_else(|| invalid("a number to dial must be in E.164")),
        Party::Sip(uri) if filled(uri) => Ok(Endpoint::Sip { uri }),
        Party::Client(user) if filled(user) => Ok(Endpoint::App { user }),
        Party::Extension(extension) if filled(extension) => Ok(Endpoint::Vbc { extension }),
        _ => Err(invalid("the target of the dial has no address")),
    }
}

/// A number as Vonage takes it: E.164 without its `+`.
pub(crate) fn number(party: &Party) -> Option<&str> {
    party.e164()?.strip_prefix('+')
}

/// Vonage clamps what is outside; we do not send it.
fn wait<'a>(duration: Duration) -> Result<Action<'a>> {
    let limits = Duration::from_millis(100)..=Duration::from_secs(7200);
    if limits.contains(&duration) {
        Ok(Action::Wait {
            timeout: duration.as_secs_f64(),
        })
    } else {
        Err(invalid("a pause lasts 0.1 to 7200 seconds"))
    }
}

/// A notification is a question: an NCCO in the response replaces what is left.
fn redirect<'a>(step: &'a Redirect, links: &'a CallLinks) -> Result<Action<'a>> {
    let callback = match step {
        Redirect::Here => Callback::to(links.answer_url()),
        Redirect::To(url) => Callback::to(http_url(url)?),
        _ => {
            return Err(unsupported(
                "this crate does not know this kind of redirect",
            ));
        }
    };
    Ok(Action::Notify {
        payload: Payload { reason: "redirect" },
        callback,
    })
}

pub(crate) fn whole_seconds(time: Duration, range: RangeInclusive<u64>, what: &str) -> Result<u64> {
    if time.subsec_nanos() == 0 && range.contains(&time.as_secs()) {
        Ok(time.as_secs())
    } else {
        let (first, last) = (range.start(), range.end());
        Err(invalid(&format!(
            "{what} must be {first} to {last} whole seconds"
        )))
    }
}
