//! Every request but placing a call, byte for byte, and the hosts that they go to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{UUID, api, assert_refused, assert_request, id, token};
use common::*;
use telephony_core::{Answer, CallId, ErrorKind, OutboundCall, Party};
use telephony_vonage::rest::{ApplicationToken, CallFilter, StreamAudio, Talk, VoiceApi};
use telephony_vonage::{NAME, VonageCallOptions};

#[test]
fn requests_go_to_the_configured_host_or_the_calls_region() {
    let line = |api: &VoiceApi| {
        let request = api.hang_up(&token(), &id()).unwrap();
        request.uri().to_string()
    };
    let path = format!("/v1/calls/{UUID}");
    let configured =
        VoiceApi::new(&config().with_base_url("http://127.0.0.1:8080/prefix/")).unwrap();
    assert_eq!(configured.base_url(), "http://127.0.0.1:8080/prefix");
    assert_eq!(
        line(&configured),
        format!("http://127.0.0.1:8080/prefix{path}")
    );

    let region = configured
        .at_region("https://api-us-3.vonage.com/")
        .unwrap();
    assert_eq!(line(&region), format!("https://api-us-3.vonage.com{path}"));
    let back = region.at_region("http://127.0.0.1:8080").unwrap();
    assert_eq!(line(&back), format!("http://127.0.0.1:8080/prefix{path}"));
    let usual = api()
        .at_region("https://API-EU-3.vonage.com:443/v1?x=y")
        .unwrap();
    assert_eq!(line(&usual), format!("https://api-eu-3.vonage.com{path}"));
    assert_eq!(
        line(&usual.at_region("https://api.nexmo.com").unwrap()),
        format!("https://api.nexmo.com{path}")
    );

    for stranger in [
        "",
        "http://127.0.0.1:8081",
        "https://127.0.0.1:8080",
        "http://127.0.0.1",
        "http://localhost:8080",
        "http://api-us-3.vonage.com",
        "https://hunter2.example/?vonage.com",
        "https://vonage.com.hunter2.example",
        "https://api.nexmo.com@hunter2.example",
        "wss://api.nexmo.com",
        "api.nexmo.com",
    ] {
        assert_refused(
            configured.at_region(stranger),
            ErrorKind::InvalidArgument,
            "choose region",
        );
    }
    assert_refused(
        api().at_region("http://127.0.0.1:8080"),
        ErrorKind::InvalidArgument,
        "choose region",
    );

    let options = VonageCallOptions::new().with_region_url("https://api-ap-3.vonage.com");
    assert_eq!(options.region_url(), Some("https://api-ap-3.vonage.com"));
    let number = |digits: &str| Party::Number(format!("+{digits}"));
    let call = OutboundCall::new(
        number("447700900001"),
        number("447700900000"),
        Answer::say("Hello."),
    )
    .with_extension(NAME, options);
    let request = api().place_call(&token(), &call, &links()).unwrap();
    assert_eq!(request.uri(), "https://api-ap-3.vonage.com/v1/calls");
}

