//! The request that places a call, byte for byte, and the calls that are refused before anything is sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::{BASIC, CUSTOMER, EXOPHONE, SECOND, call, rest, wire, with_rest};
use common::{CALL_KEY, SECRET, TOKEN, assert_kind, config, links, links_without_media};
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{
    AfterStream, Answer, Dial, Document, ErrorKind, MachineDetection, OutboundCall, Party,
    Redirect, Result, Step, Stream,
};
use telephony_exotel::rest::{ListenFrom, Listener, Playback, RecordingChannels, RecordingFormat};
use telephony_exotel::{ExotelCallOptions, ExotelConfig, NAME, Region};

const STREAM_URL: &str = "wss%3A%2F%2Fvoice.example.com%2Fexotel%2Fmedia%2Fmedia-token-media-token";
const CALLBACK: &str = "CustomField=call-key-call-key-call\
    &StatusCallback=https%3A%2F%2Fvoice.example.com%2Fexotel%2Fstatus%2Fcall-key-call-key-call%3Fkey%3Dfirst-webhook-secret\
    &StatusCallbackEvents%5B%5D=terminal&StatusCallbackEvents%5B%5D=answered";
const RINGING: &str = "&StatusCallbackEvents%5B%5D=ringing";
const JSON: &str = "&StatusCallbackContentType=application%2Fjson";

fn body_with(config: ExotelConfig, call: &OutboundCall) -> Result<String> {
    with_rest(config, |rest| {
        let request = rest.place_call(call, &links())?;
        Ok(String::from_utf8(request.body().to_vec()).unwrap())
    })
}

fn body(call: &OutboundCall) -> Result<String> {
    body_with(config(), call)
}

fn with_options(answer: Answer, options: ExotelCallOptions) -> OutboundCall {
    call(answer).with_extension(NAME, options)
}

fn flow(app: &str) -> ExotelCallOptions {
    ExotelCallOptions::new().with_flow(app)
}

#[test]
fn straight_to_the_stream() {
    let request = rest(|rest| rest.place_call(&call(Answer::stream()), &links())).unwrap();
    assert_eq!(
        wire(&request),
        format!(
            "POST https://api.exotel.com/v1/Accounts/example1/Calls/connect.json\n\
             authorization: {BASIC}\naccept: application/json\ncontent-type: application/x-www-form-urlencoded\n\
             From=%2B919876501234&CallerId=08033334444&StreamUrl={STREAM_URL}%3Fcall_key%3D{CALL_KEY}\
             &StreamType=bidirectional&Record=false&{CALLBACK}{RINGING}"
        )
    );
    assert!(request.headers()["authorization"].is_sensitive());
    assert!(STREAM_URL.ends_with(TOKEN) && CALLBACK.contains(SECRET));
}

#[test]
fn straight_to_the_stream_with_everything() {
    let mut call = with_options(
        Stream::new()
            .with_rate(SampleRate::HZ_16000)
            .with_parameter("lang", "hi")
            .into(),
        ExotelCallOptions::new()
            .with_stream_name("bot & co")
            .with_recording_channels(RecordingChannels::Dual),
    );
    call.max_duration = Some(Duration::from_millis(599_001));
    call.record = true;
    call.parameters.insert("order".into(), "42".into());
    assert_eq!(
        body_with(config().with_socket_credentials("bot", "pass-word"), &call).unwrap(),
        format!(
            "From=%2B919876501234&CallerId=08033334444\
             &StreamUrl={}%3Fsample-rate%3D16000%26lang%3Dhi%26order%3D42&StreamType=bidirectional\
             &StreamName=bot%20%26%20co&TimeLimit=600&Record=true&RecordingChannels=dual&{CALLBACK}{RINGING}",
            STREAM_URL.replace("voice", "bot%3Apass-word%40voice")
        )
    );
}

#[test]
fn two_numbers() {
    let request = with_rest(config().with_region(Region::Mumbai), |rest| {
        rest.place_call(&call(Answer::dial(SECOND)), &links_without_media())
    });
    assert_eq!(
        wire(&request.unwrap()),
        format!(
            "POST https://api.in.exotel.com/v1/Accounts/example1/Calls/connect.json\n\
             authorization: {BASIC}\naccept: application/json\ncontent-type: application/x-www-form-urlencoded\n\
             From=%2B919876501234&To=%2B917200498000&CallerId=08033334444&CallType=trans&Record=false&{CALLBACK}{JSON}"
        )
    );
}

