//! No bytes make a reader of answers panic, whatever is written can be read, and nothing shows secrets or numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::links;
use common::rest::{answer, answer_with, call, callee, caller, config, now};
use http::{HeaderValue, Response};
use proptest::prelude::*;
use std::fmt::Debug;
use telephony_core::{Answer, CallId, OutboundCall, Party, Retry, Secret};
use telephony_twilio::rest::{
    MachineDetectionOptions, RecordingOptions, Requests, RestOperation, accepted, call_page,
    call_state, failure, hung_up, is_gone, placed_call, recording_audio, recording_state,
    started_recording,
};
use telephony_twilio::{TwilioCallOptions, provider_name};

fn read_everything(response: &Response<Bytes>) {
    let now = now();
    let _ = placed_call(&call(), &links(), response, now);
    let _ = hung_up(response, now);
    let _ = accepted(RestOperation::Transfer, response, now);
    let _ = call_state(response, now);
    if let Ok(page) = call_page(response, now) {
        let config = config();
        let _ = page.placed_since(now).count();
        if let Ok(Some(request)) = Requests::new(&config).unwrap().next_calls(&page) {
            assert_eq!(request.uri().host(), Some("api.twilio.com"));
        }
    }
    let _ = started_recording(response, now);
    let _ = recording_state(response, now);
    let _ = recording_audio(response, now);
    for operation in [RestOperation::PlaceCall, RestOperation::FetchRecording] {
        let error = failure(operation, response, now);
        let _ = is_gone(&error);
        assert!(!error.to_string().contains('\n'));
    }
}

/// Bodies that nearly are what is expected.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "sid",
        "Sid",
        "status",
        "code",
        "Code",
        "message",
        "calls",
        "errors",
        "duration",
        "date_created",
        "start_time",
        "from",
        "to",
        "direction",
        "parent_call_sid",
        "queue_time",
        "next_page_uri",
        "media_url",
        "channels",
        "answered_by",
        "error_code",
    ]);
    let value = prop_oneof![
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        ".{0,40}".prop_map(serde_json::Value::from),
        "[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{2,4} [0-9:]{6,8} [+-][0-9]{2,4}"
            .prop_map(serde_json::Value::from),
        "/2010-04-01/Accounts/.{0,20}".prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        Just(serde_json::json!([{"sid": "CA1", "code": 1}, 7, []])),
        Just(serde_json::json!({"code": {"code": 7}})),
    ];
    let pairs = prop::collection::vec((name, value), 0..6);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        pairs.clone().prop_map(|pairs| {
            let object: serde_json::Map<_, _> = pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            serde_json::to_vec(&object).unwrap()
        }),
        pairs.prop_map(|pairs| {
            let inner: String = pairs
                .iter()
                .map(|(name, value)| format!("<{name}>{value}</{name}>"))
                .collect();
            format!("<TwilioResponse><Call>{inner}</Call></TwilioResponse>").into_bytes()
        }),
        "<TwilioResponse>[<>/a-z&;!\\[\\]CDAT?\"' -]{0,60}(</TwilioResponse>)?"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_never_panic(
        status in 100_u16..1000,
        body in body(),
        header in "[ -~]{0,40}",
    ) {
        let headers = [("retry-after", header.as_str()), ("twilio-request-id", &header), ("content-type", &header)];
        read_everything(&answer_with(status, &headers, body.clone()));
        read_everything(&answer(200, body));
    }

    #[test]
    fn headers_of_any_bytes_are_no_matter(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut response = answer(503, "");
            for name in ["retry-after", "twilio-request-id", "content-type"] {
                response.headers_mut().insert(name, value.clone());
            }
            read_everything(&response);
            *response.status_mut() = http::StatusCode::OK;
            read_everything(&response);
        }
    }

    #[test]
    fn an_unknown_outcome_is_never_said_to_be_safe(status in 500_u16..600, body in body()) {
        let error = failure(RestOperation::PlaceCall, &answer(status, body), now());
        // Twilio says of 20429 that it was never processed.
        if error.provider_code() != Some("20429") {
            prop_assert_eq!(error.retry(), Retry::OutcomeUnknown);
        }
    }

    #[test]
    fn dates_are_read_or_not(text in "[ -~]{0,40}") {
        let body = serde_json::json!({"sid": "CA1", "date_created": text}).to_string();
        call_state(&answer(200, body), now()).unwrap();
    }

    #[test]
    fn what_is_written_can_be_read(
        to in "[+]?[0-9*#]{1,20}",
        text in "[^\\x00-\\x1f\u{fffe}\u{ffff}]{1,60}",
        name in "[^\\x00]{1,20}",
        id in "[^\\x00-\\x1f\\x7f]{1,60}",
    ) {
        let config = config();
        let requests = Requests::new(&config).unwrap();
        let mut call = OutboundCall::new(Party::Number(to.clone()), caller(), Answer::say(text.clone()));
        call.parameters.insert(name.clone(), text.clone());
        let placed = requests.place_call(&call, &links());
        if let Ok(placed) = &placed {
            let form: Vec<(String, String)> =
                form_urlencoded::parse(placed.request.body()).into_owned().collect();
            prop_assert_eq!(&form[0], &("To".to_owned(), to));
            let url = &form.iter().find(|(name, _)| name == "StatusCallback").unwrap().1;
            prop_assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
            let query = url.split_once('?').unwrap().1;
            let back: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            prop_assert_eq!(back, vec![(name.clone(), text.clone())]);
        } else {
            prop_assert!(text.trim().is_empty() || name == "after", "{:?}", placed);
        }
        if let Ok(id) = CallId::new(&id) && let Ok(request) = requests.hang_up(&id) {
            let path = request.uri().path();
            prop_assert_eq!(path.split('/').count(), 6, "{}", path);
            prop_assert_eq!(request.uri().query(), None);
            prop_assert_eq!(request.uri().host(), Some("api.twilio.com"));
        }
    }
}

