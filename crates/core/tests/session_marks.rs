//! Marks: what comes back and what does not, what it proves, and how long it is waited for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::HashSet;
use support::bench::Bench;
use support::{Sent, chunky, ms, narrow, secs, untouched, without_echo};
use telephony_core::media::MarkOutcome::{Cleared, Estimated, Reached, Unknown};
use telephony_core::media::{MarkOutcome, MediaEvent, MediaSession};

fn settled(mark: &str, outcome: MarkOutcome) -> (String, MarkOutcome) {
    (mark.to_owned(), outcome)
}

#[test]
fn marks_are_reached_in_order() {
    let mut bench = Bench::new(narrow());
    bench.push(480);
    bench.mark("first");
    bench.push(480);
    bench.mark("second");
    bench.step();
    let kinds: Vec<_> = bench
        .sent
        .iter()
        .map(|(_, sent)| matches!(sent, Sent::Mark(_)))
        .collect();
    let (frame, mark) = (false, true);
    assert_eq!(
        kinds,
        [frame, frame, frame, mark, frame, frame, frame, mark],
        "each mark follows the audio that it is for"
    );

    bench.jump(ms(60));
    bench.echo(0);
    assert_eq!(bench.settled(), [settled("first", Reached)]);
    bench.jump(ms(120));
    bench.echo(1);
    assert_eq!(bench.settled(), [settled("second", Reached)]);
    bench.echo(1);
    assert_eq!(bench.settled(), [], "the same echo again says nothing");
}

#[test]
fn a_mark_is_sent_only_after_its_audio() {
    let mut bench = Bench::new(narrow());
    bench.push(3_200);
    bench.mark("end");
    bench.step();
    assert_eq!(bench.marks().len(), 0, "half of the audio is still here");
    bench.run(ms(199));
    assert_eq!(bench.marks().len(), 0);
    bench.run(ms(200));
    assert_eq!(bench.marks().len(), 1);
}

#[test]
fn a_mark_within_a_message_waits_for_the_whole_message() {
    let mut bench = Bench::new(narrow());
    bench.push(200);
    bench.mark("within");
    bench.step();
    assert_eq!(
        (bench.sizes().len(), bench.marks().len()),
        (1, 0),
        "40 bytes wait for more"
    );
    bench.push(120);
    bench.step();
    assert_eq!((bench.sizes().len(), bench.marks().len()), (2, 1));

    // What comes back says that the message was played, all of it.
    bench.jump(ms(100));
    bench.echo(0);
    assert_eq!(bench.settled(), [settled("within", Reached)]);
    let heard = bench.position();
    assert_eq!((heard.played, heard.dropped), (ms(40), ms(0)));
}

#[test]
fn a_later_mark_settles_the_earlier_ones() {
    let mut bench = Bench::new(narrow());
    for name in ["a", "b", "c"] {
        bench.push(160);
        bench.mark(name);
    }
    bench.step();
    bench.jump(ms(40));
    bench.echo(1);
    assert_eq!(
        bench.settled(),
        [settled("a", Reached), settled("b", Reached)]
    );
    bench.echo(0);
    assert_eq!(bench.settled(), [], "it is settled already");
    bench.jump(ms(60));
    bench.echo(2);
    assert_eq!(bench.settled(), [settled("c", Reached)]);
}

#[test]
fn names_may_repeat_and_hold_anything() {
    let mut bench = Bench::new(narrow());
    let names = ["same", "same", "", "g0-0", "\"quoted\" \u{1F4DE}"];
    for name in names {
        bench.push(160);
        bench.mark(name);
    }
    bench.step();
    let on_the_wire: HashSet<_> = bench.marks().into_iter().collect();
    assert_eq!(on_the_wire.len(), names.len(), "each has a name of its own");
    let plain = |name: &String| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    assert!(on_the_wire.iter().all(plain), "{on_the_wire:?}");
    bench.echo(names.len() - 1);
    assert_eq!(bench.settled(), names.map(|name| settled(name, Reached)));
}

