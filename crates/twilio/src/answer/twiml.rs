//! Steps as TwiML verbs. The steps are checked already.

use super::{OPERATION, TWIML, whole_seconds};
use crate::party;
use crate::webhook::fields::AFTER;
use std::borrow::Cow;
use telephony_core::media::StreamTicket;
use telephony_core::{
    AfterStream, CallLinks, Dial, Gather, Party, Play, Prompt, Redirect, RejectReason, Result, Say,
    Step, Stream,
};
use telephony_xml::{Attribute, XmlWriter};

/// What we want to hear about the legs of a dial.
const LEG_EVENTS: &str = "initiated ringing answered completed";

/// Writes a document; `keys` are sent before its steps.
pub(super) fn write(keys: Option<&str>, steps: &[Step], links: &CallLinks) -> Result<Vec<u8>> {
    let mut xml = TWIML.writer()?;
    if keys.is_none() && steps.is_empty() {
        xml.empty("Response", &[])?;
        return Ok(xml.finish());
    }
    xml.open("Response", &[])?;
    if let Some(keys) = keys {
        xml.empty("Play", &[("digits", keys.into())])?;
    }
    for (at, step) in steps.iter().enumerate() {
        write_step(&mut xml, step, at + 1 == steps.len(), links)?;
    }
    xml.close("Response")?;
    Ok(xml.finish())
}

fn write_step(xml: &mut XmlWriter, step: &Step, is_last: bool, links: &CallLinks) -> Result<()> {
    match step {
        Step::Stream(stream) => write_stream(xml, stream, is_last, links),
        Step::Say(say) => write_say(xml, say),
        Step::Play(play) => write_play(xml, play),
        Step::Gather(gather) => write_gather(xml, gather, links),
        Step::Dial(dial) => write_dial(xml, dial, links),
        Step::Pause(duration) => match whole_seconds(*duration) {
            0 => Ok(()),
            seconds => xml.empty("Pause", &[("length", number(seconds))]),
        },
        Step::HangUp => xml.empty("Hangup", &[]),
        Step::Reject(reason) => {
            let reason = match reason {
                RejectReason::Busy => "busy",
                _ => "rejected",
            };
            xml.empty("Reject", &[("reason", reason.into())])
        }
        Step::Redirect(redirect) => {
            let url: Cow<'_, str> = match redirect {
                Redirect::To(url) => url.into(),
                _ => links.answer_url().into(),
            };
            xml.text("Redirect", &[("method", "POST".into())], &url)
        }
        // Refused by the check.
        _ => Ok(()),
    }
}

/// With `action` Twilio asks us when the stream is over; without one the next verb runs.
fn write_stream(
    xml: &mut XmlWriter,
    stream: &Stream,
    is_last: bool,
    links: &CallLinks,
) -> Result<()> {
    let asks = stream.then == AfterStream::Continue && is_last;
    let connect = if asks {
        action(links, "stream")
    } else {
        vec![]
    };
    xml.open("Connect", &connect)?;
    let attributes = vec![
        ("url", links.media_url()?.into()),
        ("statusCallback", links.events_url().into()),
    ];
    xml.open("Stream", &attributes)?;
    let key = (StreamTicket::KEY_PARAMETER, links.call_key().as_str());
    let own = stream.parameters.iter();
    let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in std::iter::once(key).chain(own) {
        let attributes = vec![("name", name.into()), ("value", value.into())];
        xml.empty("Parameter", &attributes)?;
    }
    xml.close("Stream")?;
    xml.close("Connect")?;
    match stream.then {
        AfterStream::HangUp => xml.empty("Hangup", &[]),
        AfterStream::Continue => Ok(()),
    }
}

fn write_say(xml: &mut XmlWriter, say: &Say) -> Result<()> {
    let mut attributes = Vec::new();
    if let Some(language) = &say.language {
        attributes.push(("language", language.into()));
    }
    if let Some(voice) = &say.voice {
        attributes.push(("voice", voice.into()));
    }
    xml.text("Say", &attributes, &say.text)
}

fn write_play(xml: &mut XmlWriter, play: &Play) -> Result<()> {
    let mut attributes = Vec::new();
    if play.times != 1 {
        attributes.push(("loop", number(play.times.into())));
    }
    xml.text("Play", &attributes, &play.url)
}

fn write_gather(xml: &mut XmlWriter, gather: &Gather, links: &CallLinks) -> Result<()> {
    let input = match (gather.dtmf, gather.speech) {
        (true, true) => "dtmf speech",
        (false, true) => "speech",
        _ => "dtmf",
    };
    let mut attributes: Vec<Attribute<'_>> = vec![("input", input.into())];
    attributes.extend(action(links, "gather"));
    // Without it an empty gather falls through to the next verb and nobody hears of it.
    attributes.push(("actionOnEmptyResult", "true".into()));
    attributes.push(("timeout", number(whole_seconds(gather.timeout))));
    if gather.dtmf {
        if let Some(digits) = gather.max_digits {
            attributes.push(("numDigits", number(digits.into())));
        }
        let key = gather.finish_on_key.map(String::from).unwrap_or_default();
        attributes.push(("finishOnKey", key.into()));
    }
    if gather.speech {
        if let Some(language) = &gather.language {
            attributes.push(("language", language.into()));
        }
        if !gather.hints.is_empty() {
            attributes.push(("hints", gather.hints.join(",").into()));
        }
    }
    if gather.prompts.is_empty() {
        return xml.empty("Gather", &attributes);
    }
    xml.open("Gather", &attributes)?;
    for prompt in &gather.prompts {
        match prompt {
            Prompt::Say(say) => write_say(xml, say)?,
            Prompt::Play(play) => write_play(xml, play)?,
            // Refused by the check.
            _ => {}
        }
    }
    xml.close("Gather")
}

fn write_dial(xml: &mut XmlWriter, dial: &Dial, links: &CallLinks) -> Result<()> {
    let mut attributes = action(links, "dial");
    if let Some(caller_id) = &dial.caller_id {
        attributes.push(("callerId", party::written(caller_id, OPERATION)?));
    }
    if let Some(timeout) = dial.ring_timeout {
        attributes.push(("timeout", number(whole_seconds(timeout))));
    }
    if let Some(limit) = dial.time_limit {
        attributes.push(("timeLimit", number(whole_seconds(limit))));
    }
    xml.open("Dial", &attributes)?;
    for target in &dial.targets {
        let noun = match target {
            Party::Sip(_) => "Sip",
            Party::Client(_) => "Client",
            _ => "Number",
        };
        let attributes = vec![
            ("statusCallback", links.status_url().into()),
            ("statusCallbackEvent", LEG_EVENTS.into()),
        ];
        xml.text(noun, &attributes, target.address())?;
    }
    xml.close("Dial")
}

/// Asks us at our answer URL, with a mark that tells which verb asks.
fn action(links: &CallLinks, after: &str) -> Vec<Attribute<'static>> {
    let url = links.answer_url();
    let separator = if url.contains('?') { '&' } else { '?' };
    vec![
        ("action", format!("{url}{separator}{AFTER}={after}").into()),
        ("method", "POST".into()),
    ]
}

fn number(number: u64) -> Cow<'static, str> {
    number.to_string().into()
}
