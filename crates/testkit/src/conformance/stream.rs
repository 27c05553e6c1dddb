//! Rules about a stream: frames, clear, marks, and its life.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use telephony_core::media::{
    AppFormat, MarkOutcome, MediaCommand, MediaEvent, MediaSession, StreamOptions, StreamTicket,
    Streamer, WireMessage,
};
use telephony_core::{Clear, ErrorKind, Marks, Result, Telephony};

use crate::conformance::bench::Bench;
use crate::conformance::media::{codec, encoded, started, ticket};
use crate::conformance::message::{Media, Message, wire};
use crate::conformance::noise::Noise;
use crate::conformance::template::{captured, filled};
use crate::scripted::{Heard, scripted_socket};

const STEP: Duration = Duration::from_millis(5);
/// What is said in the rules about frames and clears: not a whole number of frames.
const UTTERANCE: Duration = Duration::from_millis(2013);

pub(super) fn frames(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let capabilities = carrier.capabilities();
    for (message, media) in bench.media() {
        let name = &message.name;
        let Some((_, start)) = started(bench, carrier, message, media) else {
            continue;
        };
        for format in [start.inbound, start.outbound] {
            bench.ensure(capabilities.formats.contains(&format), name, || {
                format!("the stream is {format}, which is not claimed")
            });
        }
        let rules = start.frames;
        let sample = start.outbound.encoding.bytes_per_sample();
        bench.ensure(rules.unit_bytes().is_multiple_of(sample), name, || {
            "a unit of the frame rules is no whole number of samples".into()
        });
        let Some(template) = &media.said.sends.audio else {
            continue;
        };
        let Some(mut played) = Played::start(bench, carrier, message, media) else {
            continue;
        };
        let audio = Noise::new(0x5eed_0005).bytes(start.outbound.bytes_in(UTTERANCE));
        played.session.push(audio.clone().into(), (), played.now);
        played.session.finish();
        let sent = played.run(UTTERANCE + Duration::from_secs(2));
        let mut said = vec![];
        for message in sent {
            match captured(template, &message, "$PAYLOAD") {
                Ok(Some(payload)) => {
                    let payload = STANDARD.decode(payload).unwrap_or_default();
                    let fits = payload.len().is_multiple_of(rules.unit_bytes())
                        && payload.len() <= rules.max_bytes()
                        && !payload.is_empty();
                    bench.ensure(fits, name, || {
                        format!("a message has {} bytes of audio", payload.len())
                    });
                    said.extend(payload);
                }
                _ => bench.fail(name, "something else than audio is sent"),
            }
        }
        let whole = audio.len().div_ceil(rules.unit_bytes()) * rules.unit_bytes();
        let silence = start.outbound.encoding.silence();
        let fine = said.len() == whole
            && said.starts_with(&audio)
            && said[audio.len().min(said.len())..]
                .iter()
                .all(|byte| *byte == silence);
        bench.ensure(fine, name, || {
            format!("of {} bytes {} are sent", audio.len(), said.len())
        });
    }
}

/// A session that is stepped through time.
struct Played {
    session: MediaSession<()>,
    now: Duration,
    events: VecDeque<MediaEvent>,
}

impl Played {
    fn start(
        bench: &Bench<'_>,
        carrier: &Arc<dyn Telephony>,
        message: &Message,
        media: &Media,
    ) -> Option<Self> {
        let call = media.expect.call.as_deref();
        let codec = codec(bench, carrier, &message.name, call)?.ok()?;
        let mut session = {
            // What goes out is compared with what was given, byte by byte.
            let as_it_is = StreamOptions::default().with_format(AppFormat::Carrier);
            MediaSession::new(codec, as_it_is)
        };
        for said in media.messages() {
            if session.start().is_none() {
                let _ = session.receive(said, Duration::ZERO);
            }
        }
        session.start()?;
        let mut played = Self {
            session,
            now: Duration::ZERO,
            events: VecDeque::new(),
        };
        played.run(STEP);
        Some(played)
    }

