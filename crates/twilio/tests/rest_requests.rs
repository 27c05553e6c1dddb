//! Everything but Calls.create: every request byte for byte, hosts, credentials, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::links;
use common::rest::{
    ACCOUNT_URL, ANSWER_URL, BASIC, EVENTS, answer, body, callee, caller, config, get, now, post,
    text,
};
use http::{Request, header};
use telephony_core::{
    Answer, CallId, Document, ErrorKind, Party, RejectReason, Result, Secret, Stream,
};
use telephony_twilio::TwilioConfig;
use telephony_twilio::rest::{
    Delivery, Directed, RecordingChange, RecordingChannels, RecordingOptions, RecordingTrack,
    Requests, call_page,
};

fn id(text: &str) -> CallId {
    CallId::new(text).unwrap()
}

fn with<T>(run: impl FnOnce(Requests<'_>) -> T) -> T {
    let config = config();
    run(Requests::new(&config).unwrap())
}

#[test]
fn hanging_up_and_giving_up() {
    let request = with(|requests| requests.hang_up(&id("CA0001")).unwrap());
    assert_eq!(
        text(&request),
        post("Calls/CA0001.json", "Status=completed")
    );
    let request = with(|requests| requests.cancel(&id("CA0001")).unwrap());
    assert_eq!(text(&request), post("Calls/CA0001.json", "Status=canceled"));
}

#[test]
fn a_transfer_to_an_answer() {
    let answer = Answer::dial("+14155550111");
    let directed = with(|requests| requests.transfer(&id("CA0001"), &answer, &links()).unwrap());
    let status = links().status_url();
    let twiml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
         <Dial action=\"{ANSWER_URL}?after=dial\" method=\"POST\">\
         <Number statusCallback=\"{status}\" statusCallbackEvent=\"initiated ringing answered completed\">\
         +14155550111</Number></Dial></Response>"
    );
    let encoded: String = form_urlencoded::byte_serialize(twiml.as_bytes()).collect();
    assert_eq!(
        text(&directed.request),
        post("Calls/CA0001.json", &format!("Twiml={encoded}"))
    );
    assert_eq!(directed.delivery, Delivery::Inline);
}

#[test]
fn a_long_transfer_is_asked_for() {
    let answer = Answer::say("x".repeat(4_000));
    let directed = with(|requests| requests.transfer(&id("CA0001"), &answer, &links()).unwrap());
    let url = ANSWER_URL.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(body(&directed.request), format!("Url={url}&Method=POST"));
    assert!(matches!(&directed.delivery, Delivery::AnswerUrl(twiml) if twiml.len() == 4_070));
}

