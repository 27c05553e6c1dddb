//! Calls.create: every request byte for byte, and what is refused before anything is sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::links;
use common::rest::{
    ANSWER_URL, EVENTS, STATUS, body, call, call_with, callee, caller, config, post, text,
};
use http::Method;
use std::time::Duration;
use telephony_core::{
    Answer, Document, ErrorKind, MachineDetection, OutboundCall, Party, RejectReason, Result,
    Secret,
};
use telephony_twilio::rest::{
    Delivery, Directed, MachineDetectionOptions, RecordingChannels, RecordingOptions,
    RecordingTrack, Requests, StatusEvent,
};
use telephony_twilio::{TwilioCallOptions, provider_name};

/// The TwiML of [`call`], in a form.
const SAY: &str = "Twiml=%3C%3Fxml+version%3D%221.0%22+encoding%3D%22UTF-8%22%3F%3E\
                   %3CResponse%3E%3CSay%3EHi.%3C%2FSay%3E%3C%2FResponse%3E";
const PARTIES: &str = "To=%2B14155550199&From=%2B14155550100";

fn place(call: &OutboundCall) -> Result<Directed> {
    let config = config();
    Requests::new(&config).unwrap().place_call(call, &links())
}

fn form(call: &OutboundCall) -> String {
    body(&place(call).unwrap().request).to_owned()
}

/// The status callback with all its events.
fn callbacks() -> String {
    format!(
        "StatusCallback={STATUS}&StatusCallbackEvent=initiated&StatusCallbackEvent=ringing\
         &StatusCallbackEvent=answered&StatusCallbackEvent=completed&StatusCallbackMethod=POST"
    )
}

fn usual() -> String {
    format!("{PARTIES}&{SAY}&{}", callbacks())
}

#[test]
fn a_plain_call() {
    let placed = place(&call()).unwrap();
    assert_eq!(text(&placed.request), post("Calls.json", &usual()));
    assert_eq!(placed.delivery, Delivery::Inline);
}

#[test]
fn a_call_into_a_stream() {
    let mut call = call();
    call.answer = Answer::stream();
    let form = form(&call);
    let decoded: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    let twiml = &decoded.iter().find(|(name, _)| name == "Twiml").unwrap().1;
    assert_eq!(
        twiml,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Connect>\
         <Stream url=\"wss://voice.example.com/twilio/media/token0token0token0toke\" \
         statusCallback=\"https://voice.example.com/twilio/events/key0key0key0key0key0ke\">\
         <Parameter name=\"call_key\" value=\"key0key0key0key0key0ke\"/></Stream></Connect><Hangup/></Response>"
    );
}

#[test]
fn twiml_over_4000_characters_is_asked_for() {
    // The document around the text has 70 characters.
    let saying = |length: usize| {
        let mut call = call();
        call.answer = Answer::say("x".repeat(length - 70));
        place(&call).unwrap()
    };
    let just = saying(4_000);
    assert_eq!(just.delivery, Delivery::Inline);
    assert!(!body(&just.request).contains("Url="));

    let long = saying(4_001);
    let Delivery::AnswerUrl(twiml) = &long.delivery else {
        panic!("{:?}", long.delivery)
    };
    assert_eq!(twiml.len(), 4_001);
    let url = ANSWER_URL.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(
        body(&long.request),
        format!("{PARTIES}&Url={url}&Method=POST&{}", callbacks())
    );
}

#[test]
fn characters_are_counted_and_not_bytes() {
    let mut call = call();
    call.answer = Answer::say("\u{e9}".repeat(4_000 - 70));
    assert_eq!(place(&call).unwrap().delivery, Delivery::Inline);
    // Outside of the basic plane there are two units to a character.
    call.answer = Answer::say("\u{1f600}".repeat(2_000));
    assert!(matches!(
        place(&call).unwrap().delivery,
        Delivery::AnswerUrl(_)
    ));
}

#[test]
fn the_apps_own_document() {
    let mut call = call();
    let document = "<Response><Redirect>{{answer_url}}</Redirect></Response>";
    call.answer = Answer::document(Document::new("twilio", document));
    let twiml = format!("<Response><Redirect>{ANSWER_URL}</Redirect></Response>");
    let encoded: String = form_urlencoded::byte_serialize(twiml.as_bytes()).collect();
    assert_eq!(
        form(&call),
        format!("{PARTIES}&Twiml={encoded}&{}", callbacks())
    );
}

