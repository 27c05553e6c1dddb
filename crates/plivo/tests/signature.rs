//! Who signed a request: every form that Plivo's SDKs know, and what must be refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use http::{HeaderValue, Method};
use telephony_core::{ErrorKind, Secret, WebhookKind, WebhookRequest, verify};
use telephony_plivo::Plivo;

const URL: &str = "https://voice.example.com/plivo/call";

fn post(url: &str, body: &str, signed: &str) -> WebhookRequest {
    request(WebhookKind::IncomingCall, Method::POST, url, body, signed)
}

fn get(url: &str, signed: &str) -> WebhookRequest {
    request(WebhookKind::IncomingCall, Method::GET, url, "", signed)
}

fn is_fine(plivo: &Plivo, request: WebhookRequest) -> bool {
    match verify(plivo, request) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            false
        }
    }
}

#[test]
fn a_form_a_query_and_both() {
    let plivo = plivo();
    let query = format!("{URL}?b=2&a=x%20y");
    for request in [
        // The bare question mark.
        post(
            URL,
            "To=2&CallUUID=a%2Bb&From=1",
            &format!("{URL}?CallUUIDa+bFrom1To2"),
        ),
        post(&query, "To=2&From=1", &format!("{URL}?a=x y&b=2.From1To2")),
        post(URL, "", URL),
        post(&query, "", &format!("{URL}?a=x y&b=2")),
        get(URL, URL),
        get(&query, &format!("{URL}?a=x y&b=2")),
        // Values of a name that is there several times are sorted.
        get(&format!("{URL}?a=2&b=&a=1"), &format!("{URL}?a=1&a=2&b=")),
        post(URL, "a=2&a=10", &format!("{URL}?a10a2")),
    ] {
        assert!(is_fine(&plivo, request));
    }
}

#[test]
fn what_nobody_signed_so() {
    let plivo = plivo();
    for request in [
        post(URL, "From=1", &format!("{URL}From1")),
        post(URL, "From=1", &format!("{URL}?.From1")),
        post(&format!("{URL}?a=1"), "From=1", &format!("{URL}?a=1From1")),
        get(&format!("{URL}?a=1"), URL),
        get(&format!("{URL}?a=%20"), &format!("{URL}?a=%20")),
        get(URL, "http://voice.example.com/plivo/call"),
        get(URL, "https://voice.example.com:443/plivo/call"),
    ] {
        assert!(!is_fine(&plivo, request));
    }
}

#[test]
fn a_body_that_is_no_form_and_a_get_with_one_are_refused() {
    let plivo = plivo();
    let mut json = post(URL, "{}", &format!("{URL}?{{}}"));
    let kind = HeaderValue::from_static("application/json");
    json.headers.insert("content-type", kind);
    assert!(!is_fine(&plivo, json));
    let mut odd = get(URL, URL);
    odd.body = "From=1".into();
    assert!(!is_fine(&plivo, odd));
    let mut put = get(URL, URL);
    put.method = Method::PUT;
    assert!(!is_fine(&plivo, put));
}

#[test]
fn one_of_a_list_in_either_header_is_enough() {
    let (v3, main) = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3");
    let plivo = plivo();
    let good = get(URL, URL);
    let ours = good.headers[v3].to_str().unwrap().to_owned();
    for (header, value, fine) in [
        (v3, format!("bm90aGluZw==,{ours}"), true),
        (v3, format!("{ours} , bm90aGluZw=="), true),
        (main, ours.clone(), true),
        (v3, "bm90aGluZw==,".to_owned(), false),
        (v3, String::new(), false),
        ("x-plivo-signature-v2", ours.clone(), false),
    ] {
        let mut request = good.clone();
        request.headers.remove(v3);
        request.headers.insert(header, value.parse().unwrap());
        assert_eq!(is_fine(&plivo, request), fine, "{header}: {value}");
    }
    let mut without_nonce = good;
    without_nonce.headers.remove("x-plivo-signature-v3-nonce");
    assert!(!is_fine(&plivo, without_nonce));
}

#[test]
fn a_second_token_signs_too_while_tokens_rotate() {
    let request = get(URL, URL);
    let other =
        |config: telephony_plivo::PlivoConfig| config.with_next_auth_token(Secret::new(TOKEN));
    let rotated = telephony_plivo::PlivoConfig::new(ID, Secret::new("another"));
    assert!(!is_fine(&with_config(rotated.clone()), request.clone()));
    assert!(is_fine(&with_config(other(rotated)), request));
}

#[test]
fn a_media_socket_is_signed_over_any_scheme_and_refused_without_unless_that_is_allowed() {
    let url = "https://voice.example.com/plivo/media/token0token0token0toke";
    let upgrade = |signed: &str| request(WebhookKind::MediaUpgrade, Method::GET, url, "", signed);
    let strict = plivo();
    let loose = with_config(config().with_unsigned_upgrades());
    for scheme in ["http", "https", "ws", "wss"] {
        let signed = url.replacen("https", scheme, 1);
        assert!(is_fine(&strict, upgrade(&signed)), "{scheme}");
    }
    let mut bare = upgrade(url);
    bare.headers.clear();
    assert!(!is_fine(&strict, bare.clone()));
    assert!(is_fine(&loose, bare));
    // One that is there must be right.
    assert!(!is_fine(&loose, upgrade("https://elsewhere.example.com/")));
    let mut empty = upgrade(url);
    empty
        .headers
        .insert("x-plivo-signature-v3", HeaderValue::from_static(""));
    assert!(!is_fine(&loose, empty));
}
