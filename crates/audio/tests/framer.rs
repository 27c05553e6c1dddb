//! Chunks of any size into messages of a carrier's size.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use proptest::prelude::*;
use telephony_audio::{FrameRules, FrameRulesError, Framer};

fn framer(unit: usize, preferred: usize, max: usize) -> Framer {
    Framer::new(FrameRules::new(unit, preferred, max).unwrap())
}

fn bytes(length: usize) -> Bytes {
    (0..length).map(|n| (n % 251) as u8).collect()
}

#[test]
fn sizes_that_do_not_fit_together_are_refused() {
    let refused = |unit, preferred, max| FrameRules::new(unit, preferred, max).unwrap_err();
    assert_eq!(refused(0, 160, 160), FrameRulesError::NoUnit);
    assert_eq!(
        refused(320, 0, 320),
        FrameRulesError::NotWholeUnits {
            unit_bytes: 320,
            preferred_bytes: 0
        }
    );
    assert_eq!(
        refused(320, 160, 320),
        FrameRulesError::NotWholeUnits {
            unit_bytes: 320,
            preferred_bytes: 160
        }
    );
    assert_eq!(
        refused(320, 500, 1_000),
        FrameRulesError::NotWholeUnits {
            unit_bytes: 320,
            preferred_bytes: 500
        }
    );
    assert_eq!(
        refused(320, 640, 639),
        FrameRulesError::OverMaximum {
            preferred_bytes: 640,
            max_bytes: 639
        }
    );
}

#[test]
fn a_refusal_says_what_is_wrong() {
    assert_eq!(
        FrameRules::new(0, 1, 1).unwrap_err().to_string(),
        "the unit of a message is zero bytes"
    );
    assert_eq!(
        FrameRules::new(320, 500, 1_000).unwrap_err().to_string(),
        "a message of 500 bytes is not one or more units of 320 bytes"
    );
    assert_eq!(
        FrameRules::new(320, 640, 639).unwrap_err().to_string(),
        "a message of 640 bytes is over the maximum of 639 bytes"
    );
}

#[test]
fn another_preferred_size_keeps_the_carriers_limits() {
    let rules = FrameRules::new(320, 3_200, 100_000).unwrap();
    let smaller = rules.with_preferred(640).unwrap();
    assert_eq!(
        (
            smaller.unit_bytes(),
            smaller.preferred_bytes(),
            smaller.max_bytes()
        ),
        (320, 640, 100_000)
    );
    assert!(rules.with_preferred(100_160).is_err());
    assert!(rules.with_preferred(700).is_err());
}

#[test]
fn only_full_frames_while_there_is_plenty() {
    let mut framer = framer(160, 160, 160);
    framer.push(bytes(159));
    assert_eq!(framer.next_frame(), None);
    framer.push(bytes(162));
    assert_eq!(framer.next_frame().map(|frame| frame.len()), Some(160));
    assert_eq!(framer.next_frame().map(|frame| frame.len()), Some(160));
    assert_eq!(framer.next_frame(), None);
    assert_eq!(framer.len(), 1);
}

#[test]
fn whole_units_when_the_carrier_runs_dry() {
    let mut framer = framer(320, 3_200, 100_000);
    framer.push(bytes(4_000));
    assert_eq!(
        framer.next_available().map(|frame| frame.len()),
        Some(3_200)
    );
    assert_eq!(framer.next_available().map(|frame| frame.len()), Some(640));
    assert_eq!(framer.next_available(), None);
    assert_eq!(framer.len(), 160);
}

#[test]
fn the_tail_is_padded_with_silence() {
    let mut framer = framer(320, 640, 640);
    framer.push(bytes(1_000));
    assert_eq!(framer.padding(), 280);
    assert_eq!(framer.flush(0xFF), Some(bytes(640)));
    let tail = framer.flush(0xFF).unwrap();
    assert_eq!(tail.len(), 640);
    assert_eq!(tail[..360], bytes(1_000)[640..]);
    assert_eq!(tail[360..], [0xFF; 280]);
    assert_eq!(framer.flush(0xFF), None);
    assert_eq!((framer.len(), framer.padding()), (0, 0));
}

#[test]
fn a_tail_of_whole_units_is_not_padded() {
    let mut framer = framer(2, 640, 640);
    framer.push(bytes(100));
    assert_eq!(framer.padding(), 0);
    assert_eq!(framer.flush(0xFF), Some(bytes(100)));
    assert_eq!(framer.flush(0xFF), None);
}

#[test]
fn a_message_within_a_chunk_is_not_copied() {
    let mut framer = framer(160, 160, 160);
    let chunk = bytes(480);
    framer.push(chunk.clone());
    for offset in [0, 160] {
        assert_eq!(
            framer.next_frame().unwrap().as_ptr(),
            chunk[offset..].as_ptr()
        );
    }
    assert_eq!(
        framer.next_available().unwrap().as_ptr(),
        chunk[320..].as_ptr()
    );

    framer.push(chunk.slice(..160));
    assert_eq!(framer.flush(0).unwrap().as_ptr(), chunk.as_ptr());
}

