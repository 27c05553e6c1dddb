//! The signature of the media socket's upgrade.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{ACCOUNT, TOKEN, request, sign, twilio, with_config, with_header};
use http::Method;
use telephony_core::{ErrorKind, Secret, Telephony, WebhookKind, WebhookRequest, verify};
use telephony_twilio::TwilioConfig;

fn upgrade(url: &str, signed: &str) -> WebhookRequest {
    let request = request(WebhookKind::MediaUpgrade, Method::GET, url, "");
    with_header(request, "x-twilio-signature", &sign(TOKEN, signed))
}

#[test]
fn a_signature_computed_elsewhere() {
    // HMAC-SHA1 of `wss://example.com/media` and of the same with a slash, with the key `12345`.
    let twilio = with_config(TwilioConfig::new(ACCOUNT, Secret::new("12345")));
    for signature in [
        "7PR3qMkpDyEJtMrVOY/LDyNq8J8=",
        "T+WBXwUXC0/CyoZ1DA+p9ilZORs=",
    ] {
        let url = "https://example.com/media";
        let request = request(WebhookKind::MediaUpgrade, Method::GET, url, "");
        let request = with_header(request, "x-twilio-signature", signature);
        twilio.authenticate(&request).unwrap();
    }
}

#[test]
fn forms_that_twilio_may_sign() {
    for (called, signed) in [
        ("https://example.com/m/t", "wss://example.com/m/t"),
        ("wss://example.com/m/t", "wss://example.com/m/t"),
        ("https://example.com/m/t", "wss://example.com/m/t/"),
        ("https://example.com/m/t/", "wss://example.com/m/t"),
        ("https://example.com/m/t/", "wss://example.com/m/t/"),
        ("https://example.com:8443/m", "wss://example.com:8443/m"),
        ("https://example.com:8443/m", "wss://example.com/m/"),
        ("https://example.com/m", "wss://example.com:443/m"),
        ("https://example.com", "wss://example.com"),
        ("https://example.com", "wss://example.com/"),
        ("http://127.0.0.1:8080/m", "ws://127.0.0.1:8080/m"),
        ("http://localhost/m", "ws://localhost:80/m"),
        (
            "https://example.com/ws?token=abc&foo=b%20r",
            "wss://example.com/ws?token=abc&foo=b%20r",
        ),
        (
            "https://example.com/ws?token=abc&foo=b%20r",
            "wss://example.com/ws/?token=abc&foo=b%20r",
        ),
        // Twilio's agent library: the pairs of the query, decoded and sorted, after the URL.
        (
            "https://example.com/ws?token=abc&foo=b%20r",
            "wss://example.com/wsfoob rtokenabc",
        ),
    ] {
        let result = twilio().authenticate(&upgrade(called, signed));
        assert!(result.is_ok(), "{called} signed as {signed}");
        assert_eq!(result.unwrap().replay_key, None);
    }
}

#[test]
fn forms_that_nobody_signs() {
    for (called, signed) in [
        ("https://example.com/m", "https://example.com/m"),
        ("https://example.com/m", "ws://example.com/m"),
        ("https://example.com/m", "wss://example.com:80/m"),
        ("https://example.com/m", "wss://example.com/"),
        ("https://example.com/m", "wss://example.com/m//"),
        ("https://example.com/m/t1", "wss://example.com/m/t2"),
        ("https://example.com/m?a=1", "wss://example.com/m"),
        ("http://127.0.0.1/m", "wss://127.0.0.1/m"),
    ] {
        let error = twilio().authenticate(&upgrade(called, signed)).unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Unauthenticated,
            "{called} signed as {signed}"
        );
    }
}

#[test]
fn an_upgrade_needs_the_signature_and_is_a_get() {
    let url = "https://example.com/m";
    let bare = request(WebhookKind::MediaUpgrade, Method::GET, url, "");
    assert!(twilio().authenticate(&bare).is_err());
    let mut posted = upgrade(url, "wss://example.com/m");
    posted.method = Method::POST;
    assert!(twilio().authenticate(&posted).is_err());
    let mut filled = upgrade(url, "wss://example.com/m");
    filled.body = "x".into();
    assert!(twilio().authenticate(&filled).is_err());
}

#[test]
fn a_subaccounts_stream_is_signed_with_its_token() {
    let config =
        TwilioConfig::new(ACCOUNT, Secret::new("main")).with_subaccount("AC2", Secret::new(TOKEN));
    let request = upgrade("https://example.com/m", "wss://example.com/m");
    assert!(with_config(config).authenticate(&request).is_ok());
}

#[test]
fn an_upgrade_is_neither_call_nor_callback() {
    let twilio = twilio();
    let request = verify(
        &twilio,
        upgrade("https://example.com/m", "wss://example.com/m"),
    )
    .unwrap();
    let kind = |error: telephony_core::Error| error.kind();
    assert_eq!(
        twilio.accept_call(&request).map_err(kind).err(),
        Some(ErrorKind::Malformed)
    );
    assert_eq!(
        twilio.status_callback(&request).map_err(kind).err(),
        Some(ErrorKind::Malformed)
    );
    assert!(twilio.catch_all_status_callback(&request).is_err());
    let reply = twilio.reply(&request, None, &common::links());
    assert_eq!(reply.map_err(kind).err(), Some(ErrorKind::Unsupported));
}