const SECRETS: [&str; 8] = [
    common::TOKEN,
    "api-key-secret",
    "hunter2",
    "4155550100",
    "4155550199",
    "token0token0token0toke",
    "jenny",
    "U0sxO",
];

fn clean(what: &impl Debug) {
    let shown = format!("{what:?} {what:#?}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

fn options() -> TwilioCallOptions {
    TwilioCallOptions::new()
        .with_fallback_url("https://hunter2@fallback.example.com/")
        .with_send_digits("4155550100")
        .with_caller_id(Party::Client("jenny".into()))
        .with_call_reason("for jenny")
        .with_call_token("hunter2")
        .with_sip_auth("jenny", Secret::new("hunter2"))
        .with_client_notification_url("https://push.example.com/hunter2")
        .with_recording(RecordingOptions::new())
        .with_machine_detection(MachineDetectionOptions::new())
}

#[test]
fn requests_show_nothing() {
    let config = config().with_api_key("SK1", Secret::new("api-key-secret"));
    let requests = Requests::new(&config).unwrap();
    clean(&requests);
    clean(&options());
    let mut call = call();
    call.parameters.insert("pin".into(), "hunter2".into());
    clean(&call.clone().with_extension(provider_name(), options()));
    for answer in [Answer::stream(), Answer::say("hunter2".repeat(1_000))] {
        call.answer = answer.clone();
        clean(&requests.place_call(&call, &links()).unwrap());
        let id = CallId::new("CA1").unwrap();
        clean(&requests.transfer(&id, &answer, &links()).unwrap());
        clean(
            &requests
                .send_digits(&id, "4155550100", &answer, &links())
                .unwrap(),
        );
        // The credentials, even though the request's own `Debug` shows its URL and its body.
        let shown = format!("{:?}", requests.hang_up(&id).unwrap());
        assert!(shown.contains("Sensitive"), "{shown}");
        assert!(
            !shown.contains("U0sxO") && !shown.contains("api-key-secret"),
            "{shown}"
        );
    }
}

#[test]
fn refusals_show_nothing() {
    let config = config();
    let requests = Requests::new(&config).unwrap();
    for options in [
        options(),
        options().with_application("hunter2"),
        TwilioCallOptions::new().with_fallback_url("hunter2"),
        TwilioCallOptions::new().with_send_digits("4155550100x"),
        TwilioCallOptions::new().with_caller_id(Party::Number("4155550100x".into())),
        TwilioCallOptions::new().with_sip_auth("jenny", Secret::new("hunter2")),
    ] {
        let call = call().with_extension(provider_name(), options);
        clean(&requests.place_call(&call, &links()).unwrap_err());
    }
    let id = CallId::new("CA1").unwrap();
    clean(
        &requests
            .send_digits(&id, "4155550100x", &Answer::stream(), &links())
            .unwrap_err(),
    );
    let party = Party::Number("4155550100x".into());
    clean(&requests.find_calls(&party, &callee()).unwrap_err());
    let url = "https://hunter2@api.twilio.com/4155550100";
    clean(
        &requests
            .recording_audio_at(url, Default::default(), None)
            .unwrap_err(),
    );
    clean(&Requests::for_subaccount(&config, "hunter2").unwrap_err());
}

#[test]
fn answers_show_nothing() {
    let one = r#"{"sid": "CA1", "to": "+14155550199", "from": "client:jenny", "status": "for +14155550100",
        "answered_by": "+14155550100", "to_formatted": "hunter2"}"#;
    clean(&call_state(&answer(200, one), now()).unwrap());
    clean(&placed_call(&call(), &links(), &answer(201, one), now()).unwrap());
    let page = format!(
        r#"{{"calls": [{one}], "next_page_uri": "/2010-04-01/Accounts/AC1/Calls.json?To=%2B14155550199"}}"#
    );
    clean(&call_page(&answer(200, page), now()).unwrap());
    let recording = r#"{"sid": "RE1", "status": "+14155550100", "media_url": "https://hunter2@x/", "error_code": "4155550100"}"#;
    clean(&recording_state(&answer(200, recording), now()).unwrap());
    clean(&recording_audio(&answer(200, "hunter2"), now()).unwrap());
    let headers = [("x-request-id", "14155550100")];
    let body =
        r#"{"code": "4155550100", "message": "Basic hunter2= for sip:jenny and 4155550199"}"#;
    clean(&failure(
        RestOperation::PlaceCall,
        &answer_with(400, &headers, body),
        now(),
    ));
}