#[test]
fn times_are_whole_seconds() {
    let mut call = call();
    call.ring_timeout = Some(Duration::from_millis(29_001));
    call.max_duration = Some(Duration::from_secs(86_400));
    assert_eq!(form(&call), usual() + "&Timeout=30&TimeLimit=86400");
}

#[test]
fn a_recorded_call() {
    let mut call = call();
    call.record = true;
    let callback = format!(
        "RecordingStatusCallback={EVENTS}&RecordingStatusCallbackEvent=in-progress+completed+absent\
         &RecordingStatusCallbackMethod=POST"
    );
    assert_eq!(form(&call), format!("{}&Record=true&{callback}", usual()));

    let recording = RecordingOptions::new()
        .with_channels(RecordingChannels::Dual)
        .with_track(RecordingTrack::Both)
        .with_trim(false);
    let call = call.with_extension("twilio", TwilioCallOptions::new().with_recording(recording));
    assert_eq!(
        form(&call),
        format!(
            "{}&Record=true&RecordingChannels=dual&RecordingTrack=both&Trim=do-not-trim&{callback}",
            usual()
        )
    );
    for (options, said) in [
        (
            RecordingOptions::new().with_channels(RecordingChannels::Mono),
            "&RecordingChannels=mono&",
        ),
        (
            RecordingOptions::new().with_track(RecordingTrack::Inbound),
            "&RecordingTrack=inbound&",
        ),
        (
            RecordingOptions::new().with_track(RecordingTrack::Outbound),
            "&RecordingTrack=outbound&",
        ),
        (
            RecordingOptions::new().with_trim(true),
            "&Trim=trim-silence&",
        ),
    ] {
        let mut call = call_with(TwilioCallOptions::new().with_recording(options));
        call.record = true;
        assert!(form(&call).contains(said), "{said}");
    }
}

#[test]
fn machine_detection_that_waits() {
    let mut call = call();
    call.machine_detection = MachineDetection::Wait;
    assert_eq!(form(&call), usual() + "&MachineDetection=Enable");
}

#[test]
fn machine_detection_that_reports() {
    let mut call = call();
    call.machine_detection = MachineDetection::Report;
    let asynchronous =
        format!("&AsyncAmd=true&AsyncAmdStatusCallback={EVENTS}&AsyncAmdStatusCallbackMethod=POST");
    assert_eq!(
        form(&call),
        usual() + "&MachineDetection=Enable" + &asynchronous
    );
    let options = MachineDetectionOptions::new()
        .with_message_end()
        .with_timeout(Duration::from_secs(59))
        .with_speech_threshold(Duration::from_millis(1_000))
        .with_speech_end_threshold(Duration::from_millis(500))
        .with_silence_timeout(Duration::from_millis(10_000));
    let call = call.with_extension(
        "twilio",
        TwilioCallOptions::new().with_machine_detection(options),
    );
    assert_eq!(
        form(&call),
        usual()
            + "&MachineDetection=DetectMessageEnd&MachineDetectionTimeout=59\
               &MachineDetectionSpeechThreshold=1000&MachineDetectionSpeechEndThreshold=500\
               &MachineDetectionSilenceTimeout=10000"
            + &asynchronous
    );
}

#[test]
fn parameters_come_back_with_every_callback() {
    let mut call = call();
    call.record = true;
    call.machine_detection = MachineDetection::Report;
    call.parameters.insert("order".into(), "7 & 8".into());
    call.parameters.insert("a=b".into(), "é".into());
    call.answer = Answer::say("x".repeat(4_000));
    let form = form(&call);
    let decoded: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    let query = "?a%3Db=%C3%A9&order=7%20%26%208";
    for (name, route) in [
        ("Url", "answer"),
        ("StatusCallback", "status"),
        ("RecordingStatusCallback", "events"),
        ("AsyncAmdStatusCallback", "events"),
    ] {
        let value = &decoded.iter().find(|(key, _)| key == name).unwrap().1;
        let url = format!("https://voice.example.com/twilio/{route}/key0key0key0key0key0ke");
        assert_eq!(value, &(url + query), "{name}");
    }
}

