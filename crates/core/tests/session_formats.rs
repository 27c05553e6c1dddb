//! The app's formats: it gets and gives what it asked for, whatever the carrier speaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use support::bench::Bench;
use support::{ScriptedCodec, chunky, ms, narrow, secs, untouched, wide};
use telephony_core::ErrorKind;
use telephony_core::audio::tone::{tone, tone_level};
use telephony_core::audio::{AudioFormat, Encoding, SampleRate, decode, encode};
use telephony_core::media::{
    AppFormat, Heard, MediaEvent, MediaSession, StreamOptions, StreamStart, WireMessage,
};

const FRAME: Duration = ms(20);
const RATES: [SampleRate; 4] = [
    SampleRate::HZ_8000,
    SampleRate::HZ_16000,
    SampleRate::HZ_24000,
    SampleRate::HZ_48000,
];

/// Every format that an app may ask for.
fn formats() -> impl Iterator<Item = AppFormat> {
    let encodings = [
        Encoding::Pcm16Le,
        Encoding::Pcm16Be,
        Encoding::Mulaw,
        Encoding::Alaw,
    ];
    let exact = encodings
        .into_iter()
        .flat_map(|encoding| RATES.map(|rate| AudioFormat::new(encoding, rate)));
    [AppFormat::Pcm16, AppFormat::Carrier]
        .into_iter()
        .chain(exact.map(AppFormat::Exactly))
}

fn wires() -> [StreamStart; 3] {
    [narrow(), wide(), chunky()]
}

fn sound(format: AudioFormat, hz: f32, duration: Duration) -> Vec<u8> {
    let mut audio = Vec::new();
    encode(
        format.encoding,
        &tone(format.rate, hz, duration, 0.5),
        &mut audio,
    );
    audio
}

fn samples(format: AudioFormat, audio: &[u8]) -> Vec<i16> {
    let mut samples = Vec::new();
    decode(format.encoding, audio, &mut samples);
    samples
}

/// The payloads of these events.
fn payloads(events: Vec<MediaEvent>) -> Vec<Bytes> {
    let payload = |event| match event {
        MediaEvent::Audio(frame) => Some(frame.payload),
        _ => None,
    };
    events.into_iter().filter_map(payload).collect()
}

/// A second of the tone as what the carrier plays of it: measured within, where neither beginning nor end disturbs.
fn assert_tone(format: AudioFormat, audio: &[u8], hz: f32, what: &str) {
    let samples = samples(format, audio);
    let (edge, rate) = (samples.len() / 10, format.rate);
    let level = tone_level(&samples[edge..samples.len() - edge], rate, hz);
    // Two laws of G.711 in a row are off by so much.
    assert!((level - -6.02).abs() < 0.15, "{what}: {level} dBFS");
    let crossings = samples
        .windows(2)
        .filter(|pair| pair[0] < 0 && pair[1] >= 0);
    let seconds = samples.len() as f32 / rate.hz() as f32;
    let pitch = crossings.count() as f32 / seconds;
    assert!((pitch - hz).abs() < hz / 50.0, "{what}: {pitch} Hz");
}

#[test]
fn by_default_an_app_gets_linear_samples_at_the_rate_of_the_line() {
    let mut bench = Bench::with_options(narrow(), StreamOptions::default());
    let heard = payloads(bench.hear(vec![0x80; 160]));
    assert_eq!(heard.len(), 1);
    assert_eq!(samples(AudioFormat::PCM16_8000, &heard[0]), [32_124; 160]);
    bench.push_audio([0x7C, 0x7D].repeat(160), ());
    bench.step();
    assert_eq!(bench.audio(), [0x80; 160]);
}

#[test]
fn every_20_ms_that_come_in_are_20_ms_for_the_app_and_the_tone_is_the_same() {
    for start in wires() {
        for format in formats() {
            let (wire, app) = (start.inbound, format.on(start.inbound));
            let options = untouched().with_receive_format(format);
            let mut bench = Bench::with_options(start.clone(), options);
            let mut heard = Vec::new();
            for (turn, chunk) in sound(wire, 990.0, secs(1))
                .chunks(wire.bytes_in(FRAME))
                .enumerate()
            {
                let events = bench.hear(chunk.to_vec());
                let [MediaEvent::Audio(frame)] = events.as_slice() else {
                    panic!("{events:?}");
                };
                assert_eq!(frame.payload.len(), app.bytes_in(FRAME), "{wire} to {app}");
                assert_eq!(frame.timestamp, FRAME * u32::try_from(turn).unwrap());
                heard.extend_from_slice(&frame.payload);
            }
            assert_tone(app, &heard, 990.0, &format!("{wire} to {app}"));
        }
    }
}

