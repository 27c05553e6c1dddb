//! Rules about the codec.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use telephony_core::media::{
    CodecEvent, Decoded, EndSignal, MediaCodec, MediaCommand, StreamStart, StreamTicket,
    WireMessage,
};
use telephony_core::{
    CallId, CallKey, CallStore, Direction, ErrorKind, MemoryStore, NewCall, Result, Telephony, Verb,
};

use crate::conformance::CALL_KEY;
use crate::conformance::bench::Bench;
use crate::conformance::message::{Media, Message, describe_error, describe_media, wire};
use crate::conformance::noise::Noise;
use crate::conformance::template::{captured, filled};

/// So many spoilt messages are read.
const SPOILT: usize = 300;
/// Names of marks that a careless writer would break the message with.
const NAMES: &[&str] = &["m1", "with \"quotes\" and \\", "<ünï>\u{1f4de}"];

/// A ticket for the kit's call, which the carrier knows by that id.
pub(super) fn ticket(bench: &Bench<'_>, name: &str, call: Option<&str>) -> Option<StreamTicket> {
    let key = CallKey::parse(CALL_KEY).ok()?;
    let provider = telephony_core::ProviderName::new(&bench.subject.name);
    let parties = bench.subject.parties.clone();
    let id = call.and_then(|id| CallId::new(id).ok());
    let new = NewCall::new(
        key,
        provider,
        bench.label.clone(),
        Direction::Inbound,
        parties,
    );
    let store = MemoryStore::default();
    let opened = bench.wait(name, store.open(new.with_call_id(id)))?;
    let (_, ended) = EndSignal::new();
    Some(StreamTicket::new(opened.ok()?, ended))
}

pub(super) fn codec(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    name: &str,
    call: Option<&str>,
) -> Option<Result<Box<dyn MediaCodec>>> {
    let ticket = ticket(bench, name, call)?;
    bench.calm(name, "media_codec", || carrier.media_codec(&ticket))
}

/// A codec of the call that the message is of; nothing where the carrier's media needs more than a codec.
fn codec_of(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    message: &Message,
    media: &Media,
) -> Option<Box<dyn MediaCodec>> {
    let call = media.expect.call.as_deref();
    match codec(bench, carrier, &message.name, call)? {
        Ok(codec) => Some(codec),
        Err(error) if error.kind() == ErrorKind::Unsupported => None,
        Err(error) => {
            bench.fail(&message.name, format!("there is no codec: {error}"));
            None
        }
    }
}

/// A codec whose stream has started, and how it began.
pub(super) fn started(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    message: &Message,
    media: &Media,
) -> Option<(Box<dyn MediaCodec>, StreamStart)> {
    let mut codec = codec_of(bench, carrier, message, media)?;
    for said in media.messages() {
        let mut decoded = Decoded::default();
        bench.calm(&message.name, "decode", || {
            codec.decode(said, &mut decoded).is_ok()
        });
        for event in decoded.events {
            if let CodecEvent::Start(start) = event {
                return Some((codec, *start));
            }
        }
    }
    bench.fail(&message.name, "the stream does not start");
    None
}

pub(super) fn messages(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    if !carrier.capabilities().can(Verb::Stream) {
        return;
    }
    for (message, media) in bench.media() {
        let name = &message.name;
        let Some(mut codec) = codec_of(bench, carrier, message, media) else {
            continue;
        };
        let mut told = vec![];
        for said in media.messages() {
            let mut decoded = Decoded::default();
            let read = bench.calm(name, "decode", || codec.decode(said, &mut decoded));
            for event in &decoded.events {
                told.push(describe_media(event));
                if let CodecEvent::Start(start) = event {
                    let id = start.call_id.as_ref().map(|id| id.as_str());
                    let wanted = media.expect.call.as_deref();
                    bench.ensure(wanted.is_none() || id == wanted, name, || {
                        "the start is of another call".into()
                    });
                }
            }
            if let Some(Err(error)) = read {
                told.push(describe_error(error.kind()));
            }
        }
        let expected = &media.expect.media;
        bench.ensure(told == *expected, name, || {
            format!("it tells {told:?} and should {expected:?}")
        });
    }
}