#[test]
fn a_message_across_an_edge_is_joined_and_the_next_is_not_copied() {
    let mut framer = framer(160, 160, 160);
    let all = bytes(420);
    framer.push(all.slice(..100));
    framer.push(all.slice(100..));
    assert_eq!(framer.next_frame(), Some(all.slice(..160)));
    assert_eq!(framer.next_frame().unwrap().as_ptr(), all[160..].as_ptr());
}

#[test]
fn clearing_drops_all_and_says_how_much() {
    let mut framer = framer(160, 160, 160);
    framer.push(bytes(500));
    framer.push(bytes(3));
    assert!(framer.next_frame().is_some());
    assert_eq!(framer.clear(), 343);
    assert!(framer.is_empty());
    assert_eq!(framer.clear(), 0);
    assert_eq!((framer.next_available(), framer.flush(0)), (None, None));

    framer.push(bytes(160));
    assert_eq!(
        framer.next_frame(),
        Some(bytes(160)),
        "nothing of before the clear is left"
    );
}

#[test]
fn debug_shows_no_audio() {
    let mut framer = framer(1, 160, 160);
    framer.push(Bytes::from_static(b"voice"));
    let shown = format!("{framer:?}");
    assert!(shown.contains("len: 5"), "{shown}");
    assert!(!shown.contains("voice"), "{shown}");
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<u8>),
    NextFrame,
    NextAvailable,
    Flush(u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Step::Push),
        4 => prop::collection::vec(any::<u8>(), 60..300).prop_map(Step::Push),
        5 => Just(Step::NextFrame),
        3 => Just(Step::NextAvailable),
        1 => any::<u8>().prop_map(Step::Flush),
        1 => Just(Step::Clear),
    ]
}

fn rules() -> impl Strategy<Value = FrameRules> {
    (1_usize..50, 1_usize..8, 0_usize..100).prop_map(|(unit, units, spare)| {
        FrameRules::new(unit, unit * units, unit * units + spare).unwrap()
    })
}

proptest! {
    /// The specification, over a plain vector of bytes.
    #[test]
    fn a_framer_does_what_a_vector_would(rules in rules(), steps in prop::collection::vec(step(), 0..60)) {
        let (unit, preferred) = (rules.unit_bytes(), rules.preferred_bytes());
        let mut framer = Framer::new(rules);
        let mut model: Vec<u8> = Vec::new();
        for step in steps {
            let (message, expected) = match step {
                Step::Push(chunk) => {
                    model.extend_from_slice(&chunk);
                    framer.push(Bytes::from(chunk));
                    (None, None)
                }
                Step::NextFrame => {
                    let expected = (model.len() >= preferred).then(|| model.drain(..preferred).collect());
                    (framer.next_frame(), expected)
                }
                Step::NextAvailable => {
                    let whole = model.len().min(preferred) / unit * unit;
                    let expected = (whole > 0).then(|| model.drain(..whole).collect());
                    (framer.next_available(), expected)
                }
                Step::Flush(silence) => {
                    if model.len() < preferred {
                        model.resize(model.len().next_multiple_of(unit), silence);
                    }
                    let count = model.len().min(preferred);
                    let expected = (count > 0).then(|| model.drain(..count).collect::<Vec<u8>>());
                    (framer.flush(silence), expected)
                }
                Step::Clear => {
                    prop_assert_eq!(framer.clear(), model.len());
                    model.clear();
                    (None, None)
                }
            };
            prop_assert_eq!(message.as_deref(), expected.as_deref());
            prop_assert_eq!(framer.len(), model.len());
            prop_assert_eq!(framer.is_empty(), model.is_empty());
        }
    }

    #[test]
    fn bytes_are_conserved_and_padded_only_at_the_end(
        rules in rules(),
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
    ) {
        let mut framer = Framer::new(rules);
        let mut out = Vec::new();
        for chunk in &chunks {
            framer.push(Bytes::from(chunk.clone()));
            while let Some(frame) = framer.next_frame() {
                prop_assert_eq!(frame.len(), rules.preferred_bytes());
                out.extend_from_slice(&frame);
            }
        }
        let padding = framer.padding();
        while let Some(frame) = framer.flush(0xD5) {
            prop_assert!(frame.len() <= rules.preferred_bytes());
            prop_assert_eq!(frame.len() % rules.unit_bytes(), 0);
            out.extend_from_slice(&frame);
        }
        let mut expected = chunks.concat();
        prop_assert!(padding < rules.unit_bytes());
        expected.extend(std::iter::repeat_n(0xD5, padding));
        prop_assert_eq!(out, expected);
    }
}
