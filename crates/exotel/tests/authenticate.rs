//! Who is let in: the `key` of HTTP URLs, the Basic credentials of the media socket, and what repeats have in common.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    BASE, MULTIPART, OLD_SECRET, SECRET, assert_kind, config, exotel, exotel_with, get, multipart,
    post,
};
use http::{HeaderValue, Method, header::AUTHORIZATION};
use telephony_core::{
    AccountLabel, ErrorKind, Ports, Telephony, WebhookKind, WebhookRequest, verify,
};
use telephony_exotel::Exotel;

const HTTP_KINDS: [WebhookKind; 4] = [
    WebhookKind::IncomingCall,
    WebhookKind::NextStep,
    WebhookKind::Status,
    WebhookKind::Event,
];

fn with_query(kind: WebhookKind, query: &str) -> WebhookRequest {
    let mut request = get(kind, "");
    request.public_url = format!("{BASE}/exotel/x{query}");
    request
}

#[test]
fn every_secret_of_ours_opens_every_route() {
    for kind in HTTP_KINDS {
        for query in [
            format!("?key={SECRET}"),
            format!("?CallSid=1&key={OLD_SECRET}&x=y"),
            format!("?%6Bey={}", SECRET.replace('-', "%2D")),
            format!("?key={SECRET}#fragment"),
        ] {
            exotel().authenticate(&with_query(kind, &query)).unwrap();
        }
    }
}

#[test]
fn anything_else_stays_outside() {
    for kind in HTTP_KINDS {
        for (query, says) in [
            (String::new(), "no `key`"),
            ("?".into(), "no `key`"),
            ("?key=".into(), "not ours"),
            ("?key=wrong-secret-entirely".into(), "not ours"),
            (format!("?key={}", &SECRET[1..]), "not ours"),
            (format!("?key={SECRET}x"), "not ours"),
            (format!("?key={}", SECRET.to_uppercase()), "not ours"),
            (format!("?KEY={SECRET}"), "no `key`"),
            (format!("?key={SECRET}&key={SECRET}"), "more than one"),
            (format!("?key=&key={SECRET}"), "more than one"),
            (format!("#?key={SECRET}"), "no `key`"),
        ] {
            assert_kind(
                exotel().authenticate(&with_query(kind, &query)),
                ErrorKind::Unauthenticated,
                says,
            );
        }
    }
}

#[test]
fn a_key_in_the_body_or_a_header_is_no_key() {
    let mut request = post(
        WebhookKind::Status,
        "application/x-www-form-urlencoded",
        format!("CallSid=1&Status=completed&key={SECRET}"),
    );
    request.public_url = format!("{BASE}/exotel/status");
    request
        .headers
        .insert(AUTHORIZATION, HeaderValue::from_static(SECRET));
    assert_kind(
        exotel().authenticate(&request),
        ErrorKind::Unauthenticated,
        "no `key`",
    );
}

#[test]
fn a_request_belongs_to_one_account() {
    let other = Exotel::new(
        AccountLabel::new("other").unwrap(),
        config(),
        &Ports::default(),
    )
    .unwrap();
    let request = verify(
        &exotel(),
        get(WebhookKind::Status, "CallSid=1&Status=completed"),
    )
    .unwrap();
    assert_kind(
        other.status_callback(&request),
        ErrorKind::Unauthenticated,
        "another account",
    );
    assert_kind(
        other.catch_all_status_callback(&request),
        ErrorKind::Unauthenticated,
        "another account",
    );
    assert_kind(
        other.accept_call(&request),
        ErrorKind::Unauthenticated,
        "another account",
    );
    assert_kind(
        other.reply(&request, None, &common::links()),
        ErrorKind::Unauthenticated,
        "another account",
    );
}

fn upgrade(authorization: Option<&'static str>) -> WebhookRequest {
    let mut request = get(WebhookKind::MediaUpgrade, "");
    request.public_url = format!(
        "{}/exotel/media/{}",
        BASE.replace("https", "wss"),
        common::TOKEN
    );
    if let Some(value) = authorization {
        request
            .headers
            .insert(AUTHORIZATION, HeaderValue::from_static(value));
    }
    request
}

#[test]
fn the_socket_needs_no_query_and_no_credentials_by_default() {
    exotel().authenticate(&upgrade(None)).unwrap();
    exotel()
        .authenticate(&upgrade(Some("Basic whatever")))
        .unwrap();
}

