//! Placing a call, byte for byte: every kind of party, every documented parameter, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::rest::{api, assert_refused, assert_request, body, token};
use common::*;
use http::Request;
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{
    Answer, Document, ErrorKind, MachineDetection, OutboundCall, Party, Result, Secret,
};
use telephony_vonage::rest::{
    DetectionMode, OnMachine, VonageMachineDetection, WebsocketTarget, WebsocketTargetAuthorization,
};
use telephony_vonage::{NAME, VonageCallOptions};

const EVENTS: &str = r#""event_url":["https://voice.example.com/vonage/status/call-key-of-the-tests1"],"event_method":"POST""#;

const HELLO: &str = r#""ncco":[{"action":"talk","text":"Hello."}]"#;

const PHONE: &str = r#""to":[{"type":"phone","number":"447700900001"}],"from":{"type":"phone","number":"447700900000"}"#;

fn number(digits: &str) -> Party {
    Party::Number(format!("+{digits}"))
}

fn call_to(to: Party) -> OutboundCall {
    OutboundCall::new(to, number("447700900000"), Answer::say("Hello."))
}

fn call() -> OutboundCall {
    call_to(number("447700900001"))
}

fn place(call: &OutboundCall) -> Result<Request<Bytes>> {
    api().place_call(&token(), call, &links())
}

fn place_with(call: OutboundCall, options: VonageCallOptions) -> Result<Request<Bytes>> {
    place(&call.with_extension(NAME, options))
}

#[track_caller]
fn assert_placed(request: Result<Request<Bytes>>, json: &str) {
    assert_request(request, "POST https://api.nexmo.com/v1/calls", Some(json));
}

#[test]
fn a_call_is_placed_with_its_ncco() {
    assert_placed(place(&call()), &format!("{{{PHONE},{HELLO},{EVENTS}}}"));
}