pub(super) fn never_panics(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let mut noise = Noise::new(0x5eed_0003);
    for (message, media) in bench.media() {
        let name = &message.name;
        let said = media.messages();
        for _ in 0..SPOILT {
            // Before the start, where nothing is known of the stream yet.
            let Some(mut codec) = codec_of(bench, carrier, message, media) else {
                return;
            };
            let first = spoilt(&said[noise.below(said.len())], &mut noise);
            let mut decoded = Decoded::default();
            bench.calm(name, "decode", || codec.decode(first, &mut decoded).is_ok());
        }
        let Some((mut codec, start)) = started(bench, carrier, message, media) else {
            continue;
        };
        for _ in 0..SPOILT {
            let next = spoilt(&said[noise.below(said.len())], &mut noise);
            let mut decoded = Decoded::default();
            let read = bench.calm(name, "decode", || codec.decode(next, &mut decoded));
            let mut over = read.is_none();
            if let Some(Err(error)) = read {
                bench.see_error(name, &error);
                let kind = error.kind();
                bench.ensure(
                    matches!(kind, ErrorKind::Malformed | ErrorKind::Closed),
                    name,
                    || format!("what cannot be read fails as {kind:?}, not as Malformed"),
                );
                over |= kind == ErrorKind::Closed;
            }
            for event in &decoded.events {
                bench.see(name, "an event of the codec", event);
            }
            if over {
                match started(bench, carrier, message, media) {
                    Some((fresh, _)) => codec = fresh,
                    None => return,
                }
            }
        }
        if let Some(echo) = &media.said.echo.audio {
            let audio = noise.bytes(start.frames.unit_bytes());
            let back = wire(&filled(echo, "$PAYLOAD", &STANDARD.encode(&audio)));
            let heard = heard(bench, name, &mut *codec, back);
            bench.ensure(heard == Some(audio), name, || {
                "after what could not be read, audio is not heard any more".into()
            });
        }
    }
}

fn spoilt(message: &WireMessage, noise: &mut Noise) -> WireMessage {
    let (WireMessage::Text(bytes) | WireMessage::Binary(bytes)) = message else {
        return message.clone();
    };
    let other = match serde_json::from_slice::<Value>(bytes) {
        Ok(mut json) if noise.below(3) > 0 => {
            noise.spoil_json(&mut json);
            json.to_string().into_bytes()
        }
        _ => noise.spoil(bytes),
    };
    match noise.below(10) {
        0 => WireMessage::Binary(other.into()),
        _ => WireMessage::Text(other.into()),
    }
}

/// The audio that a message has.
fn heard(
    bench: &Bench<'_>,
    name: &str,
    codec: &mut dyn MediaCodec,
    message: WireMessage,
) -> Option<Vec<u8>> {
    let mut decoded = Decoded::default();
    bench.calm(name, "decode", || {
        codec.decode(message, &mut decoded).is_ok()
    });
    decoded.events.into_iter().find_map(|event| match event {
        CodecEvent::Audio { payload, .. } => Some(payload.to_vec()),
        _ => None,
    })
}

pub(super) fn encoded(
    bench: &Bench<'_>,
    name: &str,
    codec: &mut dyn MediaCodec,
    command: MediaCommand<'_>,
) -> Option<Result<Vec<WireMessage>>> {
    let mut out = vec![];
    let written = bench.calm(name, "encode", || codec.encode(command, &mut out))?;
    Some(written.map(|()| out))
}

