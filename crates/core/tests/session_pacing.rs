//! How audio goes out: whole messages, in real time, never far ahead of what is played.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use support::bench::Bench;
use support::{assert_audio, chunky, ms, narrow, secs, speech, untouched, wide, without_echo};
use telephony_core::audio::Encoding;
use telephony_core::media::{MediaSession, StreamOptions, StreamStart};

/// Chunks that fit no message.
const ODD_CHUNKS: &[usize] = &[1, 7, 159, 160, 161, 319, 1_000, 3, 3_201, 62];

fn options(lead: Duration) -> StreamOptions {
    let mut options = untouched();
    options.lead = lead;
    options
}

#[test]
fn chunks_of_any_size_become_whole_messages() {
    for start in [narrow(), wide(), chunky()] {
        let rules = start.frames;
        let silence = start.outbound.encoding.silence();
        let mut bench = Bench::new(start);
        for len in ODD_CHUNKS {
            bench.push(*len);
        }
        bench.finish();
        bench.run(secs(5));

        for size in bench.sizes() {
            assert_eq!(size % rules.unit_bytes(), 0, "{rules:?}");
            assert!(size <= rules.preferred_bytes(), "{size} in {rules:?}");
        }
        let pushed = bench.pushed();
        let audio = bench.audio();
        let (said, padding) = audio.split_at(pushed.len());
        assert_audio(said, &pushed);
        assert!(padding.len() < rules.unit_bytes());
        assert!(padding.iter().all(|byte| *byte == silence), "{rules:?}");
        let stats = bench.session.stats();
        assert_eq!(stats.frames_out, bench.sizes().len() as u64);
        assert_eq!(stats.bytes_out, audio.len() as u64);
    }
}

#[test]
fn the_lead_is_filled_at_once_and_never_exceeded() {
    for (start, at_once) in [
        (narrow(), vec![160; 10]),
        (wide(), vec![640; 10]),
        // Two messages where a message is longer than half of the lead.
        (chunky(), vec![3_200; 2]),
    ] {
        let mut bench = Bench::new(start.clone());
        bench.push(40 * 3_200);
        bench.step();
        assert_eq!(bench.sizes(), at_once);

        let message = start.outbound.duration_of(at_once[0]);
        bench.jump(message - Duration::from_nanos(1));
        bench.step();
        assert_eq!(
            bench.sizes(),
            at_once,
            "nothing goes out before its time comes"
        );
        bench.jump(message);
        bench.step();
        assert_eq!(bench.sizes().len(), at_once.len() + 1);

        bench.finish();
        bench.run(secs(30));
        assert_eq!(bench.longest_lead, message * at_once.len() as u32);
        assert_eq!(bench.gaps, 0);
    }
}

#[test]
fn a_carrier_may_ask_for_a_shorter_lead() {
    let mut start = narrow();
    start.max_lead = Some(ms(60));
    let mut bench = Bench::with_options(start, options(secs(5)));
    bench.push(8_000);
    bench.run(secs(2));
    assert_eq!(bench.longest_lead, ms(60));
    assert_eq!(bench.gaps, 0);

    // Less than one message would be nothing at all.
    let mut start = narrow();
    start.max_lead = Some(ms(5));
    let mut bench = Bench::new(start);
    bench.push(1_600);
    bench.run(secs(1));
    assert_eq!(bench.longest_lead, ms(20));
    assert_eq!(bench.sizes(), [160; 10]);
}

#[test]
fn a_minute_takes_a_minute() {
    for start in [narrow(), wide(), chunky()] {
        let minute = start.outbound.bytes_in(secs(60));
        let mut bench = Bench::new(start);
        bench.push(minute);
        bench.finish();
        bench.run(secs(70));
        assert_eq!(bench.carrier_end, secs(60));
        assert_eq!(bench.gaps, 0);
        assert_eq!(bench.session.stats().late, 0);
        let (last, _) = bench.sent.last().unwrap();
        assert_eq!(*last, secs(60) - bench.longest_lead);
    }
}

#[test]
fn a_live_source_is_passed_on_without_delay() {
    // 20 ms each 20 ms, up to 9 ms late and never early.
    let mut bench = Bench::new(narrow());
    for turn in 0..500 {
        bench.run(ms(turn * 20 + turn * 7 % 10));
        bench.push(160);
        bench.step();
        assert_eq!(bench.sizes().len() as u64, turn + 1);
    }
    assert!(bench.longest_lead <= ms(40), "{:?}", bench.longest_lead);
    assert_eq!(bench.session.stats().late, 0, "nothing was there in time");
}

