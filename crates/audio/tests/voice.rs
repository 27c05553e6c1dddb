//! Who speaks: levels, noise, and how long it takes to be speech.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;
use telephony_audio::tone::tone;
use telephony_audio::voice::{EnergyDetector, SpeechEdge, SpeechGate, VoiceDetector};
use telephony_audio::{Encoding, SampleRate, decode, encode};

const RATE: SampleRate = SampleRate::HZ_8000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn gate() -> SpeechGate {
    SpeechGate::new(Box::new(EnergyDetector::default()), RATE, ms(200), ms(500))
}

/// Noise with that peak, the same every time.
fn noise(samples: usize, peak: i32) -> Vec<i16> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::try_from((state >> 16) as i32 % (2 * peak) - peak).unwrap()
    };
    std::iter::repeat_with(next).take(samples).collect()
}

fn edges(gate: &mut SpeechGate, samples: &[i16]) -> Vec<(SpeechEdge, Duration)> {
    let mut edges = Vec::new();
    gate.process(samples, |edge, ago| edges.push((edge, ago)));
    edges
}

#[test]
fn silence_and_a_quiet_line_are_not_voice() {
    for line in [vec![0; 160], vec![8; 160], noise(160, 30), noise(160, 200)] {
        let mut detector = EnergyDetector::default();
        assert!((0..500).all(|_| !detector.is_voice(&line, RATE)));
    }
    for law in [Encoding::Mulaw, Encoding::Alaw] {
        let mut samples = Vec::new();
        decode(law, &[law.silence(); 160], &mut samples);
        assert!(!EnergyDetector::default().is_voice(&samples, RATE));
    }
    assert!(!EnergyDetector::default().is_voice(&[], RATE));
}

#[test]
fn a_soft_voice_is_voice_at_every_rate_and_through_g711() {
    for rate in [8_000, 16_000, 24_000, 48_000].map(|hz| SampleRate::new(hz).unwrap()) {
        // -30 dBFS.
        let soft = tone(rate, 300.0, ms(20), 0.045);
        assert!(EnergyDetector::default().is_voice(&soft, rate));
        let (mut law, mut back) = (Vec::new(), Vec::new());
        encode(Encoding::Alaw, &soft, &mut law);
        decode(Encoding::Alaw, &law, &mut back);
        assert!(EnergyDetector::default().is_voice(&back, rate));
    }
}

#[test]
fn a_noise_that_stays_becomes_the_floor_and_speech_stands_out_of_it() {
    let mut detector = EnergyDetector::default();
    // About -38 dBFS.
    let hum = noise(160, 700);
    let heard = (0..1_500).filter(|_| detector.is_voice(&hum, RATE)).count();
    assert!((1..600).contains(&heard), "voice for {heard} windows");
    assert!(!detector.is_voice(&hum, RATE));
    assert!(detector.is_voice(&tone(RATE, 300.0, ms(20), 0.2), RATE));
}

#[test]
fn a_loud_voice_that_never_pauses_stays_voice() {
    let mut detector = EnergyDetector::default();
    let voice = tone(RATE, 300.0, ms(20), 0.2);
    assert!((0..3_000).all(|_| detector.is_voice(&voice, RATE)));
}

#[test]
fn speech_begins_after_its_shortest_length_and_ends_after_a_pause() {
    let mut gate = gate();
    assert_eq!(edges(&mut gate, &tone(RATE, 300.0, ms(180), 0.5)), []);
    assert!(!gate.is_speech());
    let started = edges(&mut gate, &tone(RATE, 300.0, ms(60), 0.5));
    assert_eq!(started, [(SpeechEdge::Started, ms(240))]);
    assert!(gate.is_speech());
    // A breath is no end.
    assert_eq!(edges(&mut gate, &[0; 8 * 480]), []);
    assert_eq!(edges(&mut gate, &tone(RATE, 300.0, ms(20), 0.5)), []);
    assert_eq!(edges(&mut gate, &[0; 8 * 480]), []);
    let ended = edges(&mut gate, &[0; 8 * 100]);
    assert_eq!(ended, [(SpeechEdge::Ended, ms(580))]);
    assert!(!gate.is_speech());
}

#[test]
fn clicks_do_not_add_up() {
    let mut gate = gate();
    for _ in 0..200 {
        assert_eq!(edges(&mut gate, &noise(160, 8_000)), []);
        assert_eq!(edges(&mut gate, &[0; 320]), []);
    }
}

#[test]
fn no_shortest_length_takes_the_first_window() {
    let mut gate = SpeechGate::new(Box::new(EnergyDetector::default()), RATE, ms(0), ms(0));
    let mut samples = tone(RATE, 300.0, ms(20), 0.5);
    samples.extend([0; 160]);
    let seen = edges(&mut gate, &samples);
    assert_eq!(
        seen,
        [(SpeechEdge::Started, ms(40)), (SpeechEdge::Ended, ms(20))]
    );
}

#[test]
fn how_it_is_cut_makes_no_difference() {
    let mut samples = noise(4_000, 30);
    samples.extend(tone(RATE, 300.0, ms(700), 0.3));
    samples.extend(noise(8_000, 30));
    let positions = |size: usize| {
        let (mut gate, mut seen, mut at) = (gate(), Vec::new(), 0);
        for chunk in samples.chunks(size) {
            at += chunk.len();
            gate.process(chunk, |edge, ago| {
                let ago = (ago.as_secs_f64() * 8_000.0).round() as usize;
                seen.push((edge, at - ago));
            });
        }
        seen
    };
    let whole = positions(usize::MAX);
    assert_eq!(
        whole,
        [(SpeechEdge::Started, 4_000), (SpeechEdge::Ended, 9_600)]
    );
    for size in [1, 7, 159, 160, 161, 1_000] {
        assert_eq!(positions(size), whole, "chunks of {size}");
    }
}

#[test]
fn a_detector_of_ones_own_decides() {
    #[derive(Debug)]
    struct FromTheFourth(usize);
    impl VoiceDetector for FromTheFourth {
        fn is_voice(&mut self, samples: &[i16], rate: SampleRate) -> bool {
            assert_eq!((samples.len(), rate), (320, SampleRate::HZ_16000));
            self.0 += 1;
            self.0 > 3
        }
    }
    let detector = Box::new(FromTheFourth(0));
    let mut gate = SpeechGate::new(detector, SampleRate::HZ_16000, ms(40), ms(500));
    assert_eq!(edges(&mut gate, &[0; 320 * 4]), []);
    assert_eq!(edges(&mut gate, &[0; 320]), [(SpeechEdge::Started, ms(40))]);
}
