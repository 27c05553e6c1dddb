//! Interruptions: what is dropped, what the carrier is told, and what the caller has heard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use std::time::Duration;
use support::bench::Bench;
use support::{ScriptedCodec, Sent, chunky, ms, narrow, secs, untouched, wide, without_echo};
use telephony_core::Result;
use telephony_core::media::{Decoded, Heard, MediaCodec, MediaCommand, MediaSession, WireMessage};

fn heard(played: Duration, dropped: Duration) -> Heard {
    Heard::new(played, dropped)
}

#[test]
fn a_clear_before_any_audio_does_nothing() {
    let mut session: MediaSession = MediaSession::new(ScriptedCodec::new(narrow()), untouched());
    assert_eq!(session.clear(ms(5)), Heard::default());
    assert!(!session.has_message(), "there is nobody to tell");

    let mut bench = Bench::new(narrow());
    bench.jump(ms(500));
    assert_eq!(bench.clear(), Heard::default());
    bench.run(secs(1));
    assert!(bench.sent.is_empty());
    assert_eq!(bench.session.stats().interruptions, 0);

    // And the next utterance is as if nothing had been.
    bench.push(1_600);
    bench.step();
    assert_eq!(bench.sizes(), [160; 10]);
}

#[test]
fn a_clear_drops_what_is_here_and_tells_the_carrier() {
    let mut bench = Bench::new(narrow());
    bench.push(8_000);
    bench.run(ms(300));
    let before = bench.sizes().len();
    assert_eq!(bench.clear(), heard(ms(300), ms(700)));
    bench.run(secs(5));
    assert_eq!(bench.sizes().len(), before, "no audio after a clear");
    assert_eq!(bench.sent.last(), Some(&(ms(300), Sent::Clear)));
    assert_eq!(bench.session.deadline(bench.now), None);
    assert_eq!(bench.session.stats().interruptions, 1);
}

#[test]
fn of_two_clears_in_a_row_the_second_does_nothing() {
    let mut bench = Bench::new(wide());
    bench.push(32_000);
    bench.run(ms(100));
    assert_eq!(bench.clear(), heard(ms(100), ms(900)));
    assert_eq!(bench.clear(), Heard::default());
    bench.run(ms(400));
    assert_eq!(bench.clear(), Heard::default());
    bench.step();
    assert_eq!(bench.clears(), 1);
    assert_eq!(bench.session.stats().interruptions, 1);
}

#[test]
fn audio_that_never_left_us_needs_no_message() {
    let mut bench = Bench::new(narrow());
    bench.push(100);
    bench.step();
    assert_eq!(bench.clear(), heard(ms(0), Duration::from_micros(12_500)));
    bench.run(secs(1));
    assert!(bench.sent.is_empty());
}

#[test]
fn what_was_played_to_the_end_is_not_dropped() {
    // The mark proves it: the carrier has nothing.
    let mut bench = Bench::new(narrow());
    bench.push(1_600);
    bench.mark("end");
    bench.run(ms(230));
    bench.echo(0);
    assert_eq!(bench.clear(), heard(ms(200), ms(0)));
    bench.step();
    assert_eq!(bench.clears(), 0);

    // Nobody has told: it may still play the last of it.
    let mut bench = Bench::new(narrow());
    bench.push(1_600);
    bench.run(ms(230));
    assert_eq!(bench.clear(), heard(ms(200), ms(0)));
    bench.step();
    assert_eq!(bench.clears(), 1);
    assert_eq!(
        bench.session.stats().interruptions,
        0,
        "nothing was stopped"
    );
}

#[test]
fn messages_that_wait_for_the_socket_are_taken_back() {
    let mut bench = Bench::new(narrow());
    bench.push(8_000);
    bench.mark("end");
    bench.session.advance(ms(0));
    for _ in 0..3 {
        let taken = bench.session.next_message(bench.now).map(Sent::read);
        assert!(matches!(taken, Some(Sent::Audio(_))));
    }
    // 60 ms have left us; however late it is, no more can have been heard.
    bench.jump(ms(500));
    assert_eq!(bench.position(), heard(ms(60), ms(940)));
    assert_eq!(bench.clear(), heard(ms(60), ms(940)));
    bench.step();
    assert_eq!(bench.sent, [(ms(500), Sent::Clear)]);
}

