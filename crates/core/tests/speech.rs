//! The caller speaks: what the app hears of it, what it interrupts, and what follows when nobody says anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::bench::Bench;
use support::socket::{Call, Carrier, call, rest, settle};
use support::{Sent, ms, narrow, secs, untouched};
use telephony_core::audio::tone::tone;
use telephony_core::audio::{AudioFormat, Encoding, SampleRate, VoiceDetector, encode};
use telephony_core::media::{AppFormat, Heard, MarkOutcome, MediaEvent, StreamOptions};
use telephony_core::{EndReason, ErrorKind};
use tokio::time::{Instant, sleep};

const FRAME: Duration = ms(20);

fn options() -> StreamOptions {
    StreamOptions::default().with_format(AppFormat::Carrier)
}

/// 20 ms of a voice.
fn voice() -> Bytes {
    let mut audio = Vec::new();
    let samples = tone(SampleRate::HZ_8000, 300.0, FRAME, 0.3);
    encode(Encoding::Mulaw, &samples, &mut audio);
    audio.into()
}

fn silence() -> Bytes {
    AudioFormat::MULAW_8000.silence(FRAME).into()
}

fn is_audio(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Audio(_))
}

/// The caller is heard for that many frames; what else the app sees, with the number of the frame.
fn hear(bench: &mut Bench, audio: &Bytes, count: usize) -> Vec<(usize, MediaEvent)> {
    let mut seen = Vec::new();
    for turn in 1..=count {
        let events = bench.hear(audio.clone());
        seen.extend(
            events
                .into_iter()
                .filter(|event| !is_audio(event))
                .map(|event| (turn, event)),
        );
        bench.run(bench.now + FRAME);
    }
    seen
}

#[test]
fn speech_begins_after_200_ms_and_ends_after_a_pause() {
    let mut bench = Bench::with_options(narrow(), options());
    assert_eq!(hear(&mut bench, &silence(), 5), []);
    let started = hear(&mut bench, &voice(), 20);
    let (at, interrupted) = (ms(100), None);
    assert_eq!(
        started,
        [(10, MediaEvent::SpeechStarted { at, interrupted })]
    );
    let ended = hear(&mut bench, &silence(), 30);
    assert_eq!(ended, [(25, MediaEvent::SpeechEnded { at: ms(500) })]);
    assert_eq!(bench.session.stats().speeches, 1);
}

#[test]
fn a_click_interrupts_nothing_and_speech_everything() {
    let mut bench = Bench::with_options(narrow(), options().with_barge_in());
    bench.push(8_000);
    bench.mark("end");
    bench.step();
    assert_eq!(hear(&mut bench, &voice(), 5), []);
    assert_eq!(hear(&mut bench, &silence(), 5), []);
    assert_eq!(bench.clears(), 0);
    let seen = hear(&mut bench, &voice(), 12);
    // 20 frames were heard when the speech was long enough.
    let heard = Heard::new(ms(380), ms(620));
    let started = MediaEvent::SpeechStarted {
        at: ms(200),
        interrupted: Some(heard),
    };
    let mark = MediaEvent::Played {
        mark: "end".into(),
        outcome: MarkOutcome::Cleared,
    };
    assert!(seen.contains(&(10, started)), "{seen:?}");
    assert!(seen.contains(&(10, mark)), "{seen:?}");
    assert_eq!(bench.clears(), 1);
    let stats = bench.session.stats();
    assert_eq!((stats.barge_ins, stats.interruptions), (1, 1));
}

#[test]
fn without_the_option_speech_clears_nothing_and_the_app_may_at_once() {
    let mut bench = Bench::with_options(narrow(), options());
    bench.push(8_000);
    bench.step();
    let seen = hear(&mut bench, &voice(), 12);
    assert_eq!(seen.len(), 1);
    assert_eq!(bench.clears(), 0);
    assert_eq!(bench.clear(), Heard::new(ms(240), ms(760)));
}

#[test]
fn speech_over_silence_interrupts_nothing() {
    let mut bench = Bench::with_options(narrow(), options().with_barge_in());
    let seen = hear(&mut bench, &voice(), 12);
    let (at, interrupted) = (ms(0), None);
    assert_eq!(seen, [(10, MediaEvent::SpeechStarted { at, interrupted })]);
    assert_eq!(bench.session.stats().barge_ins, 0);
}

#[test]
fn a_detector_of_ones_own_decides() {
    #[derive(Debug)]
    struct Told(Arc<AtomicBool>);
    impl VoiceDetector for Told {
        fn is_voice(&mut self, _: &[i16], _: SampleRate) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }
    let told = Arc::new(AtomicBool::new(false));
    let make = {
        let told = Arc::clone(&told);
        move || Box::new(Told(Arc::clone(&told))) as Box<dyn VoiceDetector>
    };
    let mut options = options().with_voice_detector(make);
    options.voice.as_mut().unwrap().min_speech = ms(40);
    let mut bench = Bench::with_options(narrow(), options);
    assert_eq!(hear(&mut bench, &voice(), 20), []);
    told.store(true, Ordering::SeqCst);
    assert_eq!(hear(&mut bench, &silence(), 3).len(), 1);
}

