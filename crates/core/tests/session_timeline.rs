//! The time of what comes in: gaps, repeats, and what comes too early or too late.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use std::time::Duration;
use support::bench::Bench;
use support::{ms, narrow, secs, untouched};
use telephony_core::audio::AudioFormat;
use telephony_core::media::{AudioFrame, MediaEvent};

/// What the app got: when it begins, how many bytes, and of which byte; fillers are 255.
fn frames(bench: &mut Bench) -> Vec<(u64, usize, u8)> {
    let frames = audio(bench).into_iter().map(|frame| {
        let byte = frame.payload[0];
        assert!(frame.payload.iter().all(|other| *other == byte));
        assert_eq!(frame.is_filler, byte == 255, "{frame:?}");
        let at = u64::try_from(frame.timestamp.as_millis()).unwrap();
        (at, frame.payload.len(), byte)
    });
    frames.collect()
}

fn audio(bench: &mut Bench) -> Vec<AudioFrame> {
    let events = bench.events().into_iter().map(|event| match event {
        MediaEvent::Audio(frame) => frame,
        other => panic!("{other:?} was not expected"),
    });
    events.collect()
}

/// 20 ms at that timestamp, of that byte.
fn say(bench: &mut Bench, at: u64, byte: u8) {
    bench.say(&format!("at:{at}:160:{byte}"));
}

#[test]
fn a_gap_is_filled_with_silence_once_nothing_else_comes() {
    let mut bench = Bench::new(narrow());
    say(&mut bench, 0, 1);
    say(&mut bench, 60, 2);
    assert_eq!(frames(&mut bench), [(0, 160, 1)]);
    let due = bench.session.deadline(bench.now);
    assert_eq!(due, Some(ms(60)), "what is missing has so long to come");
    bench.run(ms(60));
    assert_eq!(
        frames(&mut bench),
        [(20, 160, 255), (40, 160, 255), (60, 160, 2)]
    );
    let stats = bench.session.stats();
    assert_eq!((stats.gaps, stats.filled), (1, ms(40)));
    say(&mut bench, 80, 3);
    assert_eq!(frames(&mut bench), [(80, 160, 3)]);
}

#[test]
fn a_gap_is_filled_when_enough_has_come_behind_it() {
    let mut bench = Bench::new(narrow());
    for at in [0, 40, 60, 80, 100] {
        say(&mut bench, at, 1);
    }
    let expected = [0, 20, 40, 60, 80, 100].map(|at| (at, 160, if at == 20 { 255 } else { 1 }));
    assert_eq!(frames(&mut bench), expected);
}

#[test]
fn what_comes_out_of_order_is_put_in_order() {
    let mut bench = Bench::new(narrow());
    for at in [0, 40, 20, 60, 120, 100, 80, 140] {
        say(&mut bench, at, u8::try_from(at).unwrap());
    }
    let expected = [0, 20, 40, 60, 80, 100, 120, 140];
    assert_eq!(
        frames(&mut bench),
        expected.map(|at| (u64::from(at), 160, at))
    );
    let stats = bench.session.stats();
    assert_eq!((stats.reordered, stats.gaps, stats.late_in), (3, 0, 0));
}

#[test]
fn what_comes_twice_is_heard_once() {
    let mut bench = Bench::new(narrow());
    for at in [0, 0, 20, 0, 20, 60, 60, 40] {
        say(&mut bench, at, 1);
    }
    assert_eq!(frames(&mut bench), [0, 20, 40, 60].map(|at| (at, 160, 1)));
    assert_eq!(bench.session.stats().duplicates, 4);
}

#[test]
fn what_comes_after_its_place_was_filled_is_dropped_and_counted() {
    let mut bench = Bench::new(narrow());
    say(&mut bench, 0, 1);
    say(&mut bench, 40, 1);
    bench.run(ms(100));
    say(&mut bench, 20, 9);
    assert_eq!(
        frames(&mut bench),
        [(0, 160, 1), (20, 160, 255), (40, 160, 1)]
    );
    assert_eq!(bench.session.stats().late_in, 1);
}

#[test]
fn a_long_gap_is_filled_up_to_the_bound_and_the_clock_is_right_again() {
    let mut options = untouched();
    options.max_gap = ms(50);
    let mut bench = Bench::with_options(narrow(), options);
    say(&mut bench, 0, 1);
    say(&mut bench, 3_600_000, 2);
    bench.run(ms(100));
    assert_eq!(
        frames(&mut bench),
        [
            (0, 160, 1),
            (20, 160, 255),
            (40, 160, 255),
            (60, 80, 255),
            (3_600_000, 160, 2)
        ]
    );
    assert_eq!(bench.session.stats().filled, ms(50));
}

#[test]
fn the_first_audio_is_no_gap() {
    let mut bench = Bench::new(narrow());
    say(&mut bench, 96, 1);
    say(&mut bench, 116, 2);
    assert_eq!(frames(&mut bench), [(96, 160, 1), (116, 160, 2)]);
}