#[test]
fn a_late_timer_catches_up_and_is_counted() {
    let mut bench = Bench::new(narrow());
    bench.push(16_000);
    bench.step();
    assert_eq!(bench.sizes().len(), 10);

    // Late, but the carrier still has something: nobody notices.
    bench.jump(ms(150));
    bench.step();
    assert_eq!(bench.sizes().len(), 17);
    assert_eq!((bench.gaps, bench.session.stats().late), (0, 0));

    // Too late: the carrier has been silent for 160 ms.
    bench.jump(ms(500));
    bench.step();
    assert_eq!(
        bench.sizes().len(),
        27,
        "the lead is filled again, not the gap"
    );
    assert_eq!((bench.gaps, bench.session.stats().late), (1, 1));

    bench.run(secs(5));
    assert_eq!((bench.gaps, bench.session.stats().late), (1, 1));
    assert_eq!(bench.carrier_end, secs(2) + ms(160));
    assert_eq!(bench.longest_lead, ms(200));
}

#[test]
fn a_timer_that_is_always_late_does_not_slow_the_audio() {
    let mut bench = Bench::new(narrow());
    bench.push(8_000 * 60);
    bench.finish();
    bench.run_late(secs(70), ms(15));
    assert_eq!(bench.carrier_end, secs(60));
    assert_eq!((bench.gaps, bench.session.stats().late), (0, 0));
}

#[test]
fn audio_that_comes_late_is_not_the_timers_fault() {
    let mut bench = Bench::new(narrow());
    bench.push(160);
    bench.run(ms(500));
    bench.push(160);
    bench.step();
    assert_eq!(bench.gaps, 1);
    assert_eq!(bench.session.stats().late, 0);

    // Also if a part of a message was there: it waited for more, not for the timer.
    let mut bench = Bench::new(narrow());
    bench.push(170);
    bench.run(ms(500));
    assert_eq!(bench.sizes(), [160, 160]);
    assert_eq!(bench.session.stats().late, 0);
}

#[test]
fn the_tail_is_padded_at_once_when_the_utterance_is_over() {
    for (start, len, sizes) in [
        (narrow(), 161, vec![160, 160]),
        (wide(), 100, vec![640]),
        // Padded to the next multiple, not to the preferred size.
        (chunky(), 3_201, vec![3_200, 320]),
    ] {
        let mut bench = Bench::new(start);
        bench.push(len);
        bench.finish();
        bench.step();
        assert_eq!(bench.sizes(), sizes);
    }
}

#[test]
fn nothing_is_padded_without_a_tail() {
    let mut bench = Bench::new(narrow());
    bench.finish();
    bench.run(secs(1));
    assert!(bench.sent.is_empty());

    bench.push(320);
    bench.finish();
    bench.finish();
    bench.run(secs(2));
    assert_eq!(bench.sizes(), [160, 160]);
    assert_eq!(
        bench.session.deadline(bench.now),
        None,
        "nothing is to be done"
    );
}

#[test]
fn a_tail_waits_for_more_audio_but_not_for_long() {
    let mut bench = Bench::new(narrow());
    bench.push(100);
    bench.run(ms(59));
    assert!(bench.sent.is_empty(), "more may come");
    bench.push(30);
    bench.run(ms(118));
    assert!(
        bench.sent.is_empty(),
        "the wait begins anew with each chunk"
    );
    bench.run(ms(119));
    assert_eq!(bench.sizes(), [160], "130 bytes and silence");

    bench.push(100);
    bench.run(ms(150));
    bench.push(60);
    bench.step();
    assert_eq!(bench.sizes(), [160, 160]);
    let audio = bench.audio();
    assert_audio(&audio[..130], &bench.pushed()[..130]);
    assert!(audio[130..160].iter().all(|byte| *byte == 0xFF));
    assert_audio(&audio[160..], &bench.pushed()[130..]);
}

#[test]
fn a_tail_keeps_the_pace_too() {
    let mut bench = Bench::new(narrow());
    bench.push(1_600 + 80);
    bench.finish();
    bench.step();
    assert_eq!(bench.sizes().len(), 10, "the lead is full without the tail");
    bench.run(secs(1));
    assert_eq!(bench.sizes().len(), 11);
    assert_eq!(bench.longest_lead, ms(200));
    assert_eq!(bench.sent.last().unwrap().0, ms(20));
}