#[test]
fn the_socket_needs_its_credentials_where_they_are_configured() {
    let guarded = exotel_with(config().with_socket_credentials("bot", "pass-word"));
    for good in ["Basic Ym90OnBhc3Mtd29yZA==", "basic  Ym90OnBhc3Mtd29yZA=="] {
        guarded.authenticate(&upgrade(Some(good))).unwrap();
    }
    for bad in [
        "Basic Ym90OnBhc3Mtd29yZB==", // bot:pass-wore, near enough
        "Basic Ym90Og==",             // bot:
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Bearer Ym90OnBhc3Mtd29yZA==",
        "bot:pass-word",
        "",
    ] {
        assert_kind(
            guarded.authenticate(&upgrade(Some(bad))),
            ErrorKind::Unauthenticated,
            "Basic",
        );
    }
    assert_kind(
        guarded.authenticate(&upgrade(None)),
        ErrorKind::Unauthenticated,
        "no Basic",
    );
    let mut twice = upgrade(Some("Basic Ym90OnBhc3Mtd29yZA=="));
    twice.headers.append(
        AUTHORIZATION,
        HeaderValue::from_static("Basic Ym90OnBhc3Mtd29yZA=="),
    );
    assert_kind(
        guarded.authenticate(&twice),
        ErrorKind::Unauthenticated,
        "Basic",
    );
    // The webhooks are as they were.
    guarded
        .authenticate(&get(WebhookKind::Status, "CallSid=1"))
        .unwrap();
}

fn replay_key(request: &WebhookRequest) -> Option<String> {
    exotel().authenticate(request).unwrap().replay_key
}

#[test]
fn repeats_of_a_callback_have_the_same_key() {
    let terminal = |updated: &str| {
        let fields = [
            ("CallSid", "c1"),
            ("EventType", "terminal"),
            ("Status", "completed"),
            ("DateUpdated", updated),
        ];
        post(WebhookKind::Status, MULTIPART, multipart(&fields))
    };
    let first = replay_key(&terminal("2026-01-01 10:00:00"));
    assert!(first.is_some());
    assert_eq!(first, replay_key(&terminal("2026-01-01 10:05:00")));
    let answered = get(
        WebhookKind::Status,
        "CallSid=c1&EventType=answered&Status=in-progress",
    );
    let other_call = get(
        WebhookKind::Status,
        "CallSid=c2&EventType=terminal&Status=completed",
    );
    let without_type = get(WebhookKind::Status, "CallSid=c1&Status=completed");
    for other in [answered, other_call, without_type] {
        assert_ne!(first, replay_key(&other));
    }
}

#[test]
fn a_flow_may_ask_twice() {
    let ask = |rest: &str| {
        replay_key(&get(
            WebhookKind::NextStep,
            &format!("applet=gather&CallSid=c1{rest}"),
        ))
    };
    assert_eq!(
        ask(""),
        None,
        "nothing tells a repeat from a second question"
    );
    let first = ask("&CurrentTime=2026-01-01+10%3A00%3A00");
    assert!(first.is_some());
    assert_eq!(first, ask("&CurrentTime=2026-01-01+10%3A00%3A00"));
    assert_ne!(first, ask("&CurrentTime=2026-01-01+10%3A00%3A09"));

    let stream = |sid: &str| {
        replay_key(&get(
            WebhookKind::Event,
            &format!("CallSid=c1&Stream[StreamSID]={sid}&Stream[Status]=completed"),
        ))
    };
    assert_eq!(stream("s1"), stream("s1"));
    assert_ne!(stream("s1"), stream("s2"));

    let agent = "CallSid=c1&EventType=Dial&Status=busy&DialWhomNumber=07200498123&CurrentTime=2026-01-01+10%3A00%3A00";
    let key = replay_key(&get(WebhookKind::Event, agent)).unwrap();
    assert!(!key.contains("07200498123"));

    let mut head = get(
        WebhookKind::NextStep,
        "applet=greeting&CallSid=c1&CurrentTime=2026-01-01+10%3A00%3A00",
    );
    head.method = Method::HEAD;
    assert_eq!(
        replay_key(&head),
        None,
        "a HEAD is not the GET that follows it"
    );
    assert_eq!(
        replay_key(&get(WebhookKind::Status, "Status=completed")),
        None
    );
    assert_eq!(
        replay_key(&post(WebhookKind::Status, "application/json", "{broken")),
        None
    );
}
