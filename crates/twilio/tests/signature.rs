//! `X-Twilio-Signature` of webhooks. Signatures written out were computed apart from this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    ACCOUNT, TOKEN, post, request, sign, signed_get, signed_post, twilio, with_config, with_header,
};
use http::Method;
use telephony_core::{ErrorKind, Secret, Telephony, WebhookKind, WebhookRequest};
use telephony_twilio::{Twilio, TwilioConfig};

const STATUS: WebhookKind = WebhookKind::Status;

fn accepts(twilio: &Twilio, request: &WebhookRequest) -> bool {
    match twilio.authenticate(request) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
            assert_eq!(error.provider().map(|name| name.as_str()), Some("twilio"));
            false
        }
    }
}

/// The account of the docs' example: its token is `12345`.
fn docs_account() -> Twilio {
    with_config(TwilioConfig::new("AC1", Secret::new("12345")))
}

#[test]
fn the_worked_example_of_the_docs() {
    let pairs = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675310"),
        ("Digits", "1234"),
        ("From", "+14158675310"),
        ("To", "+18005551212"),
    ];
    let url = "https://example.com/myapp.php?foo=1&bar=2";
    let good = "L/OH5YylLD5NRKLltdqwSvS0BnU=";
    assert!(accepts(&docs_account(), &post(STATUS, url, &pairs, good)));
    let mut reversed = pairs;
    reversed.reverse();
    assert!(accepts(
        &docs_account(),
        &post(STATUS, url, &reversed, good)
    ));

    for wrong in [
        "L/OH5YylLD5NRKLltdqwSvS0BnV=",
        "l/OH5YylLD5NRKLltdqwSvS0BnU=",
        "L/OH5YylLD5NRKLltdqwSvS0BnU",
        "L_OH5YylLD5NRKLltdqwSvS0BnU=",
        "x",
    ] {
        assert!(
            !accepts(&docs_account(), &post(STATUS, url, &pairs, wrong)),
            "{wrong}"
        );
    }
    let more = "https://example.com/myapp.php?foo=1&bar=2&baz=3";
    assert!(!accepts(&docs_account(), &post(STATUS, more, &pairs, good)));
    let other_order = "https://example.com/myapp.php?bar=2&foo=1";
    assert!(!accepts(
        &docs_account(),
        &post(STATUS, other_order, &pairs, good)
    ));
    let mut changed = pairs;
    changed[2].1 = "1235";
    assert!(!accepts(
        &docs_account(),
        &post(STATUS, url, &changed, good)
    ));
    assert!(!accepts(
        &docs_account(),
        &post(STATUS, url, &pairs[1..], good)
    ));
}

#[test]
fn the_header_must_be_there_once_and_filled() {
    let url = "https://voice.example.com/twilio/status";
    let pairs = [("CallSid", "CA1")];
    let good = sign(TOKEN, &format!("{url}CallSidCA1"));
    assert!(accepts(&twilio(), &post(STATUS, url, &pairs, &good)));
    assert!(!accepts(&twilio(), &post(STATUS, url, &pairs, "")));

    let twice = with_header(
        post(STATUS, url, &pairs, &good),
        "x-twilio-signature",
        &good,
    );
    assert!(!accepts(&twilio(), &twice));

    let mut renamed = post(STATUS, url, &pairs, &good);
    let value = renamed.headers.remove("x-twilio-signature").unwrap();
    assert!(!accepts(&twilio(), &renamed));
    renamed.headers.insert("x-webhook-signature", value);
    assert!(!accepts(&twilio(), &renamed));
}

