//! Our own URLs, and the carrier's own documents with our URLs in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use proptest::prelude::*;
use support::account;
use telephony_core::{Answer, CallKey, CallLinks, Document, ErrorKind, MediaToken, PublicUrl};

const KEY: &str = "0123456789abcdefghij_-";
const TOKEN: &str = "tokentokentokentoken00";

fn links() -> CallLinks {
    let base = PublicUrl::new("https://voice.example.com/prefix/").unwrap();
    CallLinks::new(base, account("main"), CallKey::parse(KEY).unwrap())
}

fn media_links() -> CallLinks {
    links().with_media(MediaToken::parse(TOKEN).unwrap())
}

fn document(body: &str) -> Document {
    Document::new("dummy", body)
}

fn plain(text: &str) -> String {
    text.to_owned()
}

#[test]
fn every_route_has_its_url() {
    let links = media_links();
    let base = "https://voice.example.com/prefix/main";
    assert_eq!(links.call_url(), format!("{base}/call"));
    assert_eq!(links.answer_url(), format!("{base}/answer/{KEY}"));
    assert_eq!(links.status_url(), format!("{base}/status/{KEY}"));
    assert_eq!(links.events_url(), format!("{base}/events/{KEY}"));
    assert_eq!(
        links.media_url().unwrap(),
        format!("wss://voice.example.com/prefix/main/media/{TOKEN}")
    );
    assert_eq!(links.account().as_str(), "main");
    assert_eq!(links.call_key().as_str(), KEY);
}

#[test]
fn loopback_is_plain_and_everything_else_is_not() {
    for (base, media) in [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
        ("http://localhost", "ws://localhost"),
        ("http://[::1]:80/x", "ws://[::1]:80/x"),
        ("https://a.example:8443", "wss://a.example:8443"),
    ] {
        let base = PublicUrl::new(base).unwrap();
        assert_eq!(base.websocket(), media);
        let links = CallLinks::new(base, account("main"), CallKey::parse(KEY).unwrap())
            .with_media(MediaToken::parse(TOKEN).unwrap());
        assert_eq!(
            links.media_url().unwrap(),
            format!("{media}/main/media/{TOKEN}")
        );
    }
    for bad in [
        "http://a.example",
        "http://localhost.a.example",
        "http://127.0.0.1@a.example",
        "https://a.example/?x",
        "https://a.example/#x",
        "https://a.example/\u{e9}",
        "wss://a.example",
        "https:/a.example",
    ] {
        let error = PublicUrl::new(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{bad}");
    }
}

#[test]
fn the_token_is_not_shown() {
    let links = media_links();
    assert!(!format!("{links:?}").contains(TOKEN));
    let missing = self::links().media_url().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Internal);
}

#[test]
fn placeholders_become_our_links() {
    let body = "a {{media_url}} b {{answer_url}} c {{ status_url }} d {{events_url}} e {{call_key}} {{call_key}}";
    let filled = document(body).fill(&media_links(), plain).unwrap();
    let base = "https://voice.example.com/prefix/main";
    assert_eq!(
        filled,
        format!(
            "a wss://voice.example.com/prefix/main/media/{TOKEN} b {base}/answer/{KEY} c {base}/status/{KEY} \
             d {base}/events/{KEY} e {KEY} {KEY}"
        )
    );
}

#[test]
fn links_are_escaped_and_the_document_is_not() {
    let escape = |text: &str| text.replace('/', "&#47;");
    let filled = document("<A href=\"{{status_url}}\">1/2 &amp; \u{1F4DE}</A>")
        .fill(&links(), escape)
        .unwrap();
    let url = format!("https:&#47;&#47;voice.example.com&#47;prefix&#47;main&#47;status&#47;{KEY}");
    assert_eq!(filled, format!("<A href=\"{url}\">1/2 &amp; \u{1F4DE}</A>"));
}

#[test]
fn what_is_put_in_is_not_read_again() {
    let escape = |_: &str| "{{media_url}}".to_owned();
    let filled = document("{{call_key}}!").fill(&links(), escape).unwrap();
    assert_eq!(filled, "{{media_url}}!");
}

#[test]
fn an_unknown_placeholder_is_refused() {
    for body in [
        "{{media}}",
        "{{}}",
        "x {{call_key}} {{MEDIA_URL}}",
        "{{{call_key}}}",
    ] {
        let error = document(body).fill(&media_links(), plain).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{body}");
        assert_eq!(error.provider().unwrap().as_str(), "dummy");
    }
}

#[test]
fn a_media_url_needs_a_token() {
    let wants = document("<Stream url=\"{{media_url}}\"/>");
    assert_eq!(
        wants.fill(&links(), plain).unwrap_err().kind(),
        ErrorKind::Internal
    );
    assert!(wants.wants_stream());
    assert!(Answer::document(wants).wants_stream());

    let without = document("<Say>media_url</Say>");
    assert!(!without.wants_stream());
    assert!(!Answer::document(without).wants_stream());
}

#[test]
fn a_placeholder_with_blanks_wants_a_stream_too() {
    let wants = document("<Stream url=\"{{ media_url }}\"/>");
    assert!(wants.fill(&media_links(), plain).is_ok());
    assert!(wants.wants_stream());
}

#[test]
fn braces_of_the_format_itself_are_left_alone() {
    for body in [
        "",
        "{}",
        "[{\"a\":{\"b\":{}}}]",
        "}} {",
        "never closed {{media_url",
    ] {
        assert_eq!(document(body).fill(&links(), plain).unwrap(), body);
    }
}

#[test]
fn debug_shows_no_text() {
    let shown = format!("{:?}", document("<Say>your pin is 4711</Say>"));
    assert_eq!(shown, "Document(dummy, 27 bytes)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_filled_or_refused(body in ".{0,200}") {
        let filled = document(&body).fill(&media_links(), plain);
        if !body.contains("{{") {
            prop_assert_eq!(filled.unwrap(), body);
        }
    }

    #[test]
    fn any_text_is_a_public_url_or_refused(text in "(https?://)?.{0,60}") {
        if let Ok(url) = PublicUrl::new(&text) {
            prop_assert!(url.websocket().starts_with("ws"));
            prop_assert!(!url.as_str().ends_with('/'));
            prop_assert_eq!(PublicUrl::new(url.as_str()).unwrap(), url);
        }
    }
}