#[test]
fn two_numbers_with_everything() {
    let options = ExotelCallOptions::new()
        .with_recording_channels(RecordingChannels::Single)
        .with_recording_format(RecordingFormat::Mp3Hq)
        .with_wait_url("https://x.example/wait.wav?v=2")
        .with_playback(Playback::to_both("https://x.example/notice.wav"))
        .with_listener(Listener::new("wss://x.example/hear", ListenFrom::SecondLeg));
    let dial = Dial::new(Party::parse(SECOND))
        .with_caller_id(Party::parse("+918033334444"))
        .with_ring_timeout(Duration::from_secs(40))
        .with_time_limit(Duration::from_secs(120));
    let mut call = with_options(Answer::dial(dial).then_hang_up(), options);
    call.record = true;
    call.ring_timeout = Some(Duration::from_secs(25));
    call.max_duration = Some(Duration::from_secs(14_400));
    assert_eq!(
        body(&call).unwrap(),
        format!(
            "From=%2B919876501234&To=%2B917200498000&CallerId=08033334444&CallType=trans&TimeLimit=120&TimeOut=25\
             &Record=true&RecordingChannels=single&RecordingFormat=mp3-hq\
             &WaitUrl=https%3A%2F%2Fx.example%2Fwait.wav%3Fv%3D2&StreamUrl=wss%3A%2F%2Fx.example%2Fhear\
             &StreamBegin=at%20Leg2Connect&StartPlaybackToNew=Both\
             &StartPlaybackValueNew=https%3A%2F%2Fx.example%2Fnotice.wav&{CALLBACK}{JSON}"
        )
    );
}

#[test]
fn the_other_words_of_two_numbers() {
    let options = ExotelCallOptions::new()
        .with_recording_format(RecordingFormat::Mp3)
        .with_playback(Playback::to_callee("http://x.example/a"))
        .with_listener(Listener::new("ws://x.example/hear", ListenFrom::FirstLeg));
    let mut call = with_options(Answer::dial(SECOND), options);
    call.record = true;
    let body = body(&call).unwrap();
    for part in [
        "&RecordingFormat=mp3&",
        "&StartPlaybackToNew=Callee&",
        "&StreamBegin=at%20Leg1Connect&",
    ] {
        assert!(body.contains(part), "{body}");
    }
}

#[test]
fn into_a_flow() {
    let mut call = with_options(
        Answer::redirect(),
        flow("926").with_recording_channels(RecordingChannels::Dual),
    );
    call.record = true;
    call.ring_timeout = Some(Duration::from_secs(30));
    call.max_duration = Some(Duration::from_secs(1));
    for (region, host) in [
        (Region::Singapore, "my.exotel.com"),
        (Region::Mumbai, "my.in.exotel.com"),
    ] {
        assert_eq!(
            body_with(config().with_region(region), &call).unwrap(),
            format!(
                "From=%2B919876501234&CallerId=08033334444\
                 &Url=http%3A%2F%2F{host}%2Fexample1%2Fexoml%2Fstart_voice%2F926&CallType=trans&TimeLimit=1&TimeOut=30\
                 &Record=true&RecordingChannels=dual&{CALLBACK}{JSON}"
            )
        );
    }
    for answer in [
        Answer::stream(),
        Stream::new().then(AfterStream::Continue).into(),
        Answer::from(Stream::new().then(AfterStream::Continue)).then_hang_up(),
    ] {
        let body = body(&with_options(answer, flow("926"))).unwrap();
        assert!(body.contains("start_voice%2F926") && !body.contains("StreamUrl"));
    }
}

#[test]
fn a_simulator_is_asked_in_the_place_of_exotel() {
    let config = config().with_base_url("http://127.0.0.1:8080/api/");
    let request = with_rest(config, |rest| {
        rest.place_call(&call(Answer::stream()), &links())
    });
    assert_eq!(
        request.unwrap().uri(),
        "http://127.0.0.1:8080/api/v1/Accounts/example1/Calls/connect.json"
    );
}