#[test]
fn blank_and_repeated_parameters() {
    let url = "https://example.com/hook";
    // Written out: names by their bytes, of one name the distinct values in order.
    for (pairs, text) in [
        (vec![("b", ""), ("a", "1")], "a1b"),
        (
            vec![("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234")],
            "Digits1234Digits5678",
        ),
        (
            vec![("Sid", "x"), ("SidAccount", "y"), ("Si", "z")],
            "SizSidxSidAccounty",
        ),
        (vec![("a", "1"), ("B", "2"), ("_", "3")], "B2_3a1"),
        (
            vec![("Reason", "z"), ("ReasonConferenceEnded", "a")],
            "ReasonzReasonConferenceEndeda",
        ),
        (
            vec![("Name", "Zo\u{eb} & Co"), ("Emoji", "\u{1f600}")],
            "Emoji\u{1f600}NameZo\u{eb} & Co",
        ),
        (vec![("a.b", "+1 (2)")], "a.b+1 (2)"),
        (vec![], ""),
    ] {
        let signature = sign(TOKEN, &format!("{url}{text}"));
        assert!(
            accepts(&twilio(), &post(STATUS, url, &pairs, &signature)),
            "{text}"
        );
    }
    // Sorted by the joined pair, `ReasonC…` would come first.
    let pairs = [("Reason", "z"), ("ReasonConferenceEnded", "a")];
    let joined = sign(TOKEN, &format!("{url}ReasonConferenceEndedaReasonz"));
    assert!(!accepts(&twilio(), &post(STATUS, url, &pairs, &joined)));
    // Trimmed values are other values.
    let trimmed = sign(TOKEN, &format!("{url}ax"));
    assert!(!accepts(
        &twilio(),
        &post(STATUS, url, &[("a", "x ")], &trimmed)
    ));
}

#[test]
fn url_forms_that_twilio_may_sign() {
    for (called, signed) in [
        (
            "https://example.com:8443/p?q=1",
            "https://example.com:8443/p?q=1",
        ),
        (
            "https://example.com:8443/p?q=1",
            "https://example.com/p?q=1",
        ),
        ("https://example.com/p?q=1", "https://example.com:443/p?q=1"),
        ("http://127.0.0.1/p", "http://127.0.0.1:80/p"),
        ("http://127.0.0.1:8080/p", "http://127.0.0.1/p"),
        ("https://u:p@example.com/p", "https://u:p@example.com/p"),
        ("https://u:p@example.com/p", "https://example.com/p"),
        ("https://u@example.com/p", "https://u@example.com:443/p"),
        ("https://u:p@example.com:8443/p", "https://example.com/p"),
        (
            "https://example.com/p?b=It's",
            "https://example.com/p?b=It%27s",
        ),
        (
            "https://example.com/p?b=It%27s",
            "https://example.com/p?b=It's",
        ),
        (
            "https://example.com:8443/p?b=It's",
            "https://example.com/p?b=It%27s",
        ),
        ("https://example.com/p#rc=2&rp=all", "https://example.com/p"),
        (
            "https://example.com/p?q=1#rc=2",
            "https://example.com/p?q=1",
        ),
        ("https://Example.COM//a%2Fb/", "https://Example.COM//a%2Fb/"),
        ("https://example.com", "https://example.com"),
    ] {
        let signature = sign(TOKEN, &format!("{signed}CallSidCA1"));
        let request = post(STATUS, called, &[("CallSid", "CA1")], &signature);
        assert!(accepts(&twilio(), &request), "{called} signed as {signed}");
    }
}

#[test]
fn url_forms_that_nobody_signs() {
    for (called, signed) in [
        ("https://example.com/p", "http://example.com/p"),
        ("https://example.com/p", "https://example.com/p/"),
        ("https://example.com/p", "https://example.com:80/p"),
        ("https://example.com/p", "https://example.com:8443/p"),
        ("https://example.com/p", "https://u:p@example.com/p"),
        ("https://example.com/p?q=%20", "https://example.com/p?q=+"),
        ("https://example.com/p?q=%2b", "https://example.com/p?q=%2B"),
        ("https://example.com/it's", "https://example.com/it%27s"),
        ("https://Example.com/p", "https://example.com/p"),
        ("https://example.com/p?q=1", "https://example.com/p"),
        ("https://example.com/a//b", "https://example.com/a/b"),
    ] {
        let signature = sign(TOKEN, &format!("{signed}CallSidCA1"));
        let request = post(STATUS, called, &[("CallSid", "CA1")], &signature);
        assert!(!accepts(&twilio(), &request), "{called} signed as {signed}");
    }
}