    /// Lets time pass; gives what is sent meanwhile.
    fn run(&mut self, time: Duration) -> Vec<WireMessage> {
        let mut sent = vec![];
        let until = self.now + time;
        loop {
            self.session.advance(self.now);
            while let Some(message) = self.session.next_message(self.now) {
                sent.push(message);
                self.session.advance(self.now);
            }
            while let Some(event) = self.session.next_event() {
                self.events.push_back(event);
            }
            if self.now >= until {
                return sent;
            }
            self.now += STEP;
        }
    }

    /// How that mark was settled.
    fn settled(&self, wanted: &str) -> Vec<MarkOutcome> {
        let marks = self.events.iter().filter_map(|event| match event {
            MediaEvent::Played { mark, outcome } if mark == wanted => Some(*outcome),
            _ => None,
        });
        marks.collect()
    }
}

pub(super) fn clear_and_marks(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    let capabilities = carrier.capabilities();
    for (message, media) in bench.media() {
        let name = &message.name;
        let Some((mut codec, start)) = started(bench, carrier, message, media) else {
            continue;
        };
        let echoes = capabilities.marks == Marks::Echoed;
        bench.ensure(start.echoes_marks == echoes, name, || {
            "whether marks come back is not what the capabilities say".into()
        });
        let clears = capabilities.clear != Clear::Nothing;
        bench.ensure(start.clears == clears, name, || {
            "whether audio can be cleared is not what the capabilities say".into()
        });
        match encoded(bench, name, &mut *codec, MediaCommand::Clear) {
            Some(Ok(sent)) => {
                bench.ensure(sent.is_empty() != clears, name, || {
                    format!("a clear becomes {} messages", sent.len())
                });
                if let (Some(template), Some(sent)) = (&media.said.sends.clear, sent.last())
                    && let Err(why) = captured(template, sent, "$NAME")
                {
                    bench.fail(name, format!("a clear is sent in another form: {why}"));
                }
            }
            Some(Err(error)) => {
                let fine = !clears && error.kind() == ErrorKind::Unsupported;
                bench.ensure(fine, name, || format!("a clear cannot be sent: {error}"));
            }
            None => {}
        }
        interrupted(bench, carrier, message, media);
        if echoes {
            heard_to_its_end(bench, carrier, message, media);
        }
    }
}

/// Somebody speaks while something is being said.
fn interrupted(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>, message: &Message, media: &Media) {
    let name = &message.name;
    let Some(mut played) = Played::start(bench, carrier, message, media) else {
        return;
    };
    let format = played.session.start().map(|start| start.outbound);
    let Some(format) = format else { return };
    let audio = Bytes::from(vec![0x55; format.bytes_in(UTTERANCE)]);
    let length = format.duration_of(audio.len());
    played.session.push(audio, (), played.now);
    played.session.mark("end".into());
    played.run(Duration::from_millis(600));
    let heard = played.session.clear(played.now);
    bench.ensure(heard.played + heard.dropped == length, name, || {
        format!("of {length:?} it is told that {heard:?}")
    });
    let sensible = !heard.played.is_zero() && heard.played < length;
    bench.ensure(sensible, name, || {
        format!("after 600 ms of {length:?} it is told that {heard:?}")
    });
    let after = played.run(Duration::from_secs(1));
    if let Some(template) = &media.said.sends.audio {
        let is_audio = |message: &WireMessage| captured(template, message, "$PAYLOAD").is_ok();
        bench.ensure(!after.iter().any(is_audio), name, || {
            "audio is sent after a clear".into()
        });
    }
    let settled = played.settled("end");
    bench.ensure(settled == [MarkOutcome::Cleared], name, || {
        format!("a mark behind a clear is settled as {settled:?}")
    });
}

