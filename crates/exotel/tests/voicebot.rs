//! The media URL that a Voicebot applet gets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::answering::{assert_document, assert_url, write, write_with};
use common::{
    CALL_KEY, TOKEN, assert_kind, config, exotel, exotel_with, get, links_without_media, verified,
};
use telephony_core::audio::SampleRate;
use telephony_core::{AfterStream, Answer, Document, ErrorKind, Stream, Telephony, WebhookKind};

#[test]
fn a_voicebot_gets_our_media_url_with_the_call_key() {
    for answer in [
        Answer::stream(),
        Stream::new().then(AfterStream::Continue).into(),
    ] {
        assert_url(write("voicebot", &answer), &format!("?call_key={CALL_KEY}"));
    }
    let call = exotel()
        .accept_call(&verified(get(WebhookKind::IncomingCall, "CallFrom=1")))
        .unwrap();
    let answered = exotel().incoming_call(&call, &Answer::stream(), &common::links());
    assert_url(answered, &format!("?call_key={CALL_KEY}"));
}

#[test]
fn the_rate_is_asked_for_unless_it_is_the_usual_one() {
    let wide = exotel_with(config().with_media_rate(SampleRate::HZ_16000));
    let rest = format!("?sample-rate=16000&call_key={CALL_KEY}");
    assert_url(write_with(&wide, "voicebot", &Answer::stream()), &rest);
    let usual = Stream::new().with_rate(SampleRate::HZ_8000).into();
    assert_url(
        write_with(&wide, "voicebot", &usual),
        &format!("?call_key={CALL_KEY}"),
    );
    let full = Stream::new().with_rate(SampleRate::HZ_24000).into();
    assert_url(
        write("voicebot", &full),
        &format!("?sample-rate=24000&call_key={CALL_KEY}"),
    );
    let studio = Stream::new().with_rate(SampleRate::HZ_48000).into();
    assert_kind(write("voicebot", &studio), ErrorKind::Unsupported, "24000");
}

#[test]
fn parameters_share_three_places_with_rate_and_key() {
    let stream = |names: &[&str]| {
        let all = names.iter().fold(Stream::new(), |stream, name| {
            stream.with_parameter(*name, "v-1_Z")
        });
        Answer::from(all)
    };
    assert_url(
        write("voicebot", &stream(&["b", "a"])),
        &format!("?call_key={CALL_KEY}&a=v-1_Z&b=v-1_Z"),
    );
    assert_url(
        write("voicebot", &stream(&["a", "b", "c"])),
        "?a=v-1_Z&b=v-1_Z&c=v-1_Z",
    );
    assert_kind(
        write("voicebot", &stream(&["a", "b", "c", "d"])),
        ErrorKind::InvalidArgument,
        "3 parameters",
    );
    let wide = exotel_with(config().with_media_rate(SampleRate::HZ_16000));
    assert_url(
        write_with(&wide, "voicebot", &stream(&["a", "b"])),
        "?sample-rate=16000&a=v-1_Z&b=v-1_Z",
    );
    assert_kind(
        write_with(&wide, "voicebot", &stream(&["a", "b", "c"])),
        ErrorKind::InvalidArgument,
        "3 parameters",
    );
}

#[test]
fn parameters_have_256_characters_in_all() {
    let stream =
        |length: usize| Answer::from(Stream::new().with_parameter("a", "x".repeat(length)));
    let key = format!("call_key={CALL_KEY}&");
    let with_key = 256 - key.len() - 2;
    assert_url(
        write("voicebot", &stream(with_key)),
        &format!("?{key}a={}", "x".repeat(with_key)),
    );
    assert_url(
        write("voicebot", &stream(with_key + 1)),
        &format!("?a={}", "x".repeat(with_key + 1)),
    );
    assert_url(
        write("voicebot", &stream(254)),
        &format!("?a={}", "x".repeat(254)),
    );
    assert_kind(
        write("voicebot", &stream(255)),
        ErrorKind::InvalidArgument,
        "256",
    );
}

#[test]
fn parameters_are_plain_and_not_ours() {
    for (name, value) in [
        ("a b", "x"),
        ("a", "x y"),
        ("a", "x&y"),
        ("a", "{}"),
        ("a", "é"),
        ("", "x"),
        ("a", ""),
        ("a.b", "x"),
    ] {
        let answer = Stream::new().with_parameter(name, value).into();
        assert_kind(
            write("voicebot", &answer),
            ErrorKind::InvalidArgument,
            "letters, digits",
        );
    }
    for name in ["sample-rate", "sample_rate", "call_key"] {
        let answer = Stream::new().with_parameter(name, "1").into();
        assert_kind(
            write("voicebot", &answer),
            ErrorKind::InvalidArgument,
            "uses itself",
        );
    }
}

#[test]
fn socket_credentials_go_into_the_url() {
    let guarded = exotel_with(config().with_socket_credentials("bot", "pass-word"));
    let body = format!(
        r#"{{"url":"wss://bot:pass-word@voice.example.com/exotel/media/{TOKEN}?call_key={CALL_KEY}"}}"#
    );
    assert_document(
        write_with(&guarded, "voicebot", &Answer::stream()),
        "application/json",
        &body,
    );
    let document = Answer::document(Document::new("exotel", r#"{"url":"{{media_url}}"}"#));
    let body = format!(r#"{{"url":"wss://bot:pass-word@voice.example.com/exotel/media/{TOKEN}"}}"#);
    assert_document(
        write_with(&guarded, "voicebot", &document),
        "application/json",
        &body,
    );
}

#[test]
fn a_stream_needs_a_token() {
    let call = exotel()
        .accept_call(&verified(get(WebhookKind::IncomingCall, "CallFrom=1")))
        .unwrap();
    let answered = exotel().incoming_call(&call, &Answer::stream(), &links_without_media());
    assert_eq!(answered.unwrap_err().kind(), ErrorKind::Internal);
}
