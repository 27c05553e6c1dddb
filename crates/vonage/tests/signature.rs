//! Who signed a webhook, and who did not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::*;
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use telephony_core::{Authenticated, ErrorKind, Result, Telephony, WebhookKind, WebhookRequest};
use telephony_vonage::GetPayloadHash;

const BODY: &str = r#"{"from":"442079460123","to":"447700900456","uuid":"63f61863-4a51-4f6b-86e1-46edebcf9356","conversation_uuid":"CON-f972836a-550f-45fa-956c-12a2ab5b7d22","status":"ringing","direction":"inbound","timestamp":"2026-02-03T04:05:06.789Z"}"#;
/// Computed with Python's `hmac` for [`BODY`], [`SECRET`] and the claims of [`claims`].
const BODY_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NzAwOTE1MDYsImp0aSI6IjZkM2M1YjFlLTBmNTctNGM4Yi05ZDNhLTJiNmYwZDdmMWMxMSIsImlzcyI6IlZvbmFnZSIsInBheWxvYWRfaGFzaCI6IjFiZmI0ODU3ZTNiMjFmODI5NzFiMjVkZWNlYzVlZGY1N2ZhYWU5ZjUxZjlmMGQ2MTIwMzFlZDFiYWExMDBjYzEiLCJhcGlfa2V5IjoiYzBmZmVlMTIiLCJhcHBsaWNhdGlvbl9pZCI6Ijc4ZDMzNWZhLTMyM2QtNDExNC05YzNkLWQ2ZjBkNDg5NjhjZiJ9.yOoTFRu8rhchdK7eD816IKuI8kvEU708-dtQWZ4N_y8";
const UNICODE_BODY: &str =
    r#"{"from":"447700900456","to":"442079460123","uuid":"u-1","custom_data":{"n":"Zoë – 東京"}}"#;
const UNICODE_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NzAwOTE1MDYsImp0aSI6IjZkM2M1YjFlLTBmNTctNGM4Yi05ZDNhLTJiNmYwZDdmMWMxMSIsImlzcyI6IlZvbmFnZSIsInBheWxvYWRfaGFzaCI6IjQxYTgwN2UxNWU3ZWI0N2YwOTcwZmVlZmQ0YTA0ZTAzNzExOWQxNjEwMDdiYTRjMjQ0MGYzZjQ3MTBkNzQxNTYiLCJhcGlfa2V5IjoiYzBmZmVlMTIiLCJhcHBsaWNhdGlvbl9pZCI6Ijc4ZDMzNWZhLTMyM2QtNDExNC05YzNkLWQ2ZjBkNDg5NjhjZiJ9.z-ETqQhAN4y44de2Dt9FKCzYlPp9IQYXF1ST_DJevPA";
const QUERY: &str = "to=442079460123&from=447700900456&conversation_uuid=CON-1&uuid=u-1";
const QUERY_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NzAwOTE1MDYsImp0aSI6IjZkM2M1YjFlLTBmNTctNGM4Yi05ZDNhLTJiNmYwZDdmMWMxMSIsImlzcyI6IlZvbmFnZSIsInBheWxvYWRfaGFzaCI6IjFhMWEwMzJlZjAyMjBjMTI0ZDg5N2EyYWE3ZjFhMGYwYjY1MTc5MmY0YTA1Mzg3MmM4MDRlZjBiMmNmYzQ4NTYiLCJhcGlfa2V5IjoiYzBmZmVlMTIiLCJhcHBsaWNhdGlvbl9pZCI6Ijc4ZDMzNWZhLTMyM2QtNDExNC05YzNkLWQ2ZjBkNDg5NjhjZiJ9.3MYBhay6w8oD-mbpP8XMRGtXqONGtRkWTxH7dSfOIMs";
const UPGRADE_TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NzAwOTE1MDYsImp0aSI6IjZkM2M1YjFlLTBmNTctNGM4Yi05ZDNhLTJiNmYwZDdmMWMxMSIsImlzcyI6IlZvbmFnZSIsImFwaV9rZXkiOiJjMGZmZWUxMiIsImFwcGxpY2F0aW9uX2lkIjoiNzhkMzM1ZmEtMzIzZC00MTE0LTljM2QtZDZmMGQ0ODk2OGNmIn0.d3oSJgrsrzHWtdCQ4RtqL03_vp-FBHkhy09FOCKIr7E";

fn refused(result: Result<Authenticated>, because: &str) {
    let error = result.expect_err(because);
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(
        error.to_string().starts_with("vonage: verify webhook: "),
        "{error}"
    );
    assert!(
        error.to_string().contains(because),
        "{error} does not say {because}"
    );
}