#[test]
fn the_number_to_dial_is_from_on_the_wire() {
    let call = OutboundCall::new(
        Party::LocalNumber("08012345678".into()),
        Party::parse("+918033334444"),
        Answer::stream(),
    );
    let body = body(&call).unwrap();
    assert!(body.starts_with("From=08012345678&CallerId=%2B918033334444&StreamUrl="));
    // Whoever mixes the two up often has the ExoPhone in both.
    for to in ["+918033334444", EXOPHONE, "8033334444"] {
        let call = OutboundCall::new(Party::parse(to), Party::parse(EXOPHONE), Answer::stream());
        assert_kind(
            self::body(&call),
            ErrorKind::InvalidArgument,
            "our ExoPhone",
        );
    }
}

#[test]
fn options_of_another_carrier_are_left_alone() {
    let plain = body(&call(Answer::stream())).unwrap();
    let call = call(Answer::stream()).with_extension("twilio", flow("926"));
    assert_eq!(body(&call).unwrap(), plain);
}

#[test]
fn a_hang_up_that_happens_anyway_is_no_obstacle() {
    let plain = body(&call(Answer::stream())).unwrap();
    let continued = Answer::from(Stream::new().then(AfterStream::Continue)).then_hang_up();
    assert_eq!(body(&call(continued)).unwrap(), plain);
    let both = Answer::new([Step::Stream(Stream::new()), Step::HangUp]);
    assert_eq!(body(&call(both)).unwrap(), plain);
}

#[test]
fn what_exotel_cannot_do_is_unsupported() {
    for (answer, says) in [
        (Answer::say("Hello."), "with_flow"),
        (Answer::hang_up(), "with_flow"),
        (Answer::redirect(), "with_flow"),
        (Answer::new([]), "with_flow"),
        (
            Answer::say("Hello.").then_stream(Stream::new()),
            "with_flow",
        ),
        (
            Answer::document(Document::new(NAME, "{{media_url}}")),
            "with_flow",
        ),
        (
            Stream::new().then(AfterStream::Continue).into(),
            "ends with it",
        ),
        (
            Answer::dial(Dial::new(Party::parse(SECOND)).and(Party::parse("+911140001234"))),
            "one number",
        ),
        (Answer::dial("sip:a@example.com"), "phone numbers only"),
        (
            Answer::dial(
                Dial::new(Party::parse(SECOND)).with_caller_id(Party::parse("08011112222")),
            ),
            "the call's `from`",
        ),
    ] {
        assert_kind(body(&call(answer)), ErrorKind::Unsupported, says);
    }
    for answer in [
        Answer::say("Hello."),
        Answer::dial(SECOND),
        Answer::new([Step::Redirect(Redirect::To("https://x.example".into()))]),
        Stream::new().with_parameter("a", "b").into(),
        Stream::new().with_rate(SampleRate::HZ_8000).into(),
    ] {
        assert_kind(
            body(&with_options(answer, flow("926"))),
            ErrorKind::Unsupported,
            "its applets",
        );
    }
    let mut detecting = call(Answer::stream());
    detecting.machine_detection = MachineDetection::Report;
    assert_kind(body(&detecting), ErrorKind::Unsupported, "machine");
    let mut ringing = call(Answer::stream());
    ringing.ring_timeout = Some(Duration::from_secs(30));
    assert_kind(body(&ringing), ErrorKind::Unsupported, "rings");
    for (answer, options) in [
        (Answer::dial(SECOND), ExotelCallOptions::new()),
        (Answer::redirect(), flow("926")),
    ] {
        let mut call = with_options(answer, options);
        call.parameters.insert("order".into(), "42".into());
        assert_kind(body(&call), ErrorKind::Unsupported, "one field only");
    }
    for (to, from) in [
        (Party::parse("sip:a@example.com"), Party::parse(EXOPHONE)),
        (Party::Withheld, Party::parse(EXOPHONE)),
        (Party::parse(CUSTOMER), Party::parse("client:bot")),
    ] {
        let call = OutboundCall::new(to, from, Answer::stream());
        assert_kind(body(&call), ErrorKind::Unsupported, "only");
    }
}

