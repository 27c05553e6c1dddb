//! Tones through whole calls, on every carrier, at every rate of its line and in every format that an app may ask for: at
//! both ends the tone has the right pitch, length and level.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod support;

use futures_util::StreamExt as _;
use std::time::Duration;
use support::{call, settings, start_with};
use telephony::audio::tone::{tone, tone_level};
use telephony::audio::{AudioFormat, SampleRate, decode, encode};
use telephony::media::{AppFormat, Heard, MediaEvent, StreamOptions, StreamStats, Streamer};
use telephony::{
    Answer, BoxError, CallHandler, CallRecord, IncomingCall, Ports, Provider, ServerOptions,
};
use telephony_testkit::{Script, Speech};
use tokio::sync::mpsc;

/// What the caller says, and what the app.
const CALLER_HZ: f32 = 500.0;
const APP_HZ: f32 = 800.0;
const CALLER_SPEAKS: Duration = Duration::from_millis(600);
const APP_SPEAKS: Duration = Duration::from_millis(1000);
/// Half of full scale, in dBFS.
const LEVEL: f32 = -6.02;

/// What the app made of a call.
#[derive(Debug)]
struct Report {
    inbound: AudioFormat,
    wire: AudioFormat,
    samples: Vec<i16>,
    heard: Heard,
    stats: StreamStats,
}

/// Listens for a second, then says a tone in pieces of odd sizes and hangs up.
#[derive(Debug)]
struct App {
    format: AppFormat,
    reports: mpsc::UnboundedSender<Report>,
}

#[async_trait::async_trait]
impl CallHandler for App {
    async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
        Ok(Answer::stream())
    }

    fn stream_options(&self, _call: &CallRecord, options: StreamOptions) -> StreamOptions {
        options.with_format(self.format)
    }

    async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
        let (inbound, outbound) = (stream.context().inbound, stream.context().outbound);
        let wire = stream.context().wire_inbound;
        let mut audio = Vec::new();
        while audio.len() < inbound.bytes_in(Duration::from_secs(1)) {
            match stream.recv().await {
                Some(MediaEvent::Audio(frame)) => audio.extend_from_slice(&frame.payload),
                Some(_) => {}
                None => return,
            }
        }
        let mut speech = Vec::new();
        let sound = tone(outbound.rate, APP_HZ, APP_SPEAKS, 0.5);
        encode(outbound.encoding, &sound, &mut speech);
        for chunk in speech.chunks(1_111) {
            stream.send(chunk.to_vec().into()).await.unwrap();
        }
        stream.finish().await.unwrap();
        let playback = stream.playback();
        assert!(
            playback
                .wait_until_played(Duration::from_secs(10))
                .await
                .unwrap()
        );
        let mut samples = Vec::new();
        decode(inbound.encoding, &audio, &mut samples);
        let report = Report {
            inbound,
            wire,
            samples,
            heard: playback.position().await.unwrap(),
            stats: playback.stats().await.unwrap(),
        };
        self.reports.send(report).unwrap();
    }
}

/// The tone in what was heard: how long, how loud at its loudest, at which pitch.
fn measure(samples: &[i16], rate: SampleRate, hz: f32) -> (Duration, f32, f32) {
    let window = rate.hz() as usize / 50;
    let levels: Vec<f32> = samples
        .chunks_exact(window)
        .map(|frame| tone_level(frame, rate, hz))
        .collect();
    let is_loud = |level: &f32| *level > LEVEL - 6.0;
    let loud = levels.iter().filter(|level| is_loud(level)).count();
    let first = levels.iter().position(is_loud).unwrap_or(0);
    // Between the edges.
    let inner = &samples[(first + 2) * window..(first + loud.max(5) - 2) * window];
    let rising = inner.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0);
    let pitch = rising.count() as f32 * rate.hz() as f32 / inner.len() as f32;
    let loudest = levels.into_iter().fold(f32::MIN, f32::max);
    let length = Duration::from_millis(20) * u32::try_from(loud).unwrap();
    (length, loudest, pitch)
}