#[test]
fn a_stream_has_its_link_in_the_ncco() {
    let call = OutboundCall::new(
        number("447700900001"),
        number("447700900000"),
        Answer::stream(),
    );
    let request = place(&call).unwrap();
    let uri = format!(r#""uri":"wss://voice.example.com/vonage/media/{TOKEN}""#);
    assert!(body(&request).contains(&uri), "{}", body(&request));
}

#[test]
fn every_kind_of_party_can_be_called() {
    for (to, json) in [
        (
            Party::Sip("sip:rebekka@sip.example.com;transport=tls".into()),
            r#"{"type":"sip","uri":"sip:rebekka@sip.example.com;transport=tls"}"#,
        ),
        (
            Party::Client("jamie".into()),
            r#"{"type":"app","user":"jamie"}"#,
        ),
        (
            Party::Extension("1234".into()),
            r#"{"type":"vbc","extension":"1234"}"#,
        ),
    ] {
        let json = format!(
            r#"{{"to":[{json}],"from":{{"type":"phone","number":"447700900000"}},{HELLO},{EVENTS}}}"#
        );
        assert_placed(place(&call_to(to)), &json);
    }
}

#[test]
fn who_calls_may_be_a_sip_uri_or_a_random_number() {
    let mut call = call();
    call.from = Party::Sip("sip:me@example.com".into());
    let to = r#""to":[{"type":"phone","number":"447700900001"}]"#;
    assert_placed(
        place(&call),
        &format!(
            r#"{{{to},"from":{{"type":"phone","number":"sip:me@example.com"}},{HELLO},{EVENTS}}}"#
        ),
    );
    call.from = Party::Withheld;
    let options = VonageCallOptions::new().with_random_from_number();
    assert_placed(
        place_with(call, options),
        &format!(r#"{{{to},"random_from_number":true,{HELLO},{EVENTS}}}"#),
    );
}

#[test]
fn times_are_timers() {
    let mut call = call();
    call.ring_timeout = Some(Duration::from_secs(120));
    call.max_duration = Some(Duration::from_secs(86_400));
    let timers = r#""length_timer":86400,"ringing_timer":120"#;
    assert_placed(
        place(&call),
        &format!("{{{PHONE},{HELLO},{EVENTS},{timers}}}"),
    );
    for (ring, length) in [(0, 1), (121, 1), (1, 0), (1, 86_401)] {
        call.ring_timeout = Some(Duration::from_secs(ring));
        call.max_duration = Some(Duration::from_secs(length));
        assert_refused(place(&call), ErrorKind::InvalidArgument, "whole seconds");
    }
    call.max_duration = Some(Duration::from_millis(1500));
    call.ring_timeout = None;
    assert_refused(
        place(&call),
        ErrorKind::InvalidArgument,
        "the maximum duration",
    );
}

#[test]
fn machines_are_detected_in_every_documented_way() {
    use MachineDetection::{Off, Report, Wait};
    let advanced = |on_machine, mode, seconds: Option<u64>| VonageMachineDetection::Advanced {
        on_machine,
        mode,
        beep_timeout: seconds.map(Duration::from_secs),
    };
    let (go_on, end) = (OnMachine::Continue, OnMachine::HangUp);
    let basic = VonageMachineDetection::Basic;
    use DetectionMode::{Beep, Parallel, Verdict};
    for (asked, option, json) in [
        (
            Wait,
            None,
            r#""advanced_machine_detection":{"behavior":"continue","mode":"detect"}"#,
        ),
        (
            Report,
            None,
            r#""advanced_machine_detection":{"behavior":"continue","mode":"default"}"#,
        ),
        (Off, Some(basic(go_on)), r#""machine_detection":"continue""#),
        (Report, Some(basic(end)), r#""machine_detection":"hangup""#),
        (
            Off,
            Some(advanced(go_on, Parallel, None)),
            r#""advanced_machine_detection":{"behavior":"continue","mode":"default"}"#,
        ),
        (
            Report,
            Some(advanced(end, Parallel, Some(30))),
            r#""advanced_machine_detection":{"behavior":"hangup","mode":"default","beep_timeout":30}"#,
        ),
        (
            Wait,
            Some(advanced(end, Verdict, None)),
            r#""advanced_machine_detection":{"behavior":"hangup","mode":"detect"}"#,
        ),
        (
            Wait,
            Some(advanced(go_on, Beep, Some(120))),
            r#""advanced_machine_detection":{"behavior":"continue","mode":"detect_beep","beep_timeout":120}"#,
        ),
    ] {
        let mut call = call();
        call.machine_detection = asked;
        let mut options = VonageCallOptions::new();
        if let Some(option) = option {
            options = options.with_machine_detection(option);
        }
        assert_placed(
            place_with(call, options),
            &format!("{{{PHONE},{HELLO},{EVENTS},{json}}}"),
        );
    }
    for (asked, option, why) in [
        (Wait, basic(go_on), "do not agree"),
        (Wait, advanced(go_on, Parallel, None), "do not agree"),
        (Report, advanced(go_on, Verdict, None), "do not agree"),
        (Report, advanced(go_on, Beep, None), "do not agree"),
        (
            Off,
            advanced(go_on, Beep, Some(29)),
            "30 to 120 whole seconds",
        ),
        (
            Off,
            advanced(go_on, Beep, Some(121)),
            "30 to 120 whole seconds",
        ),
    ] {
        let mut call = call();
        call.machine_detection = asked;
        let options = VonageCallOptions::new().with_machine_detection(option);
        assert_refused(place_with(call, options), ErrorKind::InvalidArgument, why);
    }
}

#[test]
fn a_phone_call_has_its_options() {
    let options = VonageCallOptions::new()
        .with_dtmf_answer("p*123#")
        .with_shaken("eyJ0.eyJ1.c2ln;info=<https://stir.example/c.cer>;alg=ES256;ppt=\"shaken\"");
    let to = r#""to":[{"type":"phone","number":"447700900001","dtmfAnswer":"p*123#","shaken":"eyJ0.eyJ1.c2ln;info=<https://stir.example/c.cer>;alg=ES256;ppt=\"shaken\""}]"#;
    assert!(!format!("{options:?}").contains("123") && !format!("{options:?}").contains("eyJ"));
    assert_placed(
        place_with(call(), options),
        &format!(r#"{{{to},"from":{{"type":"phone","number":"447700900000"}},{HELLO},{EVENTS}}}"#),
    );
}

#[test]
fn a_sip_call_has_its_headers() {
    let options = VonageCallOptions::new()
        .with_sip_header("occupation", "developer")
        .with_sip_header("location", "New York City")
        .with_user_to_user("342342ef34;encoding=hex");
    let to = r#""to":[{"type":"sip","uri":"sip:a@example.com","headers":{"location":"New York City","occupation":"developer"},"standard_headers":{"User-to-User":"342342ef34;encoding=hex"}}]"#;
    assert_placed(
        place_with(call_to(Party::Sip("sip:a@example.com".into())), options),
        &format!(r#"{{{to},"from":{{"type":"phone","number":"447700900000"}},{HELLO},{EVENTS}}}"#),
    );
}

#[test]
fn a_websocket_can_be_called() {
    let target = WebsocketTarget::new("wss://bot.example.com:32000/socket?room=hunter2")
        .with_rate(SampleRate::HZ_24000)
        .with_header("customer_id", "ABC123");
    let from = r#""from":{"type":"phone","number":"447700900000"}"#;
    for (authorization, json) in [
        (WebsocketTargetAuthorization::Unsaid, ""),
        (
            WebsocketTargetAuthorization::Vonage,
            r#","authorization":{"type":"vonage"}"#,
        ),
        (
            WebsocketTargetAuthorization::Custom(Secret::new("Bearer abc123")),
            r#","authorization":{"type":"custom","value":"Bearer abc123"}"#,
        ),
    ] {
        let target = target.clone().with_authorization(authorization);
        let options = VonageCallOptions::new().with_websocket(target);
        let shown = format!("{options:?}");
        assert!(
            !["hunter2", "ABC123", "abc123"]
                .iter()
                .any(|secret| shown.contains(secret)),
            "{shown}"
        );
        let to = format!(
            r#"{{"type":"websocket","uri":"wss://bot.example.com:32000/socket?room=hunter2","content-type":"audio/l16;rate=24000","headers":{{"customer_id":"ABC123"}}{json}}}"#
        );
        assert_placed(
            place_with(call_to(Party::Withheld), options),
            &format!(r#"{{"to":[{to}],{from},{HELLO},{EVENTS}}}"#),
        );
    }
    // The rate is the account's if none is said.
    let options = VonageCallOptions::new().with_websocket(WebsocketTarget::new("ws://a/b"));
    let request = place_with(call_to(Party::Withheld), options).unwrap();
    assert!(body(&request).contains(
        r#"{"type":"websocket","uri":"ws://a/b","content-type":"audio/l16;rate=16000"}"#
    ));
}

#[test]
fn the_answer_url_can_be_asked() {
    let asks = || VonageCallOptions::new().with_answer_url();
    let url = r#""answer_url":["https://voice.example.com/vonage/answer/call-key-of-the-tests1"],"answer_method":"POST""#;
    assert_placed(
        place_with(call(), asks()),
        &format!("{{{PHONE},{url},{EVENTS}}}"),
    );
    // What could never be answered is refused before the call is made.
    let mut call = call();
    call.answer = Answer::reject(telephony_core::RejectReason::Busy);
    assert_refused(
        place_with(call.clone(), asks()),
        ErrorKind::Unsupported,
        "refused",
    );
    // The token of a stream is minted when it is asked for.
    call.answer = Answer::stream();
    let base = telephony_core::PublicUrl::new("https://voice.example.com").unwrap();
    let links = telephony_core::CallLinks::new(base, label(), links().call_key().clone());
    assert!(api().place_call(&token(), &call, &links).is_err());
    let call = call.with_extension(NAME, asks());
    assert!(api().place_call(&token(), &call, &links).is_ok());
}

#[test]
fn a_recording_is_the_first_action() {
    let record = r#"{"action":"record","eventUrl":["https://voice.example.com/vonage/events/call-key-of-the-tests1"],"eventMethod":"POST"}"#;
    let mut call = call();
    call.record = true;
    assert_placed(
        place(&call),
        &format!(r#"{{{PHONE},"ncco":[{record},{{"action":"talk","text":"Hello."}}],{EVENTS}}}"#),
    );
    call.answer = Answer::document(Document::new(
        NAME,
        r#" [ {"text": "Hi",  "action":"talk"} ] "#,
    ));
    assert_placed(
        place(&call),
        &format!(r#"{{{PHONE},"ncco":[{record},{{"text": "Hi",  "action":"talk"}}],{EVENTS}}}"#),
    );
    call.answer = Answer::document(Document::new(NAME, "[]"));
    assert_placed(
        place(&call),
        &format!(r#"{{{PHONE},"ncco":[{record}],{EVENTS}}}"#),
    );
    let options = VonageCallOptions::new().with_answer_url();
    assert_refused(
        place_with(call, options),
        ErrorKind::Unsupported,
        "recording",
    );
}

#[test]
fn what_cannot_be_called_is_refused() {
    let local = Party::LocalNumber("07700900001".into());
    for to in [
        local.clone(),
        Party::Withheld,
        Party::Number("447700900001".into()),
        Party::Number("+44 7700900001".into()),
        Party::Sip("rebekka@example.com".into()),
        Party::Sip("sip:".into()),
        Party::Sip("sip:a b@example.com".into()),
        Party::Client(" ".into()),
        Party::Extension("12\n34".into()),
    ] {
        assert_refused(
            place(&call_to(to)),
            ErrorKind::InvalidArgument,
            "place call",
        );
    }
    for from in [
        local,
        Party::Withheld,
        Party::Client("jamie".into()),
        Party::Sip("x".into()),
    ] {
        let mut call = call();
        call.from = from;
        assert_refused(
            place(&call),
            ErrorKind::InvalidArgument,
            "a call shows a number",
        );
    }
}

#[test]
fn options_that_cannot_be_honoured_are_refused() {
    let new = VonageCallOptions::new;
    let phone = number("447700900001");
    let sip = Party::Sip("sip:a@example.com".into());
    let socket = WebsocketTarget::new;
    let wss = "wss://bot.example.com/x";
    for (to, options, why) in [
        (
            phone.clone(),
            new().with_random_from_number(),
            "must be withheld",
        ),
        (
            phone.clone(),
            new().with_websocket(socket(wss)),
            "must be withheld",
        ),
        (sip.clone(), new().with_dtmf_answer("1"), "phone numbers"),
        (sip.clone(), new().with_shaken("x"), "phone numbers"),
        (phone.clone(), new().with_sip_header("a", "b"), "SIP URIs"),
        (phone.clone(), new().with_user_to_user("a"), "SIP URIs"),
        (phone.clone(), new().with_dtmf_answer("hunter2"), "keys are"),
        (phone.clone(), new().with_dtmf_answer(""), "keys are"),
        (
            phone.clone(),
            new().with_shaken("hunter2\r\nX: y"),
            "STIR/SHAKEN",
        ),
        (
            sip.clone(),
            new().with_sip_header("hunter2:", "b"),
            "a SIP header",
        ),
        (sip.clone(), new().with_sip_header("", "b"), "a SIP header"),
        (
            sip.clone(),
            new().with_sip_header("a", "hunter2\r\n"),
            "a SIP header",
        ),
        (
            sip.clone(),
            new().with_user_to_user("h".repeat(257)),
            "User-to-User",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket("https://hunter2")),
            "wss",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket("wss://")),
            "wss",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket("wss:///hunter2")),
            "wss",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket("wss://hunter2 x")),
            "wss",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket(wss).with_rate(SampleRate::HZ_48000)),
            "24000 Hz",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket(wss).with_header("Event", "x")),
            "`event`",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket(wss).with_header("content-type", "x")),
            "`content-type`",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket(wss).with_header("x", "y".repeat(505))),
            "512 bytes",
        ),
        (
            Party::Withheld,
            new().with_websocket(socket(wss).with_authorization(
                WebsocketTargetAuthorization::Custom(Secret::new("hunter2\n")),
            )),
            "8191",
        ),
        (
            phone.clone(),
            new().with_region_url("https://hunter2.example"),
            "region",
        ),
        (
            phone,
            new().with_region_url("http://api-us-3.vonage.com"),
            "region",
        ),
    ] {
        assert_refused(
            place_with(call_to(to), options),
            ErrorKind::InvalidArgument,
            why,
        );
    }
    // Another carrier's options are none of ours.
    let foreign = call().with_extension("twilio", VonageCallOptions::new().with_dtmf_answer("x"));
    assert!(place(&foreign).is_ok());
}

#[test]
fn an_answer_that_cannot_be_written_places_no_call() {
    let mut call = call();
    call.answer = Answer::document(Document::new("twilio", "<Response/>"));
    assert_refused(place(&call), ErrorKind::Unsupported, "another carrier");
    call.answer = Answer::say("x")
        .then_stream(telephony_core::Stream::new())
        .then_say("y");
    assert_refused(place(&call), ErrorKind::Unsupported, "nothing can follow");
}