/// A mark comes back when what lies before it was heard, and not before.
fn heard_to_its_end(
    bench: &Bench<'_>,
    carrier: &Arc<dyn Telephony>,
    message: &Message,
    media: &Media,
) {
    let name = &message.name;
    let (Some(sends), Some(echo)) = (&media.said.sends.mark, &media.said.echo.mark) else {
        return;
    };
    let Some(mut played) = Played::start(bench, carrier, message, media) else {
        return;
    };
    let Some(format) = played.session.start().map(|start| start.outbound) else {
        return;
    };
    let audio = Bytes::from(vec![0x55; format.bytes_in(Duration::from_millis(400))]);
    played.session.push(audio, (), played.now);
    played.session.mark("end".into());
    played.session.finish();
    let sent = played.run(Duration::from_millis(600));
    let on_the_wire = sent
        .iter()
        .find_map(|message| captured(sends, message, "$NAME").ok().flatten());
    let Some(mark) = on_the_wire else {
        return bench.fail(name, "a mark is not sent as it is documented");
    };
    let early = played.settled("end");
    bench.ensure(early.is_empty(), name, || {
        format!("a mark that has not come back is settled as {early:?}")
    });
    let back = wire(&filled(echo, "$NAME", &mark));
    let _ = played.session.receive(back, played.now);
    played.run(STEP);
    let settled = played.settled("end");
    bench.ensure(settled == [MarkOutcome::Reached], name, || {
        format!("a mark that came back is settled as {settled:?}")
    });
}

pub(super) fn life(bench: &Bench<'_>, carrier: &Arc<dyn Telephony>) {
    for (message, media) in bench.media() {
        let name = &message.name;
        let call = media.expect.call.as_deref();
        let Some((_, start)) = started(bench, carrier, message, media) else {
            continue;
        };
        let (Some(ours), Some(other)) = (
            ticket(bench, name, call),
            ticket(bench, name, Some("another-call")),
        ) else {
            continue;
        };
        let silent = bench.wait(name, stream(carrier, ours.clone(), vec![]));
        let kind = silent.and_then(|silent| silent.err().map(|error| error.kind()));
        bench.ensure(kind == Some(ErrorKind::Timeout), name, || {
            format!("a stream that never starts gives {kind:?}, not Timeout")
        });
        if start.call_id.is_some() {
            let foreign = bench.wait(name, stream(carrier, other, media.messages()));
            let kind = foreign.and_then(|foreign| foreign.err().map(|error| error.kind()));
            bench.ensure(kind == Some(ErrorKind::Unauthenticated), name, || {
                format!("a stream of another call gives {kind:?}, not Unauthenticated")
            });
        }
        match bench.wait(name, stream(carrier, ours, media.messages())) {
            Some(Ok(events)) => {
                let is_stop = |event: &&MediaEvent| matches!(event, MediaEvent::Stopped { .. });
                let stops = events.iter().filter(is_stop).count();
                let fine = events.first() == Some(&MediaEvent::Started)
                    && stops == 1
                    && events.last().is_some_and(|last| is_stop(&last));
                bench.ensure(fine, name, || format!("the stream's events are {events:?}"));
            }
            Some(Err(error)) => bench.fail(name, format!("the stream does not start: {error}")),
            None => {}
        }
    }
}

/// A stream on which the carrier says this and goes away, with all its events.
async fn stream(
    carrier: &Arc<dyn Telephony>,
    ticket: StreamTicket,
    said: Vec<WireMessage>,
) -> Result<Vec<MediaEvent>> {
    let (socket, mut peer) = scripted_socket(64);
    let is_silent = said.is_empty();
    let talk = async {
        for message in said {
            peer.say(message).await;
        }
        // A carrier that stays silent stays.
        while is_silent && matches!(peer.hear().await, Some(Heard::Message(_))) {}
        drop(peer);
    };
    let listen = async {
        let mut stream: Box<dyn Streamer> = carrier.streamer(socket, ticket).await?;
        let mut events = vec![];
        while let Some(event) = stream.recv().await {
            events.push(event);
        }
        Ok(events)
    };
    let (_, events) = tokio::join!(talk, listen);
    events
}