#[test]
fn a_clear_settles_every_mark_as_cleared() {
    let mut bench = Bench::new(narrow());
    bench.push(160);
    bench.mark("sent");
    bench.push(8_000);
    bench.mark("waiting");
    bench.step();
    bench.clear();
    assert_eq!(
        bench.settled(),
        [settled("sent", Cleared), settled("waiting", Cleared)]
    );
    bench.run(secs(10));
    assert_eq!(bench.settled(), [], "exactly once");
    assert_eq!(bench.marks().len(), 1, "the waiting one is never sent");
}

#[test]
fn an_echo_after_a_clear_says_nothing() {
    let mut bench = Bench::new(narrow());
    bench.push(1_600);
    bench.mark("old");
    bench.step();
    bench.jump(ms(50));
    bench.clear();
    assert_eq!(bench.settled(), [settled("old", Cleared)]);

    // Carriers send the marks of what they have dropped back at once.
    bench.push(800);
    bench.mark("new");
    bench.step();
    bench.jump(ms(60));
    bench.echo(0);
    assert_eq!(bench.settled(), []);
    let heard = bench.position();
    assert_eq!((heard.played, heard.dropped), (ms(10), ms(90)));
    bench.jump(ms(150));
    bench.echo(1);
    assert_eq!(bench.settled(), [settled("new", Reached)]);
}

#[test]
fn names_tell_the_generations_apart() {
    let mut bench = Bench::new(narrow());
    for _ in 0..3 {
        bench.push(160);
        bench.mark("m");
        bench.step();
        bench.clear();
    }
    let marks = bench.marks();
    let generations: Vec<_> = marks
        .iter()
        .map(|name| name.split_once('-').unwrap().0)
        .collect();
    assert_eq!(generations, ["g0", "g1", "g2"]);
    let unique: HashSet<_> = marks.iter().collect();
    assert_eq!(unique.len(), 3);
}

#[test]
fn an_unknown_mark_says_nothing() {
    let mut bench = Bench::new(narrow());
    bench.push(160);
    bench.mark("mine");
    bench.step();
    for name in ["", "mine", "g0-99", "g1-0"] {
        bench.say(&format!("mark:{name}"));
    }
    assert_eq!(bench.settled(), []);
}

#[test]
fn without_an_echo_the_clock_tells() {
    let mut bench = Bench::new(without_echo(narrow()));
    bench.push(800);
    bench.mark("end");
    bench.run(ms(99));
    assert_eq!(bench.settled(), []);
    assert_eq!(
        bench.session.deadline(bench.now),
        Some(ms(100)),
        "when it should be over"
    );
    bench.run(ms(100));
    assert_eq!(bench.settled(), [settled("end", Estimated)]);
    assert_eq!(
        bench.marks().len(),
        0,
        "a carrier that does not send marks back gets none"
    );
    assert_eq!(bench.session.deadline(bench.now), None);
}

#[test]
fn estimates_do_not_slow_the_audio_when_the_timer_is_late() {
    let mut bench = Bench::new(without_echo(narrow()));
    for _ in 0..60 {
        bench.push(8_000);
        bench.mark("second");
    }
    bench.run_late(secs(70), ms(15));
    assert_eq!(bench.settled().len(), 60);
    assert_eq!(bench.carrier_end, secs(60));
    assert_eq!((bench.gaps, bench.session.stats().late), (0, 0));
}

#[test]
fn estimates_within_messages_do_not_slow_the_audio() {
    let mut bench = Bench::new(without_echo(narrow()));
    for _ in 0..800 {
        bench.push(1_000 / 10 + 5);
        bench.mark("within");
        bench.push(95);
    }
    bench.finish();
    bench.run(secs(40));
    assert_eq!(bench.settled().len(), 800);
    assert_eq!(bench.carrier_end, secs(20));
    assert_eq!(bench.gaps, 0);
}

#[test]
fn an_echo_that_does_not_come_is_given_up() {
    let mut bench = Bench::new(narrow());
    bench.push(1_600);
    bench.mark("lost");
    bench.run(ms(200) + secs(3) - ms(1));
    assert_eq!(bench.settled(), []);
    bench.run(ms(200) + secs(3));
    assert_eq!(bench.settled(), [settled("lost", Unknown)]);
    assert_eq!(bench.session.deadline(bench.now), None);
    bench.echo(0);
    assert_eq!(bench.settled(), [], "too late");
}

