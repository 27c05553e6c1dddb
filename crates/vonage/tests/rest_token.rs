//! The token of the application: what is signed, with which keys, and when it is renewed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::*;
use std::time::{Duration, UNIX_EPOCH};
use telephony_core::ErrorKind;
use telephony_vonage::VonageConfig;
use telephony_vonage::rest::{ApplicationToken, RestKey, TokenCache, VoiceApi};

/// Keys made for these tests alone.
const PKCS8: &str = include_str!("keys/pkcs8.pem");
const PKCS1: &str = include_str!("keys/pkcs1.pem");
/// What `openssl dgst -sha256 -sign` makes of that key and these claims.
const SIGNED: &str = include_str!("keys/token.jwt");
const JTI: &str = "6d3c5b1e-0f57-4c8b-9d3a-2b6f0d7f1c11";

#[test]
fn the_token_is_the_one_that_openssl_signs() {
    let spellings = [
        PKCS8.to_owned(),
        PKCS1.to_owned(),
        PKCS8.replace('\n', "\\n"),
        PKCS8.replace('\n', "\\r\\n"),
        PKCS1.replace('\n', "\r\n"),
        format!("\n   {}  ", PKCS8.replace('\n', "\n    ")),
    ];
    for pem in spellings {
        let key = RestKey::parse(&pem).unwrap();
        let token = key.token(APPLICATION, JTI, at(NOW)).unwrap();
        assert_eq!(token.text().expose(), SIGNED);
    }
}

#[test]
fn the_claims_are_the_documented_ones() {
    let key = RestKey::parse(PKCS8).unwrap();
    // What is less than a second is not in it.
    let now = at(NOW) + Duration::from_millis(999);
    let token = key.token(APPLICATION, r#"a "quoted" id"#, now).unwrap();
    let parts: Vec<_> = token.text().expose().split('.').collect();
    let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(decoded(parts[0]), r#"{"alg":"RS256","typ":"JWT"}"#);
    assert_eq!(
        decoded(parts[1]),
        format!(
            r#"{{"application_id":"{APPLICATION}","iat":{NOW},"exp":{},"jti":"a \"quoted\" id"}}"#,
            NOW + 900
        )
    );
    assert_eq!(parts.len(), 3);
    assert_eq!(token.expires(), at(NOW + 900));
}

#[test]
fn the_key_is_that_of_the_configuration() {
    let config = VonageConfig::new(API_KEY, APPLICATION, PKCS8.replace('\n', "\\n"), SECRET);
    let api = VoiceApi::new(&config).unwrap();
    let token = api.key().unwrap().token(api.application_id(), JTI, at(NOW));
    assert_eq!(token.unwrap().text().expose(), SIGNED);
}

#[test]
fn a_key_that_cannot_be_used_is_found_out_at_its_first_use() {
    // The configuration takes what looks like a key.
    open(config());
    let api = VoiceApi::new(&config()).unwrap();
    let error = api.key().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`private_key`"), "{error}");

    let long = "A".repeat(2000);
    for (pem, why) in [
        (PEM.to_owned(), "InvalidEncoding"),
        (
            include_str!("keys/elliptic-curve.pem").to_owned(),
            "WrongAlgorithm",
        ),
        (include_str!("keys/1024-bits.pem").to_owned(), "TooSmall"),
        (PKCS8.replace("PRIVATE", "RSA PRIVATE"), "RSA key"),
        (PKCS1.replace("RSA PRIVATE", "PRIVATE"), "RSA key"),
        (PKCS8.replace("PRIVATE", "PUBLIC"), "private key in PEM"),
        ("MIIEvgIBADANBg".to_owned(), "private key in PEM"),
        (String::new(), "private key in PEM"),
        (
            format!("-----BEGIN PRIVATE KEY-----{long}-----END PRIVATE KEY-----"),
            "InvalidEncoding",
        ),
        (
            "-----BEGIN PRIVATE KEY-----A=A-----END PRIVATE KEY-----".to_owned(),
            "base64",
        ),
    ] {
        let error = RestKey::parse(&pem).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert_eq!(error.provider().unwrap().as_str(), "vonage");
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(why), "{shown} does not say {why}");
        for line in pem
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("---"))
        {
            assert!(!shown.contains(line), "{shown}");
        }
    }
}

#[test]
fn there_is_no_token_without_an_id_or_before_1970() {
    let key = RestKey::parse(PKCS8).unwrap();
    let error = key.token(APPLICATION, " ", at(NOW)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let early = UNIX_EPOCH - Duration::from_secs(1);
    let error = key.token(APPLICATION, JTI, early).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn a_token_is_renewed_five_minutes_before_its_end() {
    let mut cache = TokenCache::default();
    assert!(cache.fresh(at(NOW)).is_none());
    let kept = cache.keep(ApplicationToken::from_text("one", at(NOW), at(NOW + 900)));
    assert_eq!(kept.text().expose(), "one");
    for (seconds, fresh) in [
        (0, true),
        (1, true),
        (599, true),
        (600, false),
        (900, false),
        (9_999, false),
    ] {
        assert_eq!(
            cache.fresh(at(NOW + seconds)).is_some(),
            fresh,
            "after {seconds} s"
        );
    }
    // The clock was set back: Vonage might find the token to be from the future.
    assert!(cache.fresh(at(NOW - 1)).is_none());
    cache.keep(ApplicationToken::from_text(
        "two",
        at(NOW + 840),
        at(NOW + 1740),
    ));
    assert_eq!(cache.fresh(at(NOW + 900)).unwrap().text().expose(), "two");
    cache.forget();
    assert!(cache.fresh(at(NOW + 900)).is_none());
}

#[test]
fn neither_key_nor_token_is_shown() {
    let key = RestKey::parse(PKCS8).unwrap();
    let token = key.token(APPLICATION, JTI, at(NOW)).unwrap();
    let mut cache = TokenCache::default();
    cache.keep(token.clone());
    let api = VoiceApi::new(&VonageConfig::new(API_KEY, APPLICATION, PKCS8, SECRET)).unwrap();
    let shown = format!("{key:?} {token:?} {cache:?} {api:?}");
    let secrets = PKCS8.lines().chain(SIGNED.split('.')).chain([SECRET]);
    for secret in secrets.filter(|line| !line.starts_with("---")) {
        assert!(!shown.contains(secret), "{shown}");
    }
}
