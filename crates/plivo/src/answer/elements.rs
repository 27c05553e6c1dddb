//! Steps as elements of Plivo XML. The steps are checked already.

use super::{MAX_HEADER_BYTES, OPERATION, PLIVO_XML, invalid, whole_seconds};
use crate::media::CONTENT_TYPE;
use crate::party;
use crate::webhook::fields::AFTER;
use std::borrow::Cow;
use telephony_core::media::StreamTicket;
use telephony_core::{
    AfterStream, CallLinks, Dial, Gather, Party, Play, Prompt, Redirect, RejectReason, Result, Say,
    Step, Stream,
};
use telephony_xml::{Attribute, XmlWriter};

/// Writes a document.
pub(super) fn write(steps: &[Step], links: &CallLinks) -> Result<Vec<u8>> {
    let mut xml = PLIVO_XML.writer()?;
    if steps.is_empty() {
        xml.empty("Response", &[])?;
        return Ok(xml.finish());
    }
    xml.open("Response", &[])?;
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
            seconds => xml.empty("Wait", &[("length", number(seconds))]),
        },
        Step::HangUp => xml.empty("Hangup", &[]),
        Step::Reject(reason) => {
            let reason = match reason {
                RejectReason::Busy => "busy",
                _ => "rejected",
            };
            xml.empty("Hangup", &[("reason", reason.into())])
        }
        Step::Redirect(Redirect::To(url)) => write_redirect(xml, url),
        Step::Redirect(_) => write_redirect(xml, &links.answer_url()),
        // Refused by the check.
        _ => Ok(()),
    }
}

fn write_redirect(xml: &mut XmlWriter, url: &str) -> Result<()> {
    xml.text("Redirect", &[("method", "POST".into())], url)
}

/// With `keepCallAlive` the next element runs when the stream is over; without it, at once.
fn write_stream(
    xml: &mut XmlWriter,
    stream: &Stream,
    is_last: bool,
    links: &CallLinks,
) -> Result<()> {
    let attributes = vec![
        ("bidirectional", "true".into()),
        ("keepCallAlive", "true".into()),
        ("contentType", CONTENT_TYPE.into()),
        ("statusCallbackUrl", links.events_url().into()),
        ("statusCallbackMethod", "POST".into()),
        ("extraHeaders", headers(stream, links)?.into()),
    ];
    xml.text("Stream", &attributes, &links.media_url()?)?;
    match stream.then {
        AfterStream::HangUp => xml.empty("Hangup", &[]),
        AfterStream::Continue if is_last => write_redirect(xml, &asking(links, "stream")),
        AfterStream::Continue => Ok(()),
    }
}

/// What comes back with the start of the stream: our call key and the app's own parameters.
fn headers(stream: &Stream, links: &CallLinks) -> Result<String> {
    let key = (StreamTicket::KEY_PARAMETER, links.call_key().as_str());
    let own = stream.parameters.iter();
    let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
    let pairs: Vec<String> = std::iter::once(key)
        .chain(own)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let headers = pairs.join(",");
    if headers.len() > MAX_HEADER_BYTES {
        return Err(invalid(
            "the stream's parameters have more than 512 bytes, our own included",
        ));
    }
    Ok(headers)
}

fn write_say(xml: &mut XmlWriter, say: &Say) -> Result<()> {
    let mut attributes = Vec::new();
    if let Some(language) = &say.language {
        attributes.push(("language", language.into()));
    }
    if let Some(voice) = &say.voice {
        attributes.push(("voice", voice.into()));
    }
    xml.text("Speak", &attributes, &say.text)
}

fn write_play(xml: &mut XmlWriter, play: &Play) -> Result<()> {
    let mut attributes = Vec::new();
    if play.times != 1 {
        attributes.push(("loop", number(play.times.into())));
    }
    xml.text("Play", &attributes, &play.url)
}

/// What behind it asks us when nothing came: the next element runs then, and the `action` is not asked.
fn write_gather(xml: &mut XmlWriter, gather: &Gather, links: &CallLinks) -> Result<()> {
    let (name, attributes) = match gather.speech {
        true => ("GetInput", speech(gather, links)),
        false => ("GetDigits", keys(gather, links)),
    };
    if gather.prompts.is_empty() {
        xml.empty(name, &attributes)?;
    } else {
        xml.open(name, &attributes)?;
        for prompt in &gather.prompts {
            match prompt {
                Prompt::Say(say) => write_say(xml, say)?,
                Prompt::Play(play) => write_play(xml, play)?,
                // Refused by the check.
                _ => {}
            }
        }
        xml.close(name)?;
    }
    write_redirect(xml, &asking(links, "gather"))
}

fn keys<'a>(gather: &'a Gather, links: &CallLinks) -> Vec<Attribute<'a>> {
    let seconds = whole_seconds(gather.timeout);
    let mut attributes = action(links, "gather");
    attributes.push(("timeout", number(seconds)));
    attributes.push(("digitTimeout", number(seconds)));
    attributes.push(("retries", "1".into()));
    attributes.extend(digits(gather));
    // What is keyed in may be a PIN.
    attributes.push(("log", "false".into()));
    attributes
}

fn speech<'a>(gather: &'a Gather, links: &CallLinks) -> Vec<Attribute<'a>> {
    let input = match gather.dtmf {
        true => "dtmf speech",
        false => "speech",
    };
    let mut attributes = action(links, "gather");
    attributes.push(("inputType", input.into()));
    attributes.push(("executionTimeout", number(whole_seconds(gather.timeout))));
    if gather.dtmf {
        attributes.extend(digits(gather));
    }
    if let Some(language) = &gather.language {
        attributes.push(("language", language.into()));
    }
    if !gather.hints.is_empty() {
        attributes.push(("hints", gather.hints.join(",").into()));
    }
    attributes.push(("log", "false".into()));
    attributes
}

fn digits(gather: &Gather) -> Vec<Attribute<'_>> {
    let key = match gather.finish_on_key {
        Some(key) => key.to_string(),
        None => "none".to_owned(),
    };
    let most = gather.max_digits.map(|digits| number(digits.into()));
    let most = most.map(|most| ("numDigits", most));
    most.into_iter()
        .chain([("finishOnKey", key.into())])
        .collect()
}

fn write_dial(xml: &mut XmlWriter, dial: &Dial, links: &CallLinks) -> Result<()> {
    let mut attributes = action(links, "dial");
    attributes.push(("callbackUrl", links.events_url().into()));
    attributes.push(("callbackMethod", "POST".into()));
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
            Party::Sip(_) => "User",
            _ => "Number",
        };
        xml.text(noun, &[], &party::written(target, OPERATION)?)?;
    }
    xml.close("Dial")
}

/// Asks us at our answer URL, with a mark that tells which element asks.
fn action(links: &CallLinks, after: &str) -> Vec<Attribute<'static>> {
    vec![
        ("action", asking(links, after).into()),
        ("method", "POST".into()),
    ]
}

pub(crate) fn asking(links: &CallLinks, after: &str) -> String {
    format!("{}?{AFTER}={after}", links.answer_url())
}

fn number(number: u64) -> Cow<'static, str> {
    number.to_string().into()
}