fn with_claim(name: &str, value: Value) -> WebhookRequest {
    let mut claims = claims(BODY.as_bytes());
    claims[name] = value;
    post_with(WebhookKind::Event, BODY, &token(&head(), &claims, SECRET))
}

fn without_claim(name: &str) -> WebhookRequest {
    let mut claims = claims(BODY.as_bytes());
    claims.as_object_mut().unwrap().remove(name);
    post_with(WebhookKind::Event, BODY, &token(&head(), &claims, SECRET))
}

#[test]
fn a_signed_post_is_authentic_whatever_it_asks() {
    let vonage = vonage();
    for kind in [
        WebhookKind::IncomingCall,
        WebhookKind::NextStep,
        WebhookKind::Status,
        WebhookKind::Event,
    ] {
        let authenticated = vonage
            .authenticate(&post_with(kind, BODY, BODY_TOKEN))
            .unwrap();
        assert_eq!(authenticated.signed_at, Some(at(1_770_091_506)));
        assert_eq!(
            authenticated.replay_key.as_deref(),
            Some(
                "6d3c5b1e-0f57-4c8b-9d3a-2b6f0d7f1c11:1bfb4857e3b21f82971b25decec5edf57faae9f51f9f0d612031ed1baa100cc1"
            )
        );
    }
    let unicode = post_with(WebhookKind::Event, UNICODE_BODY, UNICODE_TOKEN);
    assert!(vonage.authenticate(&unicode).is_ok());
}

#[test]
fn the_recipe_of_these_tests_is_the_independent_one() {
    let ours = URL_SAFE_NO_PAD.encode(hmac_sha256(
        SECRET.as_bytes(),
        BODY_TOKEN.rsplit_once('.').unwrap().0.as_bytes(),
    ));
    assert_eq!(BODY_TOKEN.rsplit_once('.').unwrap().1, ours);
}

#[test]
fn the_body_is_compared_byte_for_byte() {
    let vonage = vonage();
    for body in [
        BODY.replace("ringing", "completed"),
        BODY.replace("\":\"", "\": \""),
        format!("{BODY}\n"),
        String::new(),
    ] {
        let request = post_with(WebhookKind::Event, &body, BODY_TOKEN);
        refused(
            vonage.authenticate(&request),
            "the body is not the one that was signed",
        );
    }
}

#[test]
fn the_payload_hash_is_required_and_may_be_in_upper_case() {
    let vonage = vonage();
    let upper = sha256_hex(BODY.as_bytes()).to_uppercase();
    assert!(
        vonage
            .authenticate(&with_claim("payload_hash", json!(upper)))
            .is_ok()
    );
    refused(
        vonage.authenticate(&without_claim("payload_hash")),
        "payload_hash",
    );
    for wrong in ["", "1bfb", &"z".repeat(64)] {
        refused(
            vonage.authenticate(&with_claim("payload_hash", json!(wrong))),
            "payload_hash",
        );
    }
}

#[test]
fn only_hs256_counts() {
    let vonage = vonage();
    for alg in ["none", "None", "RS256", "HS384", "HS512", "hs256", ""] {
        let token = token(
            &json!({"alg": alg, "typ": "JWT"}),
            &claims(BODY.as_bytes()),
            SECRET,
        );
        let request = post_with(WebhookKind::Event, BODY, &token);
        refused(vonage.authenticate(&request), "HS256");
    }
    let no_alg = token(&json!({"typ": "JWT"}), &claims(BODY.as_bytes()), SECRET);
    refused(
        vonage.authenticate(&post_with(WebhookKind::Event, BODY, &no_alg)),
        "HS256",
    );
    let critical = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let critical = token(&critical, &claims(BODY.as_bytes()), SECRET);
    refused(
        vonage.authenticate(&post_with(WebhookKind::Event, BODY, &critical)),
        "HS256",
    );
    let bare = token(&json!({"alg": "HS256"}), &claims(BODY.as_bytes()), SECRET);
    assert!(
        vonage
            .authenticate(&post_with(WebhookKind::Event, BODY, &bare))
            .is_ok()
    );
}

#[test]
fn a_token_has_exactly_three_segments() {
    let vonage = vonage();
    let (signed, signature) = BODY_TOKEN.rsplit_once('.').unwrap();
    let (head, payload) = signed.split_once('.').unwrap();
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        signed.to_owned(),
        format!("{signed}."),
        format!("{BODY_TOKEN}."),
        format!("{BODY_TOKEN}.{signature}"),
        format!(".{BODY_TOKEN}"),
        format!("{head}..{signature}"),
        format!("{head}.{payload}.{signature}="),
        format!("{head}.{payload}.{}", &signature[1..]),
        "x".repeat(20_000),
    ] {
        let request = post_with(WebhookKind::Event, BODY, &token);
        refused(vonage.authenticate(&request), "");
    }
    // Four segments that are signed as a whole.
    let signed = format!("{head}.{payload}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET.as_bytes(), signed.as_bytes()));
    let four = post_with(WebhookKind::Event, BODY, &format!("{signed}.{signature}"));
    refused(vonage.authenticate(&four), "claims");
}