#[test]
fn timestamps_that_wobble_leave_the_audio_as_it_is() {
    let mut bench = Bench::new(narrow());
    for turn in 0..1_000 {
        say(&mut bench, turn * 20 + turn * 7 % 9, 1);
    }
    let frames = frames(&mut bench);
    assert_eq!(frames.len(), 1_000);
    assert_eq!(frames[999], (999 * 20, 160, 1));
}

#[test]
fn audio_that_is_longer_than_its_time_is_not_cut() {
    let mut bench = Bench::new(narrow());
    for turn in 0..1_000 {
        say(&mut bench, turn * 19, 1);
    }
    assert_eq!(frames(&mut bench).len(), 1_000);
}

#[test]
fn timestamps_that_begin_anew_are_followed_from_there() {
    let mut bench = Bench::new(narrow());
    for at in [10_000, 10_020, 0, 20, 60, 40, 80] {
        say(&mut bench, at, 1);
    }
    let expected = [0, 20, 40, 60, 80, 100, 120].map(|at| (10_000 + at, 160, 1));
    assert_eq!(frames(&mut bench), expected);
}

#[test]
fn timestamps_that_stand_still_keep_nobody_from_being_heard() {
    let mut bench = Bench::new(narrow());
    for _ in 0..100 {
        say(&mut bench, 0, 1);
    }
    assert!(frames(&mut bench).len() > 90);
}

#[test]
fn without_timestamps_what_pauses_is_filled_up_and_what_is_late_is_not() {
    let mut bench = Bench::new(narrow());
    bench.jump(secs(7));
    let audio_at = |bench: &mut Bench, at: Duration| {
        bench.jump(at);
        let frames = bench.hear([1; 160].to_vec());
        let lengths = frames.into_iter().map(|event| match event {
            MediaEvent::Audio(frame) => (frame.timestamp, frame.is_filler),
            other => panic!("{other:?}"),
        });
        lengths.collect::<Vec<_>>()
    };
    assert_eq!(audio_at(&mut bench, secs(7)), [(ms(0), false)]);
    // A network that holds back 900 ms, then hands it over at once.
    assert_eq!(audio_at(&mut bench, ms(7_920)), [(ms(20), false)]);
    for turn in 2..46 {
        assert_eq!(audio_at(&mut bench, ms(7_920)), [(ms(20) * turn, false)]);
    }
    // A caller who was muted for two seconds.
    let after = audio_at(&mut bench, ms(9_920));
    assert_eq!(after.last(), Some(&(ms(2_920), false)));
    assert_eq!(after.iter().filter(|(_, filler)| *filler).count(), 100);
}

#[test]
fn silence_that_fills_is_in_the_apps_format() {
    let options = untouched().with_receive_format(AudioFormat::PCM16_24000);
    let mut bench = Bench::with_options(narrow(), options);
    say(&mut bench, 0, 255);
    say(&mut bench, 40, 255);
    bench.run(ms(100));
    let frames = audio(&mut bench);
    assert_eq!(frames.len(), 3);
    assert!(frames.iter().all(|frame| frame.payload == [0; 960][..]));
}

#[test]
fn what_waits_for_its_time_is_heard_when_the_stream_ends() {
    let mut bench = Bench::new(narrow());
    say(&mut bench, 0, 1);
    say(&mut bench, 40, 1);
    bench.session.end();
    assert_eq!(frames(&mut bench).len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Whatever a carrier loses, repeats and mixes up, the app's audio has no seam and is as long as the call.
    #[test]
    fn the_apps_clock_and_the_calls_clock_agree(
        fates in prop::collection::vec((0_u8..8, 0_u64..3), 1..200),
    ) {
        let mut order: Vec<(u64, u64)> = Vec::new();
        for (turn, (fate, shift)) in fates.iter().enumerate() {
            let at = turn as u64;
            match fate {
                0 => {}
                1 => order.extend([(at, at), (at + shift, at)]),
                2 => order.push((at + shift, at)),
                _ => order.push((at, at)),
            }
        }
        order.sort();
        prop_assume!(!order.is_empty());
        let first = order[0].1;
        let last = order.iter().map(|(_, at)| *at).max().unwrap();
        let mut bench = Bench::new(narrow());
        for (turn, at) in &order {
            bench.run(ms(turn * 20).max(bench.now));
            say(&mut bench, at * 20, u8::try_from(at % 250).unwrap());
        }
        bench.run(bench.now + secs(1));
        let heard = frames(&mut bench);
        let mut end = first * 20;
        for (at, bytes, byte) in heard {
            prop_assert_eq!(at, end);
            prop_assert!(byte == 255 || u64::from(byte) == at / 20 % 250, "at {}", at);
            end = at + bytes as u64 / 8;
        }
        prop_assert_eq!(end, (last + 1) * 20);
    }
}
