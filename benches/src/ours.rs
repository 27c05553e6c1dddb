//! The library's way: all that its driver does with a frame, without socket and channels.

use crate::{Carrier, FRAME, Ring, Step, pcm16, sound};
use bytes::Bytes;
use std::hint::black_box;
use std::time::Duration;
use telephony::audio::SampleRate;
use telephony::media::{MediaEvent, MediaSession, StreamOptions};

/// A stream of that carrier that has begun.
#[must_use]
pub fn session(carrier: Carrier, options: StreamOptions) -> MediaSession {
    let ticket = carrier.ticket(options.clone());
    let codec = carrier.account().media_codec(&ticket).unwrap();
    let mut session = MediaSession::new(codec, options);
    session.receive(carrier.start(), Duration::ZERO).unwrap();
    while session.next_event().is_some() {}
    session
}

/// Wire to PCM16, with everything that is on by default: order, gaps, voice.
#[must_use]
pub fn receiver(carrier: Carrier, rate: SampleRate) -> Step {
    receiver_with(
        carrier,
        StreamOptions::default().with_receive_format(pcm16(rate)),
    )
}

/// The same, without listening for a voice.
#[must_use]
pub fn deaf_receiver(carrier: Carrier, rate: SampleRate) -> Step {
    let mut options = StreamOptions::default().with_receive_format(pcm16(rate));
    options.voice = None;
    receiver_with(carrier, options)
}

fn receiver_with(carrier: Carrier, options: StreamOptions) -> Step {
    let mut session = session(carrier, options);
    let mut ring = Ring::new(carrier);
    let mut now = Duration::ZERO;
    Box::new(move || {
        now += FRAME;
        let message = ring.advance().message.clone();
        session.receive(message, now).unwrap();
        session.advance(now);
        let mut bytes = 0;
        while let Some(event) = session.next_event() {
            if let MediaEvent::Audio(frame) = black_box(event) {
                bytes += frame.payload.len();
            }
        }
        bytes
    })
}

/// PCM16 to wire, paced.
#[must_use]
pub fn sender(carrier: Carrier, rate: SampleRate) -> Step {
    let options = StreamOptions::default().with_send_format(pcm16(rate));
    let mut session = session(carrier, options);
    let audio = Bytes::from(sound(pcm16(rate)));
    let mut now = Duration::ZERO;
    Box::new(move || {
        now += FRAME;
        session.push(audio.clone(), (), now);
        session.advance(now);
        let mut bytes = 0;
        while let Some(message) = session.next_message(now) {
            bytes += black_box(message).len();
        }
        bytes
    })
}
