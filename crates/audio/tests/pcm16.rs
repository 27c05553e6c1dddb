//! Samples as bytes, and chunks that split them.

use bytes::Bytes;
use proptest::prelude::*;
use telephony_audio::Pcm16Carry;
use telephony_audio::pcm16::{decode_pcm16be, decode_pcm16le, encode_pcm16be, encode_pcm16le};

#[test]
fn byte_order() {
    let mut bytes = Vec::new();
    encode_pcm16le(&[0x1234, -2], &mut bytes);
    encode_pcm16be(&[0x1234, -2], &mut bytes);
    assert_eq!(bytes, [0x34, 0x12, 0xFE, 0xFF, 0x12, 0x34, 0xFF, 0xFE]);

    let mut samples = Vec::new();
    decode_pcm16le(&bytes[..4], &mut samples);
    decode_pcm16be(&bytes[4..], &mut samples);
    assert_eq!(samples, [0x1234, -2, 0x1234, -2]);
}

#[test]
fn a_trailing_odd_byte_is_no_sample() {
    let mut samples = Vec::new();
    decode_pcm16le(&[1, 0, 2], &mut samples);
    decode_pcm16be(&[0, 1, 2], &mut samples);
    decode_pcm16le(&[9], &mut samples);
    assert_eq!(samples, [1, 1]);
}

#[test]
fn chunks_of_3_1_and_5_bytes() {
    let mut carry = Pcm16Carry::new();
    assert_eq!(carry.feed(Bytes::from_static(&[1, 2, 3])), [1, 2][..]);
    assert_eq!(carry.feed(Bytes::from_static(&[4])), [3, 4][..]);
    assert_eq!(
        carry.feed(Bytes::from_static(&[5, 6, 7, 8, 9])),
        [5, 6, 7, 8][..]
    );
    assert_eq!(carry.flush(), Some(9));
    assert_eq!(carry.flush(), None);
}

#[test]
fn a_kept_byte_goes_before_an_even_chunk() {
    let mut carry = Pcm16Carry::new();
    assert!(carry.feed(Bytes::from_static(&[1])).is_empty());
    assert!(carry.feed(Bytes::new()).is_empty());
    assert_eq!(
        carry.feed(Bytes::from_static(&[2, 3, 4, 5])),
        [1, 2, 3, 4][..]
    );
    assert_eq!(carry.flush(), Some(5));
}

#[test]
fn a_reset_forgets_the_kept_byte() {
    let mut carry = Pcm16Carry::new();
    assert_eq!(carry.feed(Bytes::from_static(&[1, 2, 3])).len(), 2);
    carry.reset();
    assert_eq!(carry.feed(Bytes::from_static(&[4, 5])), [4, 5][..]);
    assert_eq!(carry.flush(), None);
}

#[test]
fn whole_samples_are_not_copied() {
    let mut carry = Pcm16Carry::new();
    let chunk = Bytes::from(vec![7; 321]);
    let address = chunk.as_ptr();
    let whole = carry.feed(chunk);
    assert_eq!((whole.len(), whole.as_ptr()), (320, address));
}

proptest! {
    #[test]
    fn samples_survive_both_byte_orders(samples: Vec<i16>) {
        let (mut little, mut big, mut back) = (Vec::new(), Vec::new(), Vec::new());
        encode_pcm16le(&samples, &mut little);
        encode_pcm16be(&samples, &mut big);
        decode_pcm16le(&little, &mut back);
        prop_assert_eq!(&back, &samples);
        back.clear();
        decode_pcm16be(&big, &mut back);
        prop_assert_eq!(&back, &samples);
    }

    #[test]
    fn bytes_are_conserved_whatever_the_chunks(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..20),
    ) {
        let mut carry = Pcm16Carry::new();
        let mut out = Vec::new();
        let mut fed = 0;
        for chunk in &chunks {
            fed += chunk.len();
            let whole = carry.feed(Bytes::from(chunk.clone()));
            prop_assert_eq!(whole.len() % 2, 0);
            out.extend_from_slice(&whole);
            prop_assert!(fed - out.len() <= 1, "no more than one byte is ever kept");
        }
        out.extend(carry.flush());
        prop_assert_eq!(out, chunks.concat());
    }
}