#[test]
fn a_mark_that_waits_for_the_socket_is_taken_back_too() {
    let mut bench = Bench::new(narrow());
    bench.push(160);
    bench.mark("end");
    bench.say("ping");
    bench.session.advance(ms(0));
    bench.clear();
    bench.step();
    let sent: Vec<_> = bench.sent.iter().map(|(_, sent)| sent.clone()).collect();
    assert!(
        sent.contains(&Sent::Other("pong".into())),
        "what the protocol demands stays"
    );
    assert!(
        !sent
            .iter()
            .any(|sent| matches!(sent, Sent::Audio(_) | Sent::Mark(_))),
        "{sent:?}"
    );
}

#[test]
fn a_mark_and_the_time_since_tell_what_was_heard() {
    let mut bench = Bench::new(narrow());
    bench.push(800);
    bench.mark("after 100 ms");
    bench.push(7_200);
    // The carrier is 80 ms behind what we thought.
    bench.run(ms(180));
    bench.echo(0);
    assert_eq!(bench.position(), heard(ms(100), ms(900)));
    bench.run(ms(230));
    assert_eq!(bench.position(), heard(ms(150), ms(850)));
    assert_eq!(bench.clear(), heard(ms(150), ms(850)));

    // Or ahead of it.
    let mut bench = Bench::new(narrow());
    bench.push(800);
    bench.mark("after 100 ms");
    bench.push(7_200);
    bench.run(ms(70));
    bench.echo(0);
    bench.run(ms(120));
    assert_eq!(bench.clear(), heard(ms(150), ms(850)));
}

#[test]
fn a_mark_proves_no_more_than_was_sent_after_it() {
    let mut bench = Bench::new(narrow());
    bench.push(800);
    bench.mark("after 100 ms");
    bench.push(80);
    bench.run(ms(40));
    bench.echo(0);
    bench.jump(ms(45));
    assert_eq!(bench.position(), heard(ms(100), ms(10)));
    bench.jump(ms(59));
    let tail = bench.position();
    assert_eq!(
        (tail.played, tail.dropped),
        (ms(100), ms(10)),
        "the tail has not been sent"
    );
}

#[test]
fn lengths_are_exact_to_the_sample_and_whole_milliseconds_round_down() {
    let mut bench = Bench::new(narrow());
    bench.push(161);
    bench.run(ms(50));
    let all = bench.clear();
    assert_eq!(all, heard(ms(20), Duration::from_micros(125)));
    assert_eq!((all.played + all.dropped).as_millis(), 20);

    let mut bench = Bench::new(narrow());
    bench.push(1_600);
    bench.step();
    bench.jump(Duration::from_micros(20_125));
    assert_eq!(bench.position().played, Duration::from_micros(20_125));
    assert_eq!(bench.position().played.as_millis(), 20);
}

#[test]
fn reading_the_position_changes_nothing() {
    let mut bench = Bench::new(narrow());
    assert_eq!(bench.position(), Heard::default());
    bench.push(1_600);
    assert_eq!(bench.position(), heard(ms(0), ms(200)), "queued here");
    bench.run(ms(50));
    assert_eq!(bench.position(), bench.position());
    assert_eq!(bench.position(), heard(ms(50), ms(150)));
    bench.run(secs(2));
    assert_eq!(bench.position(), heard(ms(200), ms(0)));
}

#[test]
fn the_next_utterance_begins_at_zero() {
    let mut bench = Bench::new(narrow());
    bench.push(8_000);
    bench.run(ms(300));
    bench.clear();
    assert_eq!(bench.position(), Heard::default());
    bench.push(1_600);
    bench.step();
    assert_eq!(
        bench.sizes().len(),
        (300 + 200) / 20 + 10,
        "it goes out at once, with its own lead"
    );
    bench.run(ms(370));
    assert_eq!(bench.position(), heard(ms(70), ms(130)));
    assert_eq!(bench.clear(), heard(ms(70), ms(130)));
    bench.step();
    assert_eq!(bench.clears(), 2);
}

#[test]
fn an_utterance_behind_another_counts_only_itself() {
    let mut bench = Bench::new(narrow());
    bench.push(1_600);
    bench.finish();
    bench.push(800);
    bench.run(ms(150));
    assert_eq!(
        bench.position(),
        heard(ms(0), ms(100)),
        "the first one is still being played"
    );
    bench.run(ms(240));
    assert_eq!(bench.clear(), heard(ms(40), ms(60)));
}

