//! Golden TwiML.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{body, incoming, links, twilio};
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{
    AfterStream, Answer, Dial, ErrorKind, Gather, Party, Play, Redirect, RejectReason, Say, Step,
    Stream, Telephony,
};

const ANSWER: &str = "https://voice.example.com/twilio/answer/key0key0key0key0key0ke";
const STATUS: &str = "https://voice.example.com/twilio/status/key0key0key0key0key0ke";

fn twiml(answer: &Answer) -> String {
    let twilio = twilio();
    let answered = twilio
        .incoming_call(&incoming(&twilio), answer, &links())
        .unwrap();
    assert_eq!(answered.response.headers()["content-type"], "text/xml");
    let text = body(&answered);
    let inner = text
        .strip_prefix(r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#)
        .and_then(|text| text.strip_suffix("</Response>"));
    inner.unwrap_or(text).to_owned()
}

/// The stream as it is for every call of these tests, with these parameters after our own.
fn stream_element(parameters: &str) -> String {
    format!(
        "<Stream url=\"wss://voice.example.com/twilio/media/token0token0token0toke\" \
         statusCallback=\"https://voice.example.com/twilio/events/key0key0key0key0key0ke\">\
         <Parameter name=\"call_key\" value=\"key0key0key0key0key0ke\"/>{parameters}</Stream>"
    )
}

#[test]
fn a_stream_then_hang_up() {
    let expected = format!("<Connect>{}</Connect><Hangup/>", stream_element(""));
    assert_eq!(twiml(&Answer::stream()), expected);
    let rate = Stream::new().with_rate(SampleRate::HZ_8000);
    assert_eq!(twiml(&rate.into()), expected);
}

#[test]
fn a_stream_with_parameters() {
    let stream = Stream::new()
        .with_parameter("b", "2 & \"3\"\nnext")
        .with_parameter("a", "");
    let parameters = "<Parameter name=\"a\" value=\"\"/>\
                      <Parameter name=\"b\" value=\"2 &amp; &quot;3&quot;&#10;next\"/>";
    let expected = format!("<Connect>{}</Connect><Hangup/>", stream_element(parameters));
    assert_eq!(twiml(&stream.into()), expected);
}

#[test]
fn a_stream_then_the_next_step() {
    let stream = Stream::new().then(AfterStream::Continue);
    let answer = Answer::say("Hello.")
        .then_stream(stream)
        .then_say("Bye.")
        .then_hang_up();
    let expected = format!(
        "<Say>Hello.</Say><Connect>{}</Connect><Say>Bye.</Say><Hangup/>",
        stream_element("")
    );
    assert_eq!(twiml(&answer), expected);
}

#[test]
fn a_stream_then_we_are_asked() {
    let answer = Stream::new().then(AfterStream::Continue).into();
    let expected = format!(
        "<Connect action=\"{ANSWER}?after=stream\" method=\"POST\">{}</Connect>",
        stream_element("")
    );
    assert_eq!(twiml(&answer), expected);
}

#[test]
fn a_stream_needs_a_token() {
    let twilio = twilio();
    let bare = telephony_core::CallLinks::new(
        telephony_core::PublicUrl::new(common::BASE).unwrap(),
        telephony_core::AccountLabel::new("twilio").unwrap(),
        telephony_core::CallKey::parse(common::KEY).unwrap(),
    );
    let call = incoming(&twilio);
    let error = twilio
        .incoming_call(&call, &Answer::stream(), &bare)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(
        twilio
            .incoming_call(&call, &Answer::say("x"), &bare)
            .is_ok()
    );
}

#[test]
fn speech_is_escaped() {
    let say = Say::new("A&B <C> \"D\" 'E' \u{1f600}")
        .with_language("en-GB")
        .with_voice("Polly.Amy");
    assert_eq!(
        twiml(&Answer::say(say)),
        "<Say language=\"en-GB\" voice=\"Polly.Amy\">A&amp;B &lt;C&gt; &quot;D&quot; &apos;E&apos; \u{1f600}</Say>"
    );
    assert_eq!(
        twiml(&Answer::say("</Say><Dial>+14155550100</Dial><Say>")),
        "<Say>&lt;/Say&gt;&lt;Dial&gt;+14155550100&lt;/Dial&gt;&lt;Say&gt;</Say>"
    );
}

#[test]
fn playing() {
    let url = "https://cdn.example.com/a.mp3?x=1&y=2";
    let escaped = "https://cdn.example.com/a.mp3?x=1&amp;y=2";
    assert_eq!(twiml(&Answer::play(url)), format!("<Play>{escaped}</Play>"));
    assert_eq!(
        twiml(&Answer::play(Play::new(url).times(3))),
        format!("<Play loop=\"3\">{escaped}</Play>")
    );
    assert_eq!(
        twiml(&Answer::play(Play::new(url).times(0))),
        format!("<Play loop=\"0\">{escaped}</Play>")
    );
}

#[test]
fn gathering() {
    let action =
        format!("action=\"{ANSWER}?after=gather\" method=\"POST\" actionOnEmptyResult=\"true\"");
    let menu = Gather::digits(1)
        .with_prompt("Press 1.")
        .with_audio_prompt("https://cdn.example.com/a.mp3")
        .with_timeout(Duration::from_millis(2_500));
    assert_eq!(
        twiml(&Answer::say("Welcome.").then_gather(menu)),
        format!(
            "<Say>Welcome.</Say><Gather input=\"dtmf\" {action} timeout=\"3\" numDigits=\"1\" finishOnKey=\"#\">\
             <Say>Press 1.</Say><Play>https://cdn.example.com/a.mp3</Play></Gather>"
        )
    );
    let bare = Gather::until_finish().with_finish_key(None);
    assert_eq!(
        twiml(&Answer::gather(bare).then_hang_up()),
        format!("<Gather input=\"dtmf\" {action} timeout=\"5\" finishOnKey=\"\"/><Hangup/>")
    );
    let speech = Gather::speech()
        .with_language("de-DE")
        .with_hint("Vertrieb")
        .with_hint("Kundendienst");
    assert_eq!(
        twiml(&Answer::gather(speech)),
        format!(
            "<Gather input=\"speech\" {action} timeout=\"5\" language=\"de-DE\" hints=\"Vertrieb,Kundendienst\"/>"
        )
    );
    let both = Gather::until_finish()
        .with_finish_key(Some('*'))
        .or_speech();
    assert_eq!(
        twiml(&Answer::gather(both)),
        format!("<Gather input=\"dtmf speech\" {action} timeout=\"5\" finishOnKey=\"*\"/>")
    );
}

#[test]
fn dialling() {
    let events = "statusCallbackEvent=\"initiated ringing answered completed\"";
    let noun = format!("statusCallback=\"{STATUS}\" {events}");
    let action = format!("action=\"{ANSWER}?after=dial\" method=\"POST\"");
    assert_eq!(
        twiml(&Answer::dial("+14155550111").then_hang_up()),
        format!("<Dial {action}><Number {noun}>+14155550111</Number></Dial><Hangup/>")
    );
    let dial = Dial::new(Party::Sip("sip:a@example.com?x=1&y=2".into()))
        .and(Party::Client("jenny".into()))
        .and(Party::LocalNumber("0991".into()))
        .with_caller_id(Party::Number("+14155550199".into()))
        .with_ring_timeout(Duration::from_secs(20))
        .with_time_limit(Duration::from_millis(59_001));
    assert_eq!(
        twiml(&Answer::dial(dial)),
        format!(
            "<Dial {action} callerId=\"+14155550199\" timeout=\"20\" timeLimit=\"60\">\
             <Sip {noun}>sip:a@example.com?x=1&amp;y=2</Sip><Client {noun}>jenny</Client>\
             <Number {noun}>0991</Number></Dial>"
        )
    );
    let from_client = Dial::from("client:jenny").with_caller_id(Party::Client("joe".into()));
    assert!(twiml(&Answer::dial(from_client)).contains("callerId=\"client:joe\""));
}

#[test]
fn the_small_verbs() {
    let answer = Answer::new([])
        .then_pause(Duration::from_millis(1_001))
        .then_pause(Duration::ZERO)
        .then_pause(Duration::from_secs(3))
        .then_redirect();
    assert_eq!(
        twiml(&answer),
        format!(
            "<Pause length=\"2\"/><Pause length=\"3\"/><Redirect method=\"POST\">{ANSWER}</Redirect>"
        )
    );
    assert_eq!(twiml(&Answer::hang_up()), "<Hangup/>");
    assert_eq!(
        twiml(&Answer::reject(RejectReason::Busy)),
        "<Reject reason=\"busy\"/>"
    );
    assert_eq!(
        twiml(&Answer::reject(RejectReason::Rejected)),
        "<Reject reason=\"rejected\"/>"
    );
    let away = Answer::new([Step::Redirect(Redirect::To(
        "https://example.com/x?a=1&b=2".into(),
    ))]);
    assert_eq!(
        twiml(&away),
        "<Redirect method=\"POST\">https://example.com/x?a=1&amp;b=2</Redirect>"
    );
    assert_eq!(
        twiml(&Answer::new([])),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response/>"
    );
}