#[test]
fn the_secret_must_be_one_of_ours() {
    let other = token(&head(), &claims(BODY.as_bytes()), "another-secret");
    let request = post_with(WebhookKind::Event, BODY, &other);
    refused(vonage().authenticate(&request), "the signature secret");
    let rotating = open(config().with_signature_secret("another-secret"));
    assert!(rotating.authenticate(&request).is_ok());
    assert!(
        rotating
            .authenticate(&post_with(WebhookKind::Event, BODY, BODY_TOKEN))
            .is_ok()
    );
    let empty = token(&head(), &claims(BODY.as_bytes()), "");
    refused(
        rotating.authenticate(&post_with(WebhookKind::Event, BODY, &empty)),
        "the signature secret",
    );
}

#[test]
fn each_claim_must_be_ours() {
    let vonage = vonage();
    refused(
        vonage.authenticate(&with_claim("iss", json!("Nexmo"))),
        "`iss`",
    );
    refused(
        vonage.authenticate(&with_claim("api_key", json!("c0ffee13"))),
        "`api_key`",
    );
    refused(
        vonage.authenticate(&with_claim("application_id", json!("another"))),
        "`application_id`",
    );
    refused(vonage.authenticate(&with_claim("jti", json!(""))), "`jti`");
    refused(
        vonage.authenticate(&with_claim("jti", json!("  "))),
        "`jti`",
    );
    for name in ["iat", "jti", "iss", "api_key"] {
        refused(vonage.authenticate(&without_claim(name)), "claims");
        refused(
            vonage.authenticate(&with_claim(name, json!(["Vonage"]))),
            "claims",
        );
    }
    assert!(
        vonage
            .authenticate(&without_claim("application_id"))
            .is_ok()
    );
    assert!(
        vonage
            .authenticate(&with_claim("more", json!({"a": 1})))
            .is_ok()
    );
}

#[test]
fn the_time_of_the_token_counts() {
    let vonage = vonage();
    for (iat, refusal) in [
        (NOW - 300, None),
        (NOW - 301, Some("too old")),
        (0, Some("too old")),
        (NOW + 30, None),
        (NOW + 31, Some("future")),
        (u64::MAX, Some("future")),
    ] {
        let result = vonage.authenticate(&with_claim("iat", json!(iat)));
        match refusal {
            Some(because) => refused(result, because),
            None => assert!(result.is_ok(), "{iat}"),
        }
    }
    for bad in [json!(-1), json!("1770091506"), json!(1.5), json!(null)] {
        refused(vonage.authenticate(&with_claim("iat", bad)), "claims");
    }
    refused(
        vonage.authenticate(&with_claim("exp", json!(NOW - 31))),
        "expired",
    );
    refused(
        vonage.authenticate(&with_claim("nbf", json!(NOW + 31))),
        "not valid yet",
    );
    assert!(
        vonage
            .authenticate(&with_claim("exp", json!(NOW + 1)))
            .is_ok()
    );

    let strict = open(config().with_window(Duration::from_secs(2), Duration::ZERO));
    refused(
        strict.authenticate(&post_with(WebhookKind::Event, BODY, BODY_TOKEN)),
        "too old",
    );
}

#[test]
fn the_header_is_one_bearer_token() {
    let vonage = vonage();
    let genuine = post_with(WebhookKind::Event, BODY, BODY_TOKEN);
    let with = |value: &[u8]| {
        let mut request = genuine.clone();
        let value = http::HeaderValue::from_bytes(value).unwrap();
        request.headers.insert("authorization", value);
        vonage.authenticate(&request)
    };
    assert!(with(format!("bearer {BODY_TOKEN}").as_bytes()).is_ok());
    refused(with(format!("Basic {BODY_TOKEN}").as_bytes()), "bearer");
    refused(with(BODY_TOKEN.as_bytes()), "bearer");
    refused(with(b""), "bearer");
    refused(with(b"Bearer \xff"), "bearer");

    let mut twice = genuine.clone();
    twice.headers.append(
        "authorization",
        format!("Bearer {BODY_TOKEN}").parse().unwrap(),
    );
    refused(vonage.authenticate(&twice), "bearer");
    let mut unsigned = genuine;
    unsigned.headers.remove("authorization");
    refused(vonage.authenticate(&unsigned), "not signed");
}