#[test]
fn an_utterance_that_is_finished_stays_the_current_one() {
    let mut bench = Bench::new(narrow());
    bench.push(1_600);
    bench.finish();
    bench.run(ms(60));
    assert_eq!(bench.clear(), heard(ms(60), ms(140)));
}

#[test]
fn a_carrier_that_cannot_clear_gets_no_message() {
    let mut start = narrow();
    start.clears = false;
    let mut bench = Bench::new(start);
    bench.push(8_000);
    bench.run(ms(100));
    bench.clear();
    bench.run(secs(2));
    assert_eq!(bench.clears(), 0);
    assert_eq!(
        bench.sizes().len(),
        15,
        "but what is still here is not sent"
    );
}

#[test]
fn what_a_carrier_cannot_drop_will_be_heard() {
    let mut start = narrow();
    start.clears = false;
    let mut bench = Bench::new(start);
    bench.push(8_000);
    bench.run(ms(100));
    assert_eq!(
        bench.clear(),
        heard(ms(300), ms(700)),
        "200 ms are at the carrier and will be played"
    );
    bench.push(8_000);
    bench.run(secs(3));
    assert_eq!(bench.longest_lead, ms(200));
}

#[test]
fn silence_that_pads_the_tail_was_not_pushed_and_is_not_heard() {
    let mut bench = Bench::new(chunky());
    bench.push(322);
    bench.finish();
    bench.run(secs(1));
    assert_eq!(bench.sizes(), [640]);
    assert_eq!(
        bench.clear(),
        heard(Duration::from_micros(20_125), ms(0)),
        "318 bytes were silence of ours"
    );
}

#[test]
fn a_codec_may_write_audio_in_two_messages() {
    #[derive(Debug)]
    struct Split(Box<ScriptedCodec>);
    impl MediaCodec for Split {
        fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
            self.0.decode(message, decoded)
        }
        fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
            if let MediaCommand::Audio(_) = command {
                out.push(WireMessage::text("audio follows"));
            }
            self.0.encode(command, out)
        }
    }

    let codec = Box::new(Split(ScriptedCodec::new(narrow())));
    let mut session: MediaSession = MediaSession::new(codec, untouched());
    session.receive(WireMessage::text("start"), ms(0)).unwrap();
    session.push(support::speech(0, 320), (), ms(0));
    session.advance(ms(0));
    assert_eq!(session.clear(ms(0)), heard(ms(0), ms(40)));
    let left = session.next_message(ms(0)).map(Sent::read);
    assert!(matches!(left, None | Some(Sent::Clear)), "{left:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Whatever was pushed since the utterance began was either played or dropped, and nothing is counted twice.
    #[test]
    fn played_and_dropped_add_up_to_what_was_pushed(
        shape in 0..3,
        echoes in any::<bool>(),
        utterances in prop::collection::vec(
            (prop::collection::vec((1usize..200, 0u64..300_000), 1..8), any::<prop::sample::Index>(), 0u64..2_000_000),
            1..5,
        ),
    ) {
        let start = [narrow(), wide(), chunky()][usize::try_from(shape).unwrap()].clone();
        let start = if echoes { start } else { without_echo(start) };
        let (format, unit) = (start.outbound, start.frames.unit_bytes());
        let mut bench = Bench::new(start);
        for (chunks, marked, wait) in utterances {
            let marked = marked.index(chunks.len());
            let mut pushed = 0;
            for (index, (units, pause)) in chunks.into_iter().enumerate() {
                bench.push(units * unit);
                pushed += units * unit;
                if index == marked {
                    bench.mark("m");
                }
                bench.run(bench.now + Duration::from_micros(pause));
            }
            bench.run(bench.now + Duration::from_micros(wait));
            if echoes && wait % 2 == 0 && !bench.marks().is_empty() {
                bench.echo(bench.marks().len() - 1);
            }
            let position = bench.position();
            let total = bench.clear();
            prop_assert_eq!(position, total);
            prop_assert_eq!(total.played + total.dropped, format.duration_of(pushed));
            prop_assert_eq!(bench.clear(), Heard::default());
        }
    }
}