pub(super) fn round_trip(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let mut noise = Noise::new(0x5eed_0004);
    let mut tried = false;
    for (message, media) in bench.media() {
        if media.said.echo.audio.is_none() {
            continue;
        }
        let Some((mut codec, start)) = started(bench, carrier, message, media) else {
            continue;
        };
        tried = true;
        let rules = start.frames;
        for bytes in [
            rules.unit_bytes(),
            rules.preferred_bytes(),
            rules.max_bytes(),
        ] {
            let audio = Bytes::from(noise.bytes(bytes));
            audio_there_and_back(bench, message, media, &mut *codec, &audio);
        }
        if start.echoes_marks {
            for name in NAMES {
                mark_there_and_back(bench, message, media, &mut *codec, name);
            }
        }
    }
    let has_stream = carrier.capabilities().can(Verb::Stream);
    let has_codec = crate::conformance::settings::has_codec(bench, carrier);
    bench.ensure(tried || !has_stream || !has_codec, "media", || {
        "no message says how audio would come back: `echo`".into()
    });
}

fn audio_there_and_back(
    bench: &Bench<'_>,
    message: &Message,
    media: &Media,
    codec: &mut dyn MediaCodec,
    audio: &Bytes,
) {
    let name = &message.name;
    let payload = STANDARD.encode(audio);
    let sent = match encoded(bench, name, codec, MediaCommand::Audio(audio)) {
        Some(Ok(sent)) => sent,
        Some(Err(error)) => return bench.fail(name, format!("audio cannot be sent: {error}")),
        None => return,
    };
    bench.ensure(sent.len() == 1, name, || {
        format!(
            "{} bytes of audio become {} messages",
            audio.len(),
            sent.len()
        )
    });
    if let (Some(template), Some(sent)) = (&media.said.sends.audio, sent.first()) {
        match captured(template, sent, "$PAYLOAD") {
            Err(why) => bench.fail(name, format!("audio is sent in another form: {why}")),
            Ok(found) => bench.ensure(found.as_deref() == Some(&payload), name, || {
                "other audio is sent than was given".into()
            }),
        }
    }
    if let Some(echo) = &media.said.echo.audio {
        let back = wire(&filled(echo, "$PAYLOAD", &payload));
        let heard = heard(bench, name, codec, back);
        bench.ensure(heard.as_deref() == Some(&audio[..]), name, || {
            "other audio is heard than was said".into()
        });
    }
}

fn mark_there_and_back(
    bench: &Bench<'_>,
    message: &Message,
    media: &Media,
    codec: &mut dyn MediaCodec,
    mark: &str,
) {
    let name = &message.name;
    let sent = match encoded(bench, name, codec, MediaCommand::Mark(mark)) {
        Some(Ok(sent)) => sent,
        Some(Err(error)) => return bench.fail(name, format!("a mark cannot be sent: {error}")),
        None => return,
    };
    let Some(sent) = sent.last() else {
        return bench.fail(name, "a mark is not sent");
    };
    if let Some(template) = &media.said.sends.mark {
        match captured(template, sent, "$NAME") {
            Err(why) => bench.fail(name, format!("a mark is sent in another form: {why}")),
            Ok(found) => bench.ensure(found.as_deref() == Some(mark), name, || {
                "another mark is sent than was given".into()
            }),
        }
    }
    let Some(echo) = &media.said.echo.mark else {
        return bench.fail(name, "it does not say how a mark comes back: `echo`");
    };
    let mut decoded = Decoded::default();
    let back = wire(&filled(echo, "$NAME", mark));
    bench.calm(name, "decode", || codec.decode(back, &mut decoded).is_ok());
    let came_back = |event: &CodecEvent| matches!(event, CodecEvent::Mark { name } if name == mark);
    bench.ensure(decoded.events.iter().any(came_back), name, || {
        "a mark does not come back as it was sent".into()
    });
}

pub(super) fn shown(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, media) in bench.media() {
        let Some(mut codec) = codec_of(bench, carrier, message, media) else {
            return;
        };
        for said in media.messages() {
            let mut decoded = Decoded::default();
            if let Err(error) = codec.decode(said, &mut decoded) {
                bench.see_error(&message.name, &error);
            }
            bench.see(&message.name, "an event of the codec", &decoded);
            bench.see(&message.name, "the codec", &codec);
        }
    }
}