#[test]
fn what_the_app_says_is_played_at_its_pitch_length_and_level() {
    for start in wires() {
        for format in formats() {
            let (wire, app) = (start.outbound, format.on(start.outbound));
            let what = format!("{app} to {wire}");
            let options = untouched().with_send_format(format);
            let mut bench = Bench::with_options(start.clone(), options);
            for chunk in sound(app, 990.0, secs(1)).chunks(777) {
                bench.push_audio(chunk.to_vec(), ());
            }
            bench.finish();
            bench.run(secs(3));
            assert_eq!(bench.gaps, 0, "{what}");
            let said = bench.audio();
            // The tail of the filter is 5 ms at most, and fills up a message.
            let longest = secs(1) + wire.duration_of(start.frames.unit_bytes());
            let length = wire.duration_of(said.len());
            assert!((secs(1)..=longest).contains(&length), "{what}: {length:?}");
            let second = wire.bytes_in(secs(1));
            assert_tone(wire, &said[..second], 990.0, &what);
            assert_eq!(bench.position(), Heard::new(secs(1), ms(0)), "{what}");
        }
    }
}

#[test]
fn the_carriers_own_is_passed_on_uncopied() {
    let mut bench = Bench::with_options(narrow(), untouched());
    let message = Bytes::from(vec![7; 160]);
    let heard = payloads(bench.hear(message.clone()));
    assert_eq!(heard[0].as_ptr(), message.as_ptr());
    bench.push_audio(message.clone(), ());
    bench.step();
    let sent = bench.frames().next().unwrap();
    assert_eq!(sent.as_ptr(), message.as_ptr());
}

#[test]
fn the_end_of_an_utterance_is_not_cut_off() {
    // A click at the very end: without the filter's tail nobody would hear it.
    let mut click = vec![0; 960 - 2];
    click.extend(20_000_i16.to_le_bytes());
    let options = untouched().with_format(AudioFormat::PCM16_24000);
    let mut bench = Bench::with_options(wide(), options);
    bench.push_audio(click, ());
    bench.finish();
    bench.run(secs(1));
    let said = samples(AudioFormat::PCM16_16000, &bench.audio());
    assert_eq!(
        said.len(),
        640,
        "20 ms, and the tail in a message of its own"
    );
    let loudest = (0..said.len()).max_by_key(|at| said[*at].unsigned_abs());
    // 20 samples of the slower rate after where it lies in 16 kHz.
    assert_eq!(loudest, Some(319 + 20));
    assert_eq!(bench.position(), Heard::new(FRAME, ms(0)));
}

#[test]
fn after_a_clear_nothing_of_before_is_heard() {
    let options = untouched().with_format(AudioFormat::PCM16_24000);
    let mut bench = Bench::with_options(narrow(), options.clone());
    bench.push_audio(sound(AudioFormat::PCM16_24000, 700.0, ms(73)), ());
    bench.push_audio(vec![1], ());
    bench.step();
    let cleared = bench.clear();
    assert_eq!(cleared.played + cleared.dropped, ms(73));
    let before = bench.frames().count();
    bench.push_audio(sound(AudioFormat::PCM16_24000, 400.0, ms(60)), ());
    bench.run(secs(1));

    let mut fresh = Bench::with_options(narrow(), options);
    fresh.push_audio(sound(AudioFormat::PCM16_24000, 400.0, ms(60)), ());
    fresh.run(secs(1));
    assert_eq!(
        bench.frames().skip(before).collect::<Vec<_>>(),
        fresh.frames().collect::<Vec<_>>()
    );
}