#[test]
fn room_is_given_back_when_a_chunk_has_gone_out() {
    let mut bench: Bench<Arc<()>> = Bench::guarded(narrow(), untouched());
    let guard = Arc::new(());
    for _ in 0..3 {
        bench.push_guarded(1_600, Arc::clone(&guard));
    }
    bench.step();
    assert_eq!(
        Arc::strong_count(&guard),
        3,
        "the first chunk is the lead; two are left"
    );
    bench.run(ms(390));
    assert_eq!(Arc::strong_count(&guard), 2);
    bench.clear();
    assert_eq!(Arc::strong_count(&guard), 1);
    bench.push_guarded(16_000, Arc::clone(&guard));
    bench.session.end();
    assert_eq!(Arc::strong_count(&guard), 1);
}

#[test]
fn nothing_is_sent_before_the_start() {
    let codec = support::ScriptedCodec::new(narrow());
    let mut session = MediaSession::new(codec, untouched());
    let guard = Arc::new(());
    session.push(speech(0, 1_600), Arc::clone(&guard), ms(0));
    assert_eq!(Arc::strong_count(&guard), 1, "it is dropped");
    session.finish();
    session.mark("early".into());
    session.advance(ms(1_000));
    assert!(!session.has_message());
    assert_eq!(session.deadline(ms(0)), None);
    assert!(session.start().is_none());
}

#[test]
fn few_messages_wait_for_the_socket() {
    // A long lead and a socket that takes nothing: what waits there could not be cleared at the carrier.
    let mut bench = Bench::with_options(narrow(), options(secs(10)));
    bench.push(80_000);
    let mut waiting = 0;
    bench.session.advance(bench.now);
    while bench.session.next_message(bench.now).is_some() {
        waiting += 1;
    }
    assert!((1..=32).contains(&waiting), "{waiting} messages");
}

#[test]
fn a_blocked_socket_does_not_lengthen_the_lead() {
    let mut bench = Bench::new(chunky());
    bench.push(10 * 16_000);
    for now in (0..3_000).step_by(20) {
        bench.jump(ms(now));
        bench.session.advance(bench.now);
    }
    bench.run(secs(3));
    assert!(
        bench.longest_lead <= ms(400),
        "{:?} at the carrier",
        bench.longest_lead
    );
}

fn any_start() -> impl Strategy<Value = StreamStart> {
    prop_oneof![Just(narrow()), Just(wide()), Just(chunky())]
}

#[derive(Debug, Clone)]
enum Turn {
    Push(usize),
    /// Lets a timer that is on time run for so long.
    Run(Duration),
    /// The timer fires only after so long.
    Jump(Duration),
    Finish,
    Mark,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => (1usize..9_000).prop_map(Turn::Push),
        1 => (1usize..64).prop_map(Turn::Push),
        3 => (0u64..400_000).prop_map(|us| Turn::Run(Duration::from_micros(us))),
        2 => (0u64..400_000).prop_map(|us| Turn::Jump(Duration::from_micros(us))),
        1 => Just(Turn::Finish),
        1 => Just(Turn::Mark),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn no_byte_is_lost_or_out_of_order_whatever_the_chunks_and_timers(
        start in any_start(),
        echoes in any::<bool>(),
        turns in prop::collection::vec(any_turn(), 1..60),
    ) {
        let start = if echoes { start } else { without_echo(start) };
        let (format, rules) = (start.outbound, start.frames);
        prop_assert!(matches!(format.encoding, Encoding::Mulaw | Encoding::Pcm16Le));
        let lead = ms(200).max(format.duration_of(rules.preferred_bytes()) * 2);
        let mut bench = Bench::new(start);
        for turn in turns {
            match turn {
                Turn::Push(len) => bench.push(len),
                Turn::Run(time) => bench.run(bench.now + time),
                Turn::Jump(time) => {
                    bench.jump(bench.now + time);
                    bench.step();
                }
                Turn::Finish => bench.finish(),
                Turn::Mark => bench.mark("m"),
            }
        }
        bench.finish();
        bench.run(bench.now + secs(200));

        let said: Vec<u8> = bench.audio().into_iter().filter(|byte| !matches!(byte, 0 | 0xFF)).collect();
        prop_assert!(said == bench.pushed(), "{} bytes for {}", said.len(), bench.pushed().len());
        prop_assert!(bench.sizes().iter().all(|size| size % rules.unit_bytes() == 0 && *size <= rules.preferred_bytes()));
        prop_assert!(bench.longest_lead <= lead, "{:?}", bench.longest_lead);
    }
}