#[test]
fn what_is_against_the_rules_is_an_invalid_argument() {
    let options = ExotelCallOptions::new;
    let stream = Answer::stream;
    let dial = || Answer::dial(SECOND);
    let url = "https://x.example/a.wav";
    let long = format!("wss://x.example/{}", "a".repeat(600 - 16));
    let listener = |url: &str| options().with_listener(Listener::new(url, ListenFrom::FirstLeg));
    for (answer, options, says) in [
        (
            stream(),
            options().with_wait_url(url),
            "straight to the stream takes no wait URL",
        ),
        (
            stream(),
            options().with_playback(Playback::to_both(url)),
            "no playback",
        ),
        (stream(), listener("wss://x.example"), "no listener"),
        (
            stream(),
            options().with_recording_format(RecordingFormat::Mp3),
            "no recording format",
        ),
        (
            dial(),
            options().with_stream_name("a"),
            "second number takes no stream name",
        ),
        (
            Answer::redirect(),
            flow("1").with_wait_url(url),
            "into a flow takes no wait URL",
        ),
        (
            Answer::redirect(),
            flow("1").with_stream_name("a"),
            "no stream name",
        ),
        (
            stream(),
            options().with_recording_channels(RecordingChannels::Dual),
            "not to be recorded",
        ),
        (
            dial(),
            options().with_recording_format(RecordingFormat::Mp3),
            "not to be recorded",
        ),
        (stream(), options().with_stream_name(""), "1 to 32"),
        (
            stream(),
            options().with_stream_name("a".repeat(33)),
            "1 to 32",
        ),
        (stream(), options().with_stream_name("a\nb"), "1 to 32"),
        (Answer::redirect(), flow(""), "app id"),
        (Answer::redirect(), flow("9/../26"), "app id"),
        (Answer::redirect(), flow("https://x.example"), "app id"),
        (dial(), options().with_wait_url("x.wav"), "http"),
        (
            dial(),
            options().with_playback(Playback::to_both("ftp://x")),
            "http",
        ),
        (dial(), listener("https://x.example"), "wss://"),
        (dial(), listener("wss:// x"), "wss://"),
        (dial(), listener("wss:///x"), "wss://"),
        (dial(), listener(&long), "600"),
    ] {
        assert_kind(
            body(&with_options(answer, options)),
            ErrorKind::InvalidArgument,
            says,
        );
    }
    assert!(body(&with_options(dial(), listener(&long[..599]))).is_ok());
    assert!(
        body(&with_options(
            stream(),
            options().with_stream_name("é".repeat(32))
        ))
        .is_ok()
    );

    let limited = |ring: Option<u64>, last: Option<u64>| {
        let mut call = call(dial());
        call.ring_timeout = ring.map(Duration::from_secs);
        call.max_duration = last.map(Duration::from_secs);
        body(&call)
    };
    assert_kind(limited(Some(0), None), ErrorKind::InvalidArgument, "ring");
    assert_kind(
        limited(None, Some(0)),
        ErrorKind::InvalidArgument,
        "a second or more",
    );
    assert_kind(
        limited(None, Some(14_401)),
        ErrorKind::InvalidArgument,
        "14400",
    );

    let mut twice = call(Stream::new().with_parameter("a", "1").into());
    twice.parameters.insert("a".into(), "2".into());
    assert_kind(body(&twice), ErrorKind::InvalidArgument, "two values");
    twice.parameters.insert("a".into(), "1".into());
    assert!(body(&twice).is_ok());
    for (name, value) in [("a", "with blank"), ("call_key", "x"), ("", "x")] {
        let mut call = call(stream());
        call.parameters.insert(name.into(), value.into());
        assert_kind(body(&call), ErrorKind::InvalidArgument, "parameter");
    }
    for answer in [
        Answer::dial(CUSTOMER),
        Answer::dial(Dial::new(Party::LocalNumber("09876501234".into()))),
    ] {
        assert_kind(body(&call(answer)), ErrorKind::InvalidArgument, "the same");
    }
    let nobody = OutboundCall::new(
        Party::LocalNumber("*99#".into()),
        Party::parse(EXOPHONE),
        stream(),
    );
    assert_kind(body(&nobody), ErrorKind::InvalidArgument, "3 to 15 digits");
}

#[test]
fn every_error_is_of_this_operation() {
    let far = Stream::new().with_rate(SampleRate::HZ_48000);
    let error = body(&call(far.into())).unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Unsupported, "place call")
    );
    let error = rest(|rest| rest.place_call(&call(Answer::stream()), &links_without_media()));
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Internal, "place call")
    );
}

#[test]
fn credentials_that_cannot_be_sent_are_refused_at_once() {
    for (key, token) in [("a:b", "token"), ("a\nb", "token"), ("key", "a\r\nX: y")] {
        let config = ExotelConfig::new("example1", key, token, SECRET);
        let error = telephony_exotel::rest::Rest::new(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
