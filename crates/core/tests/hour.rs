//! An hour of audio both ways on a socket in memory: no drift, no gap, no growth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;
use support::socket::{Call, call};
use support::{Sent, narrow, secs};
use telephony_core::audio::AudioFormat;
use telephony_core::audio::tone::{tone, tone_level};
use telephony_core::audio::{SampleRate, decode, encode};
use telephony_core::media::{Heard, MediaEvent, StreamOptions};
use tokio::time::{Instant, sleep, sleep_until};

const FRAME: Duration = Duration::from_millis(20);
const HOUR: u32 = 3_600 * 50;
const APP: AudioFormat = AudioFormat::PCM16_24000;
const WIRE: AudioFormat = AudioFormat::MULAW_8000;
const HZ: f32 = 400.0;

/// A frame of a tone that has whole periods in it, so that frames join.
fn frame(format: AudioFormat) -> Vec<u8> {
    let mut audio = Vec::new();
    encode(
        format.encoding,
        &tone(format.rate, HZ, FRAME, 0.3),
        &mut audio,
    );
    audio
}

fn level(format: AudioFormat, audio: &[u8]) -> f32 {
    let mut samples = Vec::new();
    decode(format.encoding, audio, &mut samples);
    tone_level(&samples, format.rate, HZ)
}

/// What this process has in memory, in KiB, where the system tells.
fn resident() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn an_hour_has_an_hours_audio_and_memory_does_not_grow() {
    assert_eq!(APP.rate, SampleRate::HZ_24000);
    let options = StreamOptions::default().with_format(APP);
    let Call {
        stream,
        mut carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    let (mut receiver, mut sender) = stream.split();
    let playback = sender.playback();
    let began = Instant::now();

    let speaking = tokio::spawn(async move {
        let speech = bytes::Bytes::from(frame(APP));
        for _ in 0..HOUR {
            sender.send(speech.clone()).await.unwrap();
        }
        sender.finish().await.unwrap();
        sender
    });
    let listening = tokio::spawn(async move {
        let (mut bytes, mut end) = (0, Duration::ZERO);
        while let Some(event) = receiver.recv().await {
            if let MediaEvent::Audio(frame) = event {
                assert_eq!((frame.timestamp, frame.is_filler), (end, false));
                assert_eq!((frame.payload.len(), frame.lost), (960, Duration::ZERO));
                bytes += frame.payload.len();
                end = APP.duration_of(bytes);
                if bytes > 9_600 {
                    let level = level(APP, &frame.payload);
                    assert!((level - -10.46).abs() < 0.3, "{level} dBFS at {end:?}");
                }
            }
        }
        end
    });

    let voice = carrier.voice();
    let (mut bytes, mut frames) = (0, 0);
    let mut settled = None;
    for turn in 0..HOUR {
        sleep_until(began + FRAME * turn).await;
        voice.try_say(&at(turn)).await;
        for sent in carrier.heard_now() {
            let Sent::Audio(audio) = sent else { continue };
            frames += 1;
            bytes += audio.len();
            if (10..HOUR).contains(&frames) {
                let level = level(WIRE, &audio);
                assert!(
                    (level - -10.46).abs() < 0.3,
                    "{level} dBFS in message {frames}"
                );
            }
        }
        let ahead = WIRE.duration_of(bytes).saturating_sub(FRAME * turn);
        assert!(turn < 10 || (Duration::ZERO..=Duration::from_millis(220)).contains(&ahead));
        if turn == HOUR / 10 {
            settled = resident();
        }
    }
    let growth = resident().zip(settled).map(|(now, then)| now - then);
    assert!(growth.unwrap_or(0) < 2_048, "grown by {growth:?} KiB");

    sleep(secs(1)).await;
    let sender = speaking.await.unwrap();
    assert_eq!(
        playback.position().await.unwrap(),
        Heard::new(FRAME * HOUR, Duration::ZERO)
    );
    let stats = playback.stats().await.unwrap();
    assert_eq!((stats.late, stats.gaps, stats.lost), (0, 0, 0));
    voice.try_say("stop").await;
    assert_eq!(listening.await.unwrap(), FRAME * HOUR);
    drop(sender);
}

/// A frame of the tone at its time: the codec of the tests reads it as such.
fn at(turn: u32) -> String {
    format!("tone:{}", turn * 20)
}