#[test]
fn all_other_options() {
    let options = TwilioCallOptions::new()
        .with_fallback("https://fallback.example.com/x?y=z", Method::GET)
        .with_status_events([StatusEvent::Answered])
        .with_send_digits("ww12ABCD*#W")
        .with_caller_id(Party::Client("jenny".into()))
        .with_call_reason("Your order & more")
        .with_call_token("{\"a\": 1}")
        .with_byoc("BY0001");
    assert_eq!(
        form(&call_with(options)),
        format!(
            "{PARTIES}&{SAY}&FallbackUrl=https%3A%2F%2Ffallback.example.com%2Fx%3Fy%3Dz&FallbackMethod=GET\
             &StatusCallback={STATUS}&StatusCallbackEvent=answered&StatusCallbackEvent=completed\
             &StatusCallbackMethod=POST&SendDigits=ww12ABCD*%23W&CallerId=client%3Ajenny\
             &CallReason=Your+order+%26+more&CallToken=%7B%22a%22%3A+1%7D&Byoc=BY0001"
        )
    );
    let posted = TwilioCallOptions::new().with_fallback_url("https://fallback.example.com/");
    assert!(form(&call_with(posted)).contains("&FallbackMethod=POST&"));
}

#[test]
fn sip_addresses_and_clients() {
    let options = TwilioCallOptions::new().with_sip_auth("alice", Secret::new("hunter2 & more"));
    let mut call = call_with(options);
    call.to = Party::Sip("sip:bob@example.com;transport=tls".into());
    call.from = Party::Client("desk".into());
    assert_eq!(
        form(&call),
        format!(
            "To=sip%3Abob%40example.com%3Btransport%3Dtls&From=client%3Adesk&{SAY}&{}\
             &SipAuthUsername=alice&SipAuthPassword=hunter2+%26+more",
            callbacks()
        )
    );

    let options =
        TwilioCallOptions::new().with_client_notification_url("https://push.example.com/");
    let mut call = call_with(options);
    call.to = Party::Client("bob".into());
    assert_eq!(
        form(&call),
        format!(
            "To=client%3Abob&From=%2B14155550100&{SAY}&{}&ClientNotificationUrl=https%3A%2F%2Fpush.example.com%2F",
            callbacks()
        )
    );
}

#[test]
fn an_application_answers() {
    let mut call = call_with(TwilioCallOptions::new().with_application("AP0001"));
    call.answer = Answer::default();
    call.ring_timeout = Some(Duration::from_secs(20));
    let placed = place(&call).unwrap();
    assert_eq!(placed.delivery, Delivery::Application);
    assert_eq!(
        body(&placed.request),
        format!("{PARTIES}&ApplicationSid=AP0001&Timeout=20")
    );
}