#[test]
fn a_finished_utterance_of_less_than_a_sample_leaves_no_room_taken() {
    let options = untouched().with_format(AudioFormat::PCM16_16000);
    let mut bench = Bench::guarded(narrow(), options);
    let guard = Arc::new(());
    bench.push_audio(vec![1], Arc::clone(&guard));
    bench.finish();
    bench.step();
    assert_eq!(Arc::strong_count(&guard), 1);
    assert_eq!(bench.audio(), Vec::<u8>::new());
}

#[test]
fn a_format_that_cannot_be_made_is_refused_when_the_stream_starts() {
    let odd = AudioFormat::new(Encoding::Pcm16Le, SampleRate::new(44_100).unwrap());
    for options in [
        untouched().with_receive_format(odd),
        untouched().with_send_format(odd),
    ] {
        let mut session: MediaSession = MediaSession::new(ScriptedCodec::new(narrow()), options);
        let refused = session.receive(WireMessage::text("start"), ms(0));
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("44100 Hz"), "{error}");
    }
}

#[test]
fn audio_before_the_start_is_converted_too() {
    let options = untouched().with_format(AudioFormat::PCM16_16000);
    let mut session: MediaSession = MediaSession::new(ScriptedCodec::new(narrow()), options);
    for message in [
        WireMessage::Binary(vec![0xFF; 160].into()),
        WireMessage::text("dtmf:4"),
        WireMessage::text("start"),
    ] {
        session.receive(message, ms(0)).unwrap();
    }
    assert_eq!(session.next_event(), Some(MediaEvent::Started));
    let Some(MediaEvent::Audio(frame)) = session.next_event() else {
        panic!("no audio");
    };
    assert_eq!(frame.payload, vec![0; 640]);
    assert!(matches!(
        session.next_event(),
        Some(MediaEvent::Dtmf { digit: '4', .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    /// How the app cuts its audio makes no difference to what the carrier plays, and all of it counts.
    #[test]
    fn chunks_do_not_matter_to_what_is_played(
        wire in 0_usize..3,
        format in 0_usize..18,
        seed in any::<u64>(),
        cuts in prop::collection::vec(1_usize..2_000, 1..40),
    ) {
        let start = wires()[wire].clone();
        let format = formats().nth(format).unwrap();
        let app = format.on(start.outbound);
        let length: usize = cuts.iter().sum();
        let length = length - length % app.bytes_in(ms(1));
        let noise = noise(seed, length);
        let play = |chunks: Vec<&[u8]>| {
            let mut bench = Bench::with_options(start.clone(), untouched().with_format(format));
            for chunk in chunks {
                bench.push_audio(chunk.to_vec(), ());
            }
            bench.finish();
            bench.run(secs(30));
            (bench.audio(), bench.position())
        };
        let whole = play(vec![&noise]);
        let (mut chunks, mut rest) = (Vec::new(), noise.as_slice());
        for cut in cuts {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        let cut = play(chunks);
        prop_assert!(whole.0 == cut.0, "the audio differs");
        prop_assert_eq!(whole.1, cut.1);
        prop_assert_eq!(cut.1, Heard::new(app.duration_of(length), ms(0)));
    }

    /// How the carrier cuts its audio makes no difference to what the app hears.
    #[test]
    fn messages_do_not_matter_to_what_is_heard(
        wire in 0_usize..3,
        format in 0_usize..18,
        seed in any::<u64>(),
        cuts in prop::collection::vec(1_usize..2_000, 1..40),
    ) {
        let start = wires()[wire].clone();
        let format = formats().nth(format).unwrap();
        let noise = noise(seed, cuts.iter().sum());
        let hear = |chunks: &mut dyn Iterator<Item = Vec<u8>>| {
            let mut bench = Bench::with_options(start.clone(), untouched().with_format(format));
            let frames = chunks.flat_map(|chunk| payloads(bench.hear(chunk)));
            frames.collect::<Vec<_>>().concat()
        };
        let mut at = 0;
        let mut cut = cuts.iter().map(|cut| {
            at += cut;
            noise[at - cut..at].to_vec()
        });
        let heard = hear(&mut cut);
        prop_assert!(heard == hear(&mut std::iter::once(noise.clone())));
    }
}

/// A linear congruential generator is noise enough.
fn noise(mut state: u64, length: usize) -> Vec<u8> {
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}