#[test]
fn get_is_refused_unless_it_is_allowed() {
    let request = get_with(WebhookKind::IncomingCall, QUERY, QUERY_TOKEN);
    refused(vonage().authenticate(&request), "allow_get");
    let allowing = open(config().with_get(GetPayloadHash::Off));
    assert!(allowing.authenticate(&request).is_ok());
    let unsigned = {
        let mut request = request.clone();
        request.headers.clear();
        request
    };
    refused(allowing.authenticate(&unsigned), "not signed");
    for method in [Method::PUT, Method::DELETE, Method::HEAD] {
        let mut request = post_with(WebhookKind::Event, BODY, BODY_TOKEN);
        request.method = method;
        refused(allowing.authenticate(&request), "by POST or GET");
    }
}

#[test]
fn without_the_check_a_get_says_what_anybody_wants() {
    let forged = get_with(WebhookKind::Event, "uuid=u-2&status=completed", QUERY_TOKEN);
    assert!(
        open(config().with_get(GetPayloadHash::Off))
            .authenticate(&forged)
            .is_ok()
    );
    let checking = open(config().with_get(GetPayloadHash::Check));
    refused(
        checking.authenticate(&forged),
        "the query is not the one that was signed",
    );
}

#[test]
fn the_hash_of_a_query_is_of_its_json_in_the_order_received() {
    let checking = open(config().with_get(GetPayloadHash::Check));
    let check = |query: &str, hashed: &str| {
        let token = token(&head(), &claims(hashed.as_bytes()), SECRET);
        checking.authenticate(&get_with(WebhookKind::Event, query, &token))
    };
    assert!(
        checking
            .authenticate(&get_with(WebhookKind::IncomingCall, QUERY, QUERY_TOKEN))
            .is_ok()
    );
    let input = "dtmf=%7B%22digits%22:%223%22%7D&n=Zo%C3%AB&size=18990";
    for hashed in [
        r#"{"dtmf":"{\"digits\":\"3\"}","n":"Zoë","size":"18990"}"#,
        r#"{"dtmf":{"digits":"3"},"n":"Zoë","size":"18990"}"#,
        r#"{"dtmf":{"digits":"3"},"n":"Zoë","size":18990}"#,
        r#"{"dtmf":{"digits":"3"},"n":"Zo\u00eb","size":"18990"}"#,
    ] {
        assert!(check(input, hashed).is_ok(), "{hashed}");
    }
    for other in [
        r#"{"n":"Zoë","dtmf":{"digits":"3"},"size":"18990"}"#,
        r#"{"dtmf":{"digits":"4"},"n":"Zoë","size":"18990"}"#,
        "",
    ] {
        refused(check(input, other), "the query");
    }
    let mut no_hash = claims(b"");
    no_hash.as_object_mut().unwrap().remove("payload_hash");
    let no_hash = token(&head(), &no_hash, SECRET);
    refused(
        checking.authenticate(&get_with(WebhookKind::Event, QUERY, &no_hash)),
        "payload_hash",
    );
}

#[test]
fn an_upgrade_may_be_unsigned_but_not_wrongly_signed() {
    let vonage = vonage();
    let upgrade = |token: &str| {
        let mut request = post_with(WebhookKind::MediaUpgrade, "", token);
        request.method = Method::GET;
        request
    };
    let unsigned = {
        let mut request = upgrade("");
        request.headers.clear();
        request
    };
    assert_eq!(
        vonage.authenticate(&unsigned).unwrap(),
        Authenticated::new()
    );
    let strict = open(config().with_required_upgrade_token());
    refused(strict.authenticate(&unsigned), "not signed");

    let signed = upgrade(UPGRADE_TOKEN);
    assert_eq!(
        vonage.authenticate(&signed).unwrap().signed_at,
        Some(at(NOW - 4))
    );
    assert!(strict.authenticate(&signed).is_ok());
    let hashed = upgrade(&token(&head(), &claims(b"whatever"), SECRET));
    assert!(
        vonage.authenticate(&hashed).is_ok(),
        "the hash is not looked at"
    );

    let mut late = signed.clone();
    late.received_at = at(NOW + 600);
    refused(vonage.authenticate(&late), "too old");
    refused(
        vonage.authenticate(&upgrade(&token(&head(), &claims(b""), "other"))),
        "secret",
    );
    refused(vonage.authenticate(&upgrade("")), "");
    let mut twice = signed;
    twice
        .headers
        .append("authorization", "Bearer x".parse().unwrap());
    refused(vonage.authenticate(&twice), "bearer");
}