#[test]
fn who_wants_no_detection_has_none() {
    let mut bench = Bench::with_options(narrow(), untouched());
    assert_eq!(hear(&mut bench, &voice(), 50), []);
    assert_eq!(bench.session.quiet_since(bench.now), None);
}

async fn speak(carrier: &Carrier, audio: Bytes, count: usize) {
    for _ in 0..count {
        carrier.speak(audio.clone()).await;
        sleep(FRAME).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_is_interrupted_by_speech() {
    let mut options = options().with_barge_in();
    options.send_queue = secs(1);
    let Call {
        stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    let (mut receiver, mut sender) = stream.split();
    let playback = sender.playback();
    let talking = tokio::spawn(async move {
        loop {
            if let Err(error) = sender.send(vec![1; 1_600].into()).await {
                return (error.kind(), sender);
            }
        }
    });
    sleep(ms(500)).await;
    speak(&carrier, voice(), 15).await;
    let (kind, mut sender) = talking.await.unwrap();
    assert_eq!(kind, ErrorKind::Interrupted);
    let interrupted = loop {
        let event = receiver.recv().await.unwrap();
        if let MediaEvent::SpeechStarted { interrupted, .. } = event {
            break interrupted.unwrap();
        }
    };
    assert_eq!(interrupted.played, ms(680));
    sender.send(vec![1; 160].into()).await.unwrap();
    assert_eq!(playback.stats().await.unwrap().barge_ins, 1);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_said_to_its_end() {
    let options = options().with_barge_in();
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    stream.send(vec![1; 8_000].into()).await.unwrap();
    stream.playback().hang_up().await.unwrap();
    let voice_of = carrier.voice();
    let played = carrier.play(AudioFormat::MULAW_8000);
    for _ in 0..15 {
        voice_of.speak(voice()).await;
        sleep(FRAME).await;
    }
    let (_, reason) = rest(stream.as_mut()).await;
    assert_eq!(reason, EndReason::App);
    drop(stream);
    let played = played.await.unwrap();
    assert_eq!(played.audio().len(), 8_000);
    assert_eq!(played.when(&Sent::Clear), None);
}

/// A caller that says nothing, keys at half time if asked to, until the stream ends: when, and why.
async fn wait_in_silence(
    options: StreamOptions,
    audio: Bytes,
    say: usize,
) -> (Duration, EndReason) {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    if say > 0 {
        stream.send(vec![1; say].into()).await.unwrap();
        stream.finish().await.unwrap();
    }
    let began = Instant::now();
    let caller = tokio::spawn(async move {
        for _ in 0..1_000 {
            carrier.voice().try_speak(audio.clone()).await;
            sleep(FRAME).await;
        }
        carrier.voice().try_say("stop").await;
        settle().await;
    });
    let (_, reason) = rest(stream.as_mut()).await;
    let after = began.elapsed();
    caller.abort();
    (after, reason)
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_says_nothing_is_not_waited_for_for_ever() {
    let mut options = options();
    options.silence_timeout = secs(5);
    let (after, reason) = wait_in_silence(options.clone(), silence(), 0).await;
    assert_eq!((after, reason), (secs(5), EndReason::Silence));
    // As long as we say something, the caller may listen.
    let (after, reason) = wait_in_silence(options.clone(), silence(), 24_000).await;
    assert_eq!((after, reason), (secs(8), EndReason::Silence));
    let (after, reason) = wait_in_silence(options.clone(), voice(), 0).await;
    assert_eq!(reason, EndReason::CarrierStopped(None), "after {after:?}");
    options.voice = None;
    let (_, reason) = wait_in_silence(options, silence(), 0).await;
    assert_eq!(reason, EndReason::CarrierStopped(None));
}

#[tokio::test(start_paused = true)]
async fn a_key_breaks_the_silence() {
    let mut options = options();
    options.silence_timeout = secs(5);
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    let began = Instant::now();
    tokio::spawn(async move {
        sleep(secs(3)).await;
        carrier.say("dtmf:1").await;
        sleep(secs(60)).await;
    });
    let (_, reason) = rest(stream.as_mut()).await;
    assert_eq!((began.elapsed(), reason), (secs(8), EndReason::Silence));
}

#[tokio::test(start_paused = true)]
async fn the_numbers_stay_when_the_stream_is_over() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options()).await;
    speak(&carrier, silence(), 7).await;
    carrier.say("surprise").await;
    carrier.say("stop").await;
    let playback = stream.playback();
    rest(stream.as_mut()).await;
    drop(stream);
    let stats = playback.stats().await.unwrap();
    assert_eq!(
        (stats.frames_in, stats.bytes_in, stats.ignored),
        (7, 7 * 160, 1)
    );
}