#[test]
fn a_get_is_signed_by_its_url_alone() {
    let url = "https://voice.example.com/twilio/call?CallSid=CA1&From=%2B14155550100&Empty=";
    assert!(accepts(&twilio(), &signed_get(STATUS, url)));
    let doubled = format!("{url}CallSidCA1EmptyFrom+14155550100");
    let request = request_signed(Method::GET, url, "", &sign(TOKEN, &doubled));
    assert!(!accepts(&twilio(), &request));
    // A body of a GET would be signed by nobody.
    let request = request_signed(Method::GET, url, "Digits=1", &sign(TOKEN, url));
    assert!(!accepts(&twilio(), &request));
    for method in [Method::PUT, Method::HEAD, Method::DELETE] {
        let request = request_signed(method, url, "", &sign(TOKEN, url));
        assert!(!accepts(&twilio(), &request));
    }
}

fn request_signed(method: Method, url: &str, body: &str, signature: &str) -> WebhookRequest {
    with_header(
        request(STATUS, method, url, body),
        "x-twilio-signature",
        signature,
    )
}

#[test]
fn other_bodies_are_signed_by_their_hash_in_the_url() {
    // sha256 of the body, of "{}" and of nothing.
    let body = r#"{"event":"x"}"#;
    let hash = "ebc2c4ea03938ee05e18c1a712d9fa02de923d6f2db34b68fe1f8dcf651e479d";
    let empty_object = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let at = |hash: &str| format!("https://example.com/hook?foo=1&bodySHA256={hash}");
    let json = |url: &str, body: &str| {
        let request = request_signed(Method::POST, url, body, &sign(TOKEN, url));
        with_header(request, "content-type", "application/json")
    };
    assert!(accepts(&twilio(), &json(&at(hash), body)));
    assert!(accepts(&twilio(), &json(&at(empty_object), "")));
    assert!(accepts(&twilio(), &json(&at(nothing), "")));
    assert!(accepts(&twilio(), &json(&at(empty_object), "{}")));

    assert!(!accepts(&twilio(), &json(&at(hash), r#"{"event":"y"}"#)));
    assert!(!accepts(&twilio(), &json(&at(hash), "")));
    assert!(!accepts(&twilio(), &json(&at(nothing), "{}")));
    assert!(!accepts(&twilio(), &json(&at(&hash.to_uppercase()), body)));
    assert!(!accepts(&twilio(), &json(&at(&hash[..63]), body)));
    assert!(!accepts(&twilio(), &json(&at(""), body)));
    let twice = format!("{}&bodySHA256={hash}", at(hash));
    assert!(!accepts(&twilio(), &json(&twice, body)));
    // Without the hash nobody signed the body, although the URL is signed.
    assert!(!accepts(
        &twilio(),
        &json("https://example.com/hook?foo=1", body)
    ));
    let url = "https://example.com/hook";
    let untyped = request_signed(Method::POST, url, body, &sign(TOKEN, url));
    assert!(!accepts(&twilio(), &untyped));
    // With the hash but signed for another URL.
    let other = request_signed(Method::POST, &at(hash), body, &sign(TOKEN, &at(nothing)));
    assert!(!accepts(
        &twilio(),
        &with_header(other, "content-type", "application/json")
    ));
}

#[test]
fn a_post_without_a_body_is_an_empty_form() {
    let url = "https://example.com/hook";
    let request = request_signed(Method::POST, url, "", &sign(TOKEN, url));
    assert!(accepts(&twilio(), &request));
}

#[test]
fn during_a_rotation_either_token_signs() {
    let config =
        TwilioConfig::new(ACCOUNT, Secret::new("old")).with_next_auth_token(Secret::new("new"));
    let twilio = with_config(config);
    let url = "https://example.com/hook";
    for (token, good) in [("old", true), ("new", true), ("older", false), ("", false)] {
        let signature = sign(token, &format!("{url}CallSidCA1"));
        let request = post(STATUS, url, &[("CallSid", "CA1")], &signature);
        assert_eq!(accepts(&twilio, &request), good, "{token}");
    }
}

#[test]
fn an_api_key_signs_nothing() {
    let config = TwilioConfig::new(ACCOUNT, Secret::new(TOKEN))
        .with_api_key("SK1", Secret::new("key-secret"));
    let url = "https://example.com/hook";
    let request = post(STATUS, url, &[], &sign("key-secret", url));
    assert!(!accepts(&with_config(config), &request));
}

#[test]
fn each_account_signs_with_its_own_token() {
    let config = TwilioConfig::new(ACCOUNT, Secret::new(TOKEN))
        .with_subaccount("AC2", Secret::new("sub-old"))
        .with_subaccount("AC2", Secret::new("sub-new"));
    let twilio = with_config(config);
    let url = "https://example.com/hook";
    for (account, token, good) in [
        (ACCOUNT, TOKEN, true),
        ("AC2", "sub-old", true),
        ("AC2", "sub-new", true),
        ("AC2", TOKEN, false),
        (ACCOUNT, "sub-old", false),
        ("AC3", TOKEN, false),
        ("", TOKEN, false),
    ] {
        let form = post(
            STATUS,
            url,
            &[("AccountSid", account)],
            &sign(token, &format!("{url}AccountSid{account}")),
        );
        assert_eq!(accepts(&twilio, &form), good, "POST {account} {token}");
        let query = format!("{url}?AccountSid={account}");
        let get = request_signed(Method::GET, &query, "", &sign(token, &query));
        assert_eq!(accepts(&twilio, &get), good, "GET {account} {token}");
    }
    let both = [("AccountSid", "AC2"), ("AccountSid", ACCOUNT)];
    let text = format!("{url}AccountSid{ACCOUNT}AccountSidAC2");
    assert!(!accepts(
        &twilio,
        &post(STATUS, url, &both, &sign("sub-old", &text))
    ));
    // Without an account it must be the account itself.
    assert!(!accepts(
        &twilio,
        &post(STATUS, url, &[], &sign("sub-old", url))
    ));
}

#[test]
fn repeats_have_the_same_replay_key() {
    let key = |request: WebhookRequest| twilio().authenticate(&request).unwrap().replay_key;
    let url = "https://example.com/hook";
    let progress = |status: &'static str, sequence: &'static str| {
        let pairs = [
            ("CallSid", "CA1"),
            ("CallStatus", status),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", sequence),
        ];
        signed_post(STATUS, url, &pairs)
    };
    let first = key(progress("ringing", "1")).unwrap();
    assert_eq!(key(progress("ringing", "1")).unwrap(), first);
    assert_ne!(key(progress("in-progress", "2")).unwrap(), first);
    assert_ne!(key(progress("completed", "1")).unwrap(), first);

    // The same key pressed twice at the same menu: equal requests that are no repeats.
    let gather = || {
        signed_post(
            WebhookKind::NextStep,
            url,
            &[("CallSid", "CA1"), ("Digits", "1")],
        )
    };
    assert_eq!(key(gather()), None);
    let retried = || with_header(gather(), "i-twilio-idempotency-token", "a-b-c");
    assert_eq!(key(retried()).as_deref(), Some("a-b-c"));
    let authenticated = twilio().authenticate(&retried()).unwrap();
    assert_eq!(authenticated.signed_at, None);
}