#[test]
fn the_deadline_of_an_echo_is_an_option() {
    let mut options = untouched();
    options.mark_deadline = ms(500);
    let mut bench = Bench::with_options(narrow(), options);
    bench.mark("lost");
    bench.run(ms(499));
    assert_eq!(bench.settled(), []);
    bench.run(ms(500));
    assert_eq!(bench.settled(), [settled("lost", Unknown)]);
}

#[test]
fn a_mark_with_nothing_queued_goes_out_at_once() {
    let mut bench = Bench::new(narrow());
    bench.mark("first");
    bench.step();
    assert_eq!(bench.marks().len(), 1);
    bench.jump(ms(30));
    bench.echo(0);
    assert_eq!(bench.settled(), [settled("first", Reached)]);
    assert_eq!(bench.position().played, ms(0));

    let mut bench = Bench::new(without_echo(narrow()));
    bench.mark("first");
    bench.step();
    assert_eq!(bench.settled(), [settled("first", Estimated)]);

    // After audio was played it is behind that.
    bench.push(160);
    bench.run(ms(500));
    bench.mark("second");
    bench.step();
    assert_eq!(bench.settled(), [settled("second", Estimated)]);
}

#[test]
fn an_echo_corrects_when_the_audio_will_be_over() {
    // The carrier plays 80 ms later than we thought: less goes out until it has caught up.
    let mut bench = Bench::new(narrow());
    bench.push(16_000);
    bench.run(ms(20));
    bench.mark("probe");
    let sent_before = bench.sizes().len();
    bench.push(160);
    bench.run(secs(1) + ms(900));
    assert!(bench.sizes().len() > sent_before);
    let marks = bench.marks();
    assert_eq!(marks.len(), 1);
    bench.jump(secs(2) + ms(80));
    bench.echo(0);
    assert_eq!(bench.settled(), [settled("probe", Reached)]);
    let heard = bench.position();
    assert_eq!((heard.played, heard.dropped), (secs(2), ms(20)));
}

#[test]
fn more_marks_than_anybody_needs_are_refused_one_by_one() {
    let mut bench = Bench::new(narrow());
    bench.push(80_000);
    for index in 0..1_030 {
        bench.mark(&index.to_string());
    }
    let refused: Vec<_> = (1_024..1_030)
        .map(|index: u32| settled(&index.to_string(), Unknown))
        .collect();
    assert_eq!(bench.settled(), refused);
    bench.run(secs(10));
    assert_eq!(bench.marks().len(), 1_024);
    bench.echo(1_023);
    assert_eq!(bench.settled().len(), 1_024);
    bench.mark("again");
    assert_eq!(bench.settled(), [], "there is room again");
}

#[test]
fn a_protocol_without_a_word_for_marks_leaves_them_unknown() {
    let codec = support::ScriptedCodec::new(narrow()).without_marks();
    let mut session: MediaSession = MediaSession::new(codec, untouched());
    session
        .receive(
            telephony_core::media::WireMessage::text("start"),
            std::time::Duration::ZERO,
        )
        .unwrap();
    session.mark("unsayable".into());
    session.advance(ms(0));
    assert!(!session.has_message());
    session.advance(secs(3));
    assert_eq!(session.next_event(), Some(MediaEvent::Started));
    let unknown = MediaEvent::Played {
        mark: "unsayable".into(),
        outcome: Unknown,
    };
    assert_eq!(session.next_event(), Some(unknown));
}

#[test]
fn the_end_leaves_open_marks_unknown() {
    let mut bench = Bench::new(chunky());
    bench.push(3_200);
    bench.mark("sent");
    bench.push(32_000);
    bench.mark("waiting");
    bench.step();
    bench.session.end();
    assert_eq!(
        bench.settled(),
        [settled("sent", Unknown), settled("waiting", Unknown)]
    );
    let goodbye = bench.session.next_message(bench.now).map(Sent::read);
    assert_eq!(goodbye, Some(Sent::Bye));
    assert!(!bench.session.has_message());
}