#[test]
fn a_base_url_that_is_no_host_is_a_configuration_error() {
    for bad in [
        "http://api.nexmo.com",
        "ftp://x",
        "https://",
        "https://a_b.example",
        "https://a..b",
    ] {
        let error = VoiceApi::new(&config().with_base_url(bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("`base_url`"), "{error}");
    }
}

#[test]
fn a_live_call_is_steered() {
    let (api, token, id, links) = (api(), token(), id(), links());
    let put = |below: &str| format!("PUT https://api.nexmo.com/v1/calls/{UUID}{below}");
    let delete = |below: &str| format!("DELETE https://api.nexmo.com/v1/calls/{UUID}{below}");
    assert_request(
        api.hang_up(&token, &id),
        &put(""),
        Some(r#"{"action":"hangup"}"#),
    );
    assert_request(
        api.mute(&token, &id),
        &put(""),
        Some(r#"{"action":"mute"}"#),
    );
    assert_request(
        api.unmute(&token, &id),
        &put(""),
        Some(r#"{"action":"unmute"}"#),
    );
    assert_request(
        api.earmuff(&token, &id),
        &put(""),
        Some(r#"{"action":"earmuff"}"#),
    );
    assert_request(
        api.unearmuff(&token, &id),
        &put(""),
        Some(r#"{"action":"unearmuff"}"#),
    );
    assert_request(
        api.transfer(&token, &id, &Answer::say("Hello."), &links),
        &put(""),
        Some(
            r#"{"action":"transfer","destination":{"type":"ncco","ncco":[{"action":"talk","text":"Hello."}]}}"#,
        ),
    );
    assert_request(
        api.transfer(&token, &id, &Answer::dial("+447700900001"), &links),
        &put(""),
        Some(concat!(
            r#"{"action":"transfer","destination":{"type":"ncco","ncco":[{"action":"connect","endpoint":[{"type":"phone","number":"447700900001"}],"#,
            r#""eventType":"synchronous","eventUrl":["https://voice.example.com/vonage/answer/call-key-of-the-tests1"],"eventMethod":"POST"}]}}"#
        )),
    );
    assert_request(
        api.transfer_to_url(&token, &id, "https://example.com/ncco.json"),
        &put(""),
        Some(
            r#"{"action":"transfer","destination":{"type":"ncco","url":["https://example.com/ncco.json"]}}"#,
        ),
    );
    assert_request(
        api.send_dtmf(&token, &id, "17*#p3"),
        &put("/dtmf"),
        Some(r#"{"digits":"17*#p3"}"#),
    );
    assert_request(api.stop_talk(&token, &id), &delete("/talk"), None);
    assert_request(api.stop_stream(&token, &id), &delete("/stream"), None);
    assert_request(
        api.subscribe_dtmf(&token, &id, &links),
        &put("/input/dtmf"),
        Some(r#"{"event_url":["https://voice.example.com/vonage/events/call-key-of-the-tests1"]}"#),
    );
    assert_request(
        api.unsubscribe_dtmf(&token, &id),
        &delete("/input/dtmf"),
        None,
    );
}

#[test]
fn texts_and_files_are_heard_in_a_live_call() {
    let (api, token, id) = (api(), token(), id());
    let put = |below: &str| format!("PUT https://api.nexmo.com/v1/calls/{UUID}{below}");
    assert_request(
        api.start_talk(&token, &id, &Talk::new("Hello.")),
        &put("/talk"),
        Some(r#"{"text":"Hello."}"#),
    );
    let mut talk = Talk::new("<speak>Hello.</speak>");
    talk.language = Some("en-GB-WLS".into());
    talk.style = Some(1);
    talk.premium = true;
    talk.times = Some(0);
    talk.level = Some(0.4);
    assert_request(
        api.start_talk(&token, &id, &talk),
        &put("/talk"),
        Some(
            r#"{"text":"<speak>Hello.</speak>","language":"en-GB-WLS","style":1,"premium":true,"loop":0,"level":"0.4"}"#,
        ),
    );
    let mut audio = StreamAudio::new("https://example.com/waiting.mp3");
    assert_request(
        api.start_stream(&token, &id, &audio),
        &put("/stream"),
        Some(r#"{"stream_url":["https://example.com/waiting.mp3"]}"#),
    );
    audio.times = Some(2);
    for (level, text) in [
        (-1.0, "-1"),
        (-0.3, "-0.3"),
        (-0.0, "0"),
        (0.0, "0"),
        (0.7, "0.7"),
        (1.0, "1"),
    ] {
        audio.level = Some(level);
        assert_request(
            api.start_stream(&token, &id, &audio),
            &put("/stream"),
            Some(&format!(
                r#"{{"stream_url":["https://example.com/waiting.mp3"],"loop":2,"level":"{text}"}}"#
            )),
        );
    }
    for level in [1.1, -1.1, 0.45, f32::NAN, f32::INFINITY] {
        audio.level = Some(level);
        talk.level = Some(level);
        assert_refused(
            api.start_stream(&token, &id, &audio),
            ErrorKind::InvalidArgument,
            "level",
        );
        assert_refused(
            api.start_talk(&token, &id, &talk),
            ErrorKind::InvalidArgument,
            "level",
        );
    }
    for text in ["", " ", &"x".repeat(1501)] {
        assert_refused(
            api.start_talk(&token, &id, &Talk::new(text)),
            ErrorKind::InvalidArgument,
            "start talk",
        );
    }
    assert!(
        api.start_talk(&token, &id, &Talk::new("x".repeat(1500)))
            .is_ok()
    );
    talk.level = None;
    talk.language = Some("hunter2!".into());
    assert_refused(
        api.start_talk(&token, &id, &talk),
        ErrorKind::InvalidArgument,
        "language",
    );
    assert_refused(
        api.start_stream(&token, &id, &StreamAudio::new("hunter2.mp3")),
        ErrorKind::InvalidArgument,
        "absolute",
    );
}

#[test]
fn steering_that_makes_no_sense_is_refused() {
    let (api, token, id, links) = (api(), token(), id(), links());
    for keys in ["", "12a", "hunter2", "1 2", "1P"] {
        assert_refused(
            api.send_dtmf(&token, &id, keys),
            ErrorKind::InvalidArgument,
            "send DTMF",
        );
    }
    assert_refused(
        api.transfer(&token, &id, &Answer::hang_up(), &links),
        ErrorKind::InvalidArgument,
        "hang the call up",
    );
    assert_refused(
        api.transfer_to_url(&token, &id, "hunter2"),
        ErrorKind::InvalidArgument,
        "absolute",
    );
    for id in [".", ".."] {
        let id = CallId::new(id).unwrap();
        assert_refused(
            api.hang_up(&token, &id),
            ErrorKind::InvalidArgument,
            "id of a call",
        );
        assert_refused(
            api.fetch_call(&token, &id),
            ErrorKind::InvalidArgument,
            "id of a call",
        );
    }
    let broken = ApplicationToken::from_text("a\r\nX: hunter2", at(NOW), at(NOW));
    assert_refused(
        api.hang_up(&broken, &id),
        ErrorKind::InvalidArgument,
        "token",
    );
}

#[test]
fn an_id_stays_one_segment_of_the_path() {
    for (id, escaped) in [
        (
            "0779a56d002f1c7f47f82ef5fe84ab79",
            "0779a56d002f1c7f47f82ef5fe84ab79",
        ),
        ("a/../b", "a%2F..%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("a\\b c%é", "a%5Cb%20c%25%C3%A9"),
    ] {
        let request = api()
            .fetch_call(&token(), &CallId::new(id).unwrap())
            .unwrap();
        assert_eq!(
            request.uri().to_string(),
            format!("https://api.nexmo.com/v1/calls/{escaped}")
        );
    }
}

#[test]
fn calls_are_fetched_and_listed() {
    let (api, token) = (api(), token());
    assert_request(
        api.fetch_call(&token, &id()),
        &format!("GET https://api.nexmo.com/v1/calls/{UUID}"),
        None,
    );
    assert_request(
        api.list_calls(&token, &CallFilter::new()),
        "GET https://api.nexmo.com/v1/calls",
        None,
    );
    assert_request(
        api.list_calls(&token, &CallFilter::of_conversation("CON-f972836a&x")),
        "GET https://api.nexmo.com/v1/calls?conversation_uuid=CON-f972836a%26x",
        None,
    );
    let placed = CallFilter::placed_since(at(NOW));
    assert_request(
        api.list_calls(&token, &placed),
        "GET https://api.nexmo.com/v1/calls?date_start=2026-02-03T04%3A04%3A10Z&page_size=100&order=desc",
        None,
    );
    let mut all = placed.from_index(200);
    all.status = Some("machine".into());
    all.until = Some(at(NOW + 60));
    all.conversation = Some("CON-1".into());
    assert_request(
        api.list_calls(&token, &all),
        "GET https://api.nexmo.com/v1/calls?status=machine&date_start=2026-02-03T04%3A04%3A10Z&date_end=2026-02-03T04%3A06%3A10Z&page_size=100&record_index=200&order=desc&conversation_uuid=CON-1",
        None,
    );
    for wrong in [
        {
            let mut f = CallFilter::new();
            f.status = Some("hunter2".into());
            f
        },
        {
            let mut f = CallFilter::new();
            f.page_size = Some(0);
            f
        },
        {
            let mut f = CallFilter::new();
            f.page_size = Some(101);
            f
        },
        {
            let mut f = CallFilter::new();
            f.since = Some(at(253_402_300_800));
            f
        },
        CallFilter::of_conversation(" "),
    ] {
        assert_refused(
            api.list_calls(&token, &wrong),
            ErrorKind::InvalidArgument,
            "list calls",
        );
    }
}

#[test]
fn a_recording_is_fetched_from_vonage_only() {
    let simulated = VoiceApi::new(&config().with_base_url("http://127.0.0.1:8080")).unwrap();
    for (api, url) in [
        (api(), "https://api-us-3.vonage.com/v1/files/aaaaaaaa-bbbb"),
        (api(), "https://api.nexmo.com/media/download?id=x%20y"),
        (simulated.clone(), "http://127.0.0.1:8080/v1/files/a"),
        (simulated.clone(), "https://api.nexmo.com/v1/files/a"),
    ] {
        let request = api.fetch_recording(&token(), url).unwrap();
        assert_eq!(
            format!("{} {}", request.method(), request.uri()),
            format!("GET {url}")
        );
        assert_eq!(
            request.headers()["authorization"],
            "Bearer head.claims.signature"
        );
        assert_eq!(request.headers()["accept"], "*/*");
        assert_eq!(request.headers().len(), 2);
        assert!(request.body().is_empty());
    }
    for (api, url) in [
        (api(), "http://127.0.0.1:8080/v1/files/a"),
        (api(), "http://api.nexmo.com/v1/files/a"),
        (api(), "https://hunter2.example/api.nexmo.com"),
        (api(), "https://hunter2.example?api.nexmo.com"),
        (api(), "https://api.nexmo.com.hunter2.example/v1/files/a"),
        (api(), "https://hunter2-nexmo.com/v1/files/a"),
        (api(), "https://api.nexmo.com@hunter2.example/v1/files/a"),
        (api(), "https://api.nexmo.com:8443/v1/files/a"),
        (api(), "/v1/files/a"),
        (api(), ""),
        (simulated, "http://127.0.0.1:8081/v1/files/a"),
    ] {
        assert_refused(
            api.fetch_recording(&token(), url),
            ErrorKind::InvalidArgument,
            "fetch recording",
        );
    }
}
