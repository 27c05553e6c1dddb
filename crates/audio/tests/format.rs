//! Bytes to time and back.

use std::time::Duration;

use proptest::prelude::*;
use telephony_audio::{AudioFormat, Encoding, SampleRate, g711};

const ENCODINGS: [Encoding; 4] = [
    Encoding::Mulaw,
    Encoding::Alaw,
    Encoding::Pcm16Le,
    Encoding::Pcm16Be,
];

#[test]
fn a_rate_is_never_zero() {
    assert_eq!(SampleRate::new(0), None);
    assert_eq!(SampleRate::new(44_100).map(SampleRate::hz), Some(44_100));
}

#[test]
fn the_named_rates_are_what_they_say() {
    let rates = [
        SampleRate::HZ_8000,
        SampleRate::HZ_16000,
        SampleRate::HZ_24000,
        SampleRate::HZ_48000,
    ];
    assert_eq!(rates.map(SampleRate::hz), [8_000, 16_000, 24_000, 48_000]);
}

#[test]
fn the_named_formats_are_what_they_say() {
    let formats = [
        AudioFormat::MULAW_8000,
        AudioFormat::ALAW_8000,
        AudioFormat::PCM16_8000,
        AudioFormat::PCM16_16000,
        AudioFormat::PCM16_24000,
    ];
    assert_eq!(
        formats.map(|format| format.to_string()),
        [
            "audio/x-mulaw;rate=8000",
            "audio/x-alaw;rate=8000",
            "audio/x-pcm16le;rate=8000",
            "audio/x-pcm16le;rate=16000",
            "audio/x-pcm16le;rate=24000",
        ]
    );
    assert_eq!(
        formats.map(AudioFormat::bytes_per_second),
        [8_000, 8_000, 16_000, 32_000, 48_000]
    );
}

#[test]
fn rates_and_encodings_read_as_people_write_them() {
    assert_eq!(SampleRate::HZ_8000.to_string(), "8000 Hz");
    assert_eq!(
        ENCODINGS.map(|encoding| encoding.to_string()),
        ["mulaw", "alaw", "pcm16le", "pcm16be"]
    );
    assert_eq!(format!("{:>8}", Encoding::Alaw), "    alaw");
}

#[test]
fn frames_of_common_lengths() {
    let ms = Duration::from_millis;
    assert_eq!(AudioFormat::MULAW_8000.bytes_in(ms(20)), 160);
    assert_eq!(AudioFormat::PCM16_8000.bytes_in(ms(20)), 320);
    assert_eq!(AudioFormat::PCM16_16000.bytes_in(ms(20)), 640);
    assert_eq!(AudioFormat::PCM16_16000.bytes_in(ms(100)), 3_200);
    assert_eq!(AudioFormat::PCM16_24000.bytes_in(ms(40)), 1_920);
    assert_eq!(AudioFormat::MULAW_8000.duration_of(160), ms(20));
    assert_eq!(AudioFormat::PCM16_24000.duration_of(960), ms(20));
}

#[test]
fn parts_of_a_sample_count_for_nothing() {
    let format = AudioFormat::PCM16_8000;
    assert_eq!(format.bytes_in(Duration::from_nanos(124_999)), 0);
    assert_eq!(format.bytes_in(Duration::from_nanos(125_000)), 2);
    assert_eq!(format.bytes_in(Duration::from_nanos(249_999)), 2);
    assert_eq!(format.duration_of(1), Duration::ZERO);
    assert_eq!(format.duration_of(3), Duration::from_micros(125));
}

#[test]
fn a_day_of_audio_has_not_drifted() {
    let day = Duration::from_secs(86_400);
    let format = AudioFormat::PCM16_24000;
    let bytes = 86_400 * 48_000;
    assert_eq!(format.duration_of(bytes), day);
    assert_eq!(format.bytes_in(day), bytes);
    // One sample is 41 666.67 ns.
    assert_eq!(
        format.duration_of(bytes + 2),
        day + Duration::from_nanos(41_667)
    );
}

#[test]
fn extremes_neither_panic_nor_wrap() {
    let fastest = SampleRate::new(u32::MAX).unwrap();
    let slowest = SampleRate::new(1).unwrap();
    for encoding in ENCODINGS {
        let width = encoding.bytes_per_sample();
        for rate in [slowest, SampleRate::HZ_8000, fastest] {
            let format = AudioFormat::new(encoding, rate);
            assert_eq!(
                format.bytes_in(Duration::MAX),
                if rate == slowest && width == 1 {
                    usize::try_from(Duration::MAX.as_secs()).unwrap_or(usize::MAX)
                } else {
                    usize::MAX / width * width
                }
            );
            assert!(format.duration_of(usize::MAX) > Duration::ZERO);
            assert_eq!(
                format.bytes_per_second(),
                u64::from(rate.hz()) * width as u64
            );
        }
    }
}

#[test]
fn silence_is_as_long_as_asked_and_silent() {
    for encoding in ENCODINGS {
        let format = AudioFormat::new(encoding, SampleRate::HZ_8000);
        let silence = format.silence(Duration::from_millis(20));
        assert_eq!(silence.len(), 160 * encoding.bytes_per_sample());
        let mut samples = Vec::new();
        telephony_audio::decode(encoding, &silence, &mut samples);
        let rest = if encoding == Encoding::Alaw { 8 } else { 0 };
        assert_eq!(samples, [rest; 160]);
    }
}

#[test]
fn silence_is_what_g711_makes_of_zero() {
    assert_eq!(Encoding::Mulaw.silence(), g711::encode_mulaw_sample(0));
    assert_eq!(Encoding::Alaw.silence(), g711::encode_alaw_sample(0));
}

proptest! {
    #[test]
    fn bytes_survive_the_way_to_time_and_back(
        samples in 0_usize..1 << 40,
        hz in 1_u32..=1_000_000_000,
        encoding in prop::sample::select(&ENCODINGS[..]),
    ) {
        let format = AudioFormat::new(encoding, SampleRate::new(hz).unwrap());
        let bytes = samples * encoding.bytes_per_sample();
        prop_assert_eq!(format.bytes_in(format.duration_of(bytes)), bytes);
    }

    #[test]
    fn bytes_never_play_longer_than_the_time_they_were_made_for(
        nanos in 0_u64..1 << 50,
        hz in 1_u32..=192_000,
        encoding in prop::sample::select(&ENCODINGS[..]),
    ) {
        let format = AudioFormat::new(encoding, SampleRate::new(hz).unwrap());
        let duration = Duration::from_nanos(nanos);
        let bytes = format.bytes_in(duration);
        prop_assert!(format.duration_of(bytes) <= duration);
        prop_assert!(format.duration_of(bytes + encoding.bytes_per_sample()) > duration);
    }
}