#[test]
fn what_twilio_cannot_do_is_unsupported() {
    for (to, from) in [
        (Party::Withheld, caller()),
        (Party::Extension("12".into()), caller()),
        (callee(), Party::Withheld),
        (callee(), Party::Extension("12".into())),
    ] {
        let call = OutboundCall::new(to, from, Answer::say("Hi."));
        let error = place(&call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{call:?}");
        assert_eq!(error.operation(), "place call");
    }
    let mut foreign = call();
    foreign.answer = Answer::document(Document::new("vonage", "[]"));
    assert_eq!(place(&foreign).unwrap_err().kind(), ErrorKind::Unsupported);
}

/// A call that one thing was done to.
fn changed(change: impl FnOnce(&mut OutboundCall)) -> OutboundCall {
    let mut call = call();
    change(&mut call);
    call
}

fn with_detection(options: MachineDetectionOptions) -> OutboundCall {
    let options = TwilioCallOptions::new().with_machine_detection(options);
    let mut call = call_with(options);
    call.machine_detection = MachineDetection::Wait;
    call
}

#[test]
fn what_breaks_the_rules_is_an_invalid_argument() {
    let seconds = Duration::from_secs;
    let millis = Duration::from_millis;
    let detection = MachineDetectionOptions::new;
    let options = TwilioCallOptions::new;
    let sip = |user: &str, password: &str| {
        let mut call = call_with(options().with_sip_auth(user, Secret::new(password)));
        call.to = Party::Sip("sip:bob@example.com".into());
        call
    };
    for (at, call) in [
        changed(|call| call.to = Party::Number("+1 415".into())),
        changed(|call| call.to = Party::Sip("bob@example.com".into())),
        changed(|call| call.from = Party::Client("desk".into())),
        changed(|call| call.from = Party::Sip("sip:desk@example.com".into())),
        changed(|call| call.ring_timeout = Some(Duration::ZERO)),
        changed(|call| call.ring_timeout = Some(millis(600_001))),
        changed(|call| call.max_duration = Some(Duration::ZERO)),
        changed(|call| call.max_duration = Some(seconds(86_401))),
        changed(|call| call.max_duration = Some(Duration::MAX)),
        changed(|call| call.answer = Answer::reject(RejectReason::Busy)),
        changed(|call| call.answer = Answer::say(" ")),
        changed(|call| {
            call.parameters.insert(String::new(), "x".into());
        }),
        changed(|call| {
            call.parameters.insert("after".into(), "x".into());
        }),
        // An application answers by itself.
        call_with(options().with_application("AP0001")),
        call_with(options().with_application(" ")),
        {
            let mut call = call_with(
                options()
                    .with_application("AP0001")
                    .with_fallback_url("https://a.example/"),
            );
            call.answer = Answer::default();
            call
        },
        {
            let mut call = call_with(options().with_application("AP0001").with_status_events([]));
            call.answer = Answer::default();
            call
        },
        {
            let mut call = call_with(options().with_application("AP0001"));
            call.answer = Answer::default();
            call.parameters.insert("order".into(), "7".into());
            call
        },
        // Options without what they are of.
        call_with(options().with_recording(RecordingOptions::new().with_trim(true))),
        call_with(options().with_machine_detection(detection().with_message_end())),
        call_with(options().with_sip_auth("alice", Secret::new("x"))),
        call_with(options().with_client_notification_url("https://push.example.com/")),
        {
            let mut call = call_with(options().with_send_digits("1"));
            call.machine_detection = MachineDetection::Report;
            call
        },
        // Values out of their range.
        with_detection(detection().with_timeout(seconds(2))),
        with_detection(detection().with_timeout(seconds(60))),
        with_detection(detection().with_timeout(millis(3_500))),
        with_detection(detection().with_speech_threshold(millis(999))),
        with_detection(detection().with_speech_threshold(millis(6_001))),
        with_detection(detection().with_speech_end_threshold(millis(499))),
        with_detection(detection().with_speech_end_threshold(millis(5_001))),
        with_detection(detection().with_silence_timeout(millis(1_999))),
        with_detection(detection().with_silence_timeout(millis(10_001))),
        call_with(options().with_send_digits("")),
        call_with(options().with_send_digits("1".repeat(33))),
        call_with(options().with_send_digits("12E")),
        call_with(options().with_fallback_url("/relative")),
        call_with(options().with_fallback("https://a.example/", Method::PUT)),
        call_with(options().with_call_reason("")),
        call_with(options().with_call_reason("x".repeat(51))),
        call_with(options().with_call_token("")),
        call_with(options().with_byoc(" ")),
        call_with(options().with_caller_id(Party::Number("415 x".into()))),
        sip("", "x"),
        sip("alice", ""),
        sip(&"x".repeat(256), "x"),
        sip("alice", &"x".repeat(256)),
        {
            let mut call = call_with(options().with_client_notification_url("push"));
            call.to = Party::Client("bob".into());
            call
        },
    ]
    .into_iter()
    .enumerate()
    {
        let error = place(&call).expect_err(&format!("call {at} must be refused: {call:?}"));
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{at}: {error}");
        assert_eq!(error.provider().map(|name| name.as_str()), Some("twilio"));
    }
}

#[test]
fn the_bounds_themselves_are_fine() {
    let seconds = Duration::from_secs;
    let millis = Duration::from_millis;
    for call in [
        changed(|call| call.ring_timeout = Some(millis(1))),
        changed(|call| call.ring_timeout = Some(seconds(600))),
        changed(|call| call.max_duration = Some(seconds(86_400))),
        with_detection(MachineDetectionOptions::new().with_timeout(seconds(3))),
        with_detection(MachineDetectionOptions::new().with_speech_threshold(millis(6_000))),
        with_detection(MachineDetectionOptions::new().with_speech_end_threshold(millis(5_000))),
        with_detection(MachineDetectionOptions::new().with_silence_timeout(millis(2_000))),
        call_with(TwilioCallOptions::new().with_send_digits("1".repeat(32))),
        call_with(TwilioCallOptions::new().with_call_reason("\u{e9}".repeat(50))),
    ] {
        place(&call).unwrap();
    }
}

#[test]
fn a_foreign_extension_is_ignored_and_one_that_cannot_be_honoured_is_refused() {
    let foreign = TwilioCallOptions::new().with_send_digits("no keys");
    let call = call().with_extension("vonage", foreign);
    assert_eq!(form(&call), usual());
    let of_another_type = call
        .clone()
        .with_extension(provider_name(), "not the options");
    let twice = call
        .with_extension(provider_name(), TwilioCallOptions::new())
        .with_extension(provider_name(), TwilioCallOptions::new());
    for call in [of_another_type, twice] {
        let error = place(&call).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