#[test]
fn a_transfer_cannot_reject() {
    let answer = Answer::reject(RejectReason::Busy);
    let error = with(|requests| {
        requests
            .transfer(&id("CA0001"), &answer, &links())
            .unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

fn send_digits(digits: &str, then: &Answer) -> Result<Directed> {
    with(|requests| requests.send_digits(&id("CA0001"), digits, then, &links()))
}

#[test]
fn keys_and_then_the_stream_again() {
    let directed = send_digits("ww1234#W*", &Answer::stream()).unwrap();
    let form = body(&directed.request).to_owned();
    let (name, value) = form_urlencoded::parse(form.as_bytes()).next().unwrap();
    assert_eq!(name, "Twiml");
    assert_eq!(
        value,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Play digits=\"ww1234#W*\"/><Connect>\
         <Stream url=\"wss://voice.example.com/twilio/media/token0token0token0toke\" \
         statusCallback=\"https://voice.example.com/twilio/events/key0key0key0key0key0ke\">\
         <Parameter name=\"call_key\" value=\"key0key0key0key0key0ke\"/></Stream></Connect><Hangup/></Response>"
    );
    assert_eq!(
        directed.request.uri().path(),
        "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls/CA0001.json"
    );
    assert_eq!(directed.delivery, Delivery::Inline);
}

#[test]
fn keys_that_are_refused() {
    for digits in ["", "w", "wW", "1,2", "A", "1\"/><Hangup/>", "１"] {
        let error = send_digits(digits, &Answer::stream()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{digits}");
        assert_eq!(error.operation(), "send DTMF");
    }
    let error = send_digits("1", &Answer::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = send_digits("1", &Answer::reject(RejectReason::Busy)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let two = Answer::stream().then_stream(Stream::new());
    assert_eq!(
        send_digits("1", &two).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    let document = Answer::document(Document::new("twilio", "<Response/>"));
    let error = send_digits("1", &document).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn fetching_a_call() {
    let request = with(|requests| requests.fetch_call(&id("CA0001")).unwrap());
    assert_eq!(text(&request), get("Calls/CA0001.json", "application/json"));
}

#[test]
fn finding_calls() {
    let request = with(|requests| requests.find_calls(&caller(), &callee()).unwrap());
    assert_eq!(
        text(&request),
        get(
            "Calls.json?To=%2B14155550199&From=%2B14155550100&PageSize=50",
            "application/json"
        )
    );
    let client = Party::Client("a b".into());
    let request = with(|requests| requests.find_calls(&client, &callee()).unwrap());
    let query = request.uri().query();
    assert_eq!(
        query,
        Some("To=%2B14155550199&From=client%3Aa+b&PageSize=50")
    );
    let error = with(|requests| {
        requests
            .find_calls(&Party::Withheld, &callee())
            .unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

fn next_after(config: &TwilioConfig, next: &str) -> Result<Option<Request<Bytes>>> {
    let page = serde_json::json!({"calls": [], "next_page_uri": next}).to_string();
    let page = call_page(&answer(200, page), now()).unwrap();
    Requests::new(config).unwrap().next_calls(&page)
}

#[test]
fn the_next_page() {
    let path = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls.json";
    let query = "?To=%2B14155550199&PageSize=50&Page=1&PageToken=PACA0001";
    let request = next_after(&config(), &format!("{path}{query}"));
    assert_eq!(
        text(&request.unwrap().unwrap()),
        get(&format!("Calls.json{query}"), "application/json")
    );
    let last = answer(200, r#"{"calls": [], "next_page_uri": null}"#);
    let last = call_page(&last, now()).unwrap();
    assert!(with(|requests| requests.next_calls(&last).unwrap()).is_none());
}

#[test]
fn the_next_page_behind_a_prefix() {
    let config = config().with_base_url("https://space.example.com/api/laml");
    for next in [
        "/2010-04-01/Accounts/AC1/Calls.json?Page=1",
        "/api/laml/2010-04-01/Accounts/AC1/Calls.json?Page=1",
    ] {
        let request = next_after(&config, next).unwrap().unwrap();
        assert_eq!(
            request.uri(),
            "https://space.example.com/api/laml/2010-04-01/Accounts/AC1/Calls.json?Page=1"
        );
    }
}

#[test]
fn the_next_page_is_on_the_same_host_or_nowhere() {
    for next in [
        "https://api.example.com/2010-04-01/Accounts/AC1/Calls.json",
        "//api.example.com/2010-04-01/Accounts/AC1/Calls.json",
        "@api.example.com/2010-04-01/Accounts/AC1/Calls.json",
        ".example.com/2010-04-01/Accounts/AC1/Calls.json",
        "/2010-04-01/Accounts/../../x",
        "/2010-04-01/Accounts/%2e%2E/x",
        "/2010-04-01/Accounts/..%2fx",
        "/2010-04-01/Accounts/\\..\\x",
        "/2010-04-01/Accounts/AC1/Calls.json?a b",
        "/2010-04-01/Accounts/AC1/\u{e9}",
        "/v1/Calls.json",
    ] {
        let error = next_after(&config(), next).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Carrier, "{next}");
    }
}

#[test]
fn recordings_of_a_live_call() {
    let started = |options: &RecordingOptions| {
        with(|requests| {
            let request = requests.start_recording(&id("CA0001"), &links(), options);
            text(&request.unwrap())
        })
    };
    let callback = format!(
        "RecordingStatusCallback={EVENTS}&RecordingStatusCallbackEvent=in-progress+completed+absent\
         &RecordingStatusCallbackMethod=POST"
    );
    assert_eq!(
        started(&RecordingOptions::new()),
        post("Calls/CA0001/Recordings.json", &callback)
    );
    let options = RecordingOptions::new()
        .with_channels(RecordingChannels::Dual)
        .with_track(RecordingTrack::Inbound)
        .with_trim(true);
    assert_eq!(
        started(&options),
        post(
            "Calls/CA0001/Recordings.json",
            &format!("{callback}&RecordingChannels=dual&RecordingTrack=inbound&Trim=trim-silence")
        )
    );
}

#[test]
fn changes_of_a_recording() {
    for (change, form) in [
        (RecordingChange::Stop, "Status=stopped"),
        (
            RecordingChange::PauseWithSilence,
            "Status=paused&PauseBehavior=silence",
        ),
        (
            RecordingChange::PauseAndSkip,
            "Status=paused&PauseBehavior=skip",
        ),
        (RecordingChange::Resume, "Status=in-progress"),
    ] {
        let request = with(|requests| requests.change_recording(&id("CA0001"), "RE0001", change));
        assert_eq!(
            text(&request.unwrap()),
            post("Calls/CA0001/Recordings/RE0001.json", form)
        );
    }
    let current = Requests::CURRENT_RECORDING;
    let request =
        with(|requests| requests.change_recording(&id("CA0001"), current, RecordingChange::Stop));
    assert_eq!(
        text(&request.unwrap()),
        post(
            "Calls/CA0001/Recordings/Twilio.CURRENT.json",
            "Status=stopped"
        )
    );
}

#[test]
fn a_recording() {
    let request = with(|requests| requests.fetch_recording("RE0001").unwrap());
    assert_eq!(
        text(&request),
        get("Recordings/RE0001.json", "application/json")
    );
}

#[test]
fn ids_are_escaped_in_paths() {
    let request = with(|requests| requests.hang_up(&id("CA/../x?y#z é%2e\\")).unwrap());
    assert_eq!(
        request.uri().to_string(),
        format!("{ACCOUNT_URL}/Calls/CA%2F..%2Fx%3Fy%23z%20%C3%A9%252e%5C.json")
    );
    let request = with(|requests| requests.fetch_recording("../Calls").unwrap());
    assert_eq!(
        request.uri().to_string(),
        format!("{ACCOUNT_URL}/Recordings/..%2FCalls.json")
    );
    for bad in [".", ".."] {
        let error =
            with(|requests| requests.start_recording(&id(bad), &links(), &RecordingOptions::new()));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    for bad in ["", ".", ".."] {
        let error = with(|requests| requests.fetch_recording(bad).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn hosts_are_configuration() {
    let path = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls/CA1.json";
    for (config, base) in [
        (config(), "https://api.twilio.com"),
        (
            config().with_region("ie1", "dublin"),
            "https://api.dublin.ie1.twilio.com",
        ),
        (
            config().with_base_url("http://127.0.0.1:8080/"),
            "http://127.0.0.1:8080",
        ),
        (
            config().with_base_url("https://space.example.com/api/laml"),
            "https://space.example.com/api/laml",
        ),
    ] {
        let request = Requests::new(&config).unwrap().hang_up(&id("CA1")).unwrap();
        assert_eq!(request.uri().to_string(), format!("{base}{path}"));
    }
    let plain = config().with_base_url("http://api.example.com");
    let error = Requests::new(&plain).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = Requests::for_subaccount(&plain, common::ACCOUNT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

fn authorization(requests: Requests<'_>) -> String {
    let request = requests.hang_up(&id("CA1")).unwrap();
    let value = &request.headers()[header::AUTHORIZATION];
    assert!(value.is_sensitive());
    value.to_str().unwrap().to_owned()
}

#[test]
fn credentials() {
    let config = config()
        .with_next_auth_token(Secret::new("next-auth-token"))
        .with_subaccount("AC2", Secret::new("subaccount-token"))
        .with_subaccount("AC2", Secret::new("its next token"));
    assert_eq!(authorization(Requests::new(&config).unwrap()), BASIC);
    let config = config.with_api_key("SK1", Secret::new("api-key-secret"));
    let requests = Requests::new(&config).unwrap();
    assert_eq!(authorization(requests), "Basic U0sxOmFwaS1rZXktc2VjcmV0");
    // The account is in the path all the same.
    let request = requests.hang_up(&id("CA1")).unwrap();
    assert_eq!(
        request.uri().to_string(),
        format!("{ACCOUNT_URL}/Calls/CA1.json")
    );

    let requests = Requests::for_subaccount(&config, "AC2").unwrap();
    assert_eq!(
        authorization(requests),
        "Basic QUMyOnN1YmFjY291bnQtdG9rZW4="
    );
    let request = requests.hang_up(&id("CA1")).unwrap();
    assert_eq!(
        request.uri(),
        "https://api.twilio.com/2010-04-01/Accounts/AC2/Calls/CA1.json"
    );
    let error = Requests::for_subaccount(&config, "AC3").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[test]
fn credentials_are_in_the_header_only() {
    let config = config().with_api_key("SK1", Secret::new("api-key-secret"));
    let requests = Requests::new(&config).unwrap();
    let call = id("CA1");
    for request in [
        requests.hang_up(&call).unwrap(),
        requests.fetch_call(&call).unwrap(),
        requests.find_calls(&caller(), &callee()).unwrap(),
        requests.fetch_recording("RE1").unwrap(),
        requests
            .place_call(&common::rest::call(), &links())
            .unwrap()
            .request,
    ] {
        let (parts, sent) = request.into_parts();
        let sent = format!("{} {sent:?}", parts.uri);
        for secret in ["api-key-secret", common::TOKEN, "SK1", "U0sxO", "@api"] {
            assert!(!sent.contains(secret), "{sent}");
        }
    }
}