fn assert_tone(what: &str, samples: &[i16], rate: SampleRate, hz: f32, wanted: Duration) {
    let (length, level, pitch) = measure(samples, rate, hz);
    assert!(
        length.abs_diff(wanted) <= Duration::from_millis(60),
        "{what}: {length:?} of {hz} Hz instead of {wanted:?}"
    );
    assert!((level - LEVEL).abs() < 0.7, "{what}: {level} dBFS");
    assert!((pitch - hz).abs() < hz / 20.0, "{what}: {pitch} Hz");
}

async fn try_call(provider: Provider, rate: u32, format: AppFormat) {
    let (reports, mut sees) = mpsc::unbounded_channel();
    let house = start_with(App { format, reports }, ServerOptions::default()).await;
    if provider != Provider::Twilio {
        let settings = settings(provider).with("media_rate", rate.to_string());
        let account = provider.open(None, settings, &Ports::default()).unwrap();
        house.server.add_account(account);
    }
    let script = Script::new()
        .speak(Speech::tone(f64::from(CALLER_HZ), CALLER_SPEAKS))
        .wait_for_hang_up(Duration::from_secs(20));
    let outcome = call(provider, &house.url).script(script).call().await;
    let complaints: Vec<_> = outcome.errors().collect();
    assert!(complaints.is_empty(), "{provider}: {complaints:?}");
    let report = sees.recv().await.unwrap();
    let what = format!("{provider} at {} as {}", report.wire, report.inbound);
    assert_eq!(
        (report.inbound, report.wire.rate.hz(), outcome.heard_rate),
        (format.on(report.wire), rate, rate),
        "{what}"
    );
    let rate = report.inbound.rate;
    let app_heard = format!("{what}, the app");
    assert_tone(&app_heard, &report.samples, rate, CALLER_HZ, CALLER_SPEAKS);
    let rate = SampleRate::new(outcome.heard_rate).unwrap();
    let caller_heard = format!("{what}, the caller");
    assert_tone(&caller_heard, &outcome.heard, rate, APP_HZ, APP_SPEAKS);
    assert_eq!(
        report.heard,
        Heard::new(APP_SPEAKS, Duration::ZERO),
        "{what}"
    );
    let stats = report.stats;
    assert_eq!(
        (stats.gaps, stats.duplicates, stats.late_in, stats.lost),
        (0, 0, 0, 0),
        "{what}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tones_keep_pitch_length_and_level_on_every_carrier_in_every_format() {
    let lines = [
        (Provider::Twilio, 8_000),
        (Provider::Vonage, 8_000),
        (Provider::Vonage, 16_000),
        (Provider::Vonage, 24_000),
        (Provider::Exotel, 8_000),
        (Provider::Exotel, 16_000),
        (Provider::Exotel, 24_000),
    ];
    let formats = [
        AppFormat::Pcm16,
        AppFormat::Carrier,
        AppFormat::Exactly(AudioFormat::MULAW_8000),
        AppFormat::Exactly(AudioFormat::PCM16_8000),
        AppFormat::Exactly(AudioFormat::PCM16_16000),
        AppFormat::Exactly(AudioFormat::PCM16_24000),
        AppFormat::Exactly(AudioFormat::new(
            telephony::audio::Encoding::Pcm16Le,
            SampleRate::HZ_48000,
        )),
    ];
    let calls = lines.into_iter().flat_map(|(provider, rate)| {
        formats.map(|format| tokio::spawn(try_call(provider, rate, format)))
    });
    // Spawned as there is room, so that a busy machine is not made late by the test itself.
    let mut calls = futures_util::stream::iter(calls).buffer_unordered(12);
    while let Some(done) = calls.next().await {
        done.unwrap();
    }
}
