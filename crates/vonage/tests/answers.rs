//! Answers as NCCOs: golden documents, and what is refused before anything is written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::*;
use serde_json::{Value, json};
use std::time::Duration;
use telephony_core::audio::SampleRate;
use telephony_core::{
    AccountLabel, AfterStream, Answer, CallKey, CallLinks, Dial, ErrorKind, Gather, Party, Play,
    PublicUrl, Redirect, RejectReason, Result, Say, Step, Stream, Telephony, WebhookKind,
};
use telephony_vonage::{Vonage, VonageConfig, WebsocketAuthorization};

fn write_with(config: VonageConfig, answer: &Answer) -> Result<String> {
    let vonage: Vonage = open(config);
    let call = vonage
        .accept_call(&verified(
            &vonage,
            WebhookKind::IncomingCall,
            &json!({"uuid": "u-1"}),
        ))
        .unwrap();
    let answered = vonage.incoming_call(&call, answer, &links())?;
    assert_eq!(answered.response.status(), 200);
    assert_eq!(
        answered.response.headers()["content-type"],
        "application/json"
    );
    assert!(answered.commands.is_empty());
    Ok(String::from_utf8(answered.response.body().to_vec()).unwrap())
}

fn ncco(answer: &Answer) -> Value {
    serde_json::from_str(&write_with(config(), answer).unwrap()).unwrap()
}

fn refused(answer: &Answer, kind: ErrorKind, because: &str) {
    let error = write_with(config(), answer).expect_err(because);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(
        error.to_string().starts_with("vonage: write answer: "),
        "{error}"
    );
    assert!(
        error.to_string().contains(because),
        "{error} does not say {because}"
    );
}

fn websocket(headers: Value, rate: u32) -> Value {
    json!({
        "type": "websocket",
        "uri": format!("wss://voice.example.com/vonage/media/{TOKEN}"),
        "content-type": format!("audio/l16;rate={rate}"),
        "headers": headers,
        "authorization": {"type": "vonage"},
    })
}

#[test]
fn a_stream_is_a_connect_to_our_socket() {
    assert_eq!(
        write_with(config(), &Answer::stream()).unwrap(),
        format!(
            concat!(
                r#"[{{"action":"connect","endpoint":[{{"type":"websocket","uri":"wss://voice.example.com/vonage/media/{token}","#,
                r#""content-type":"audio/l16;rate=16000","headers":{{"call_key":"{key}"}},"authorization":{{"type":"vonage"}}}}],"#,
                r#""eventType":"synchronous","eventUrl":["https://voice.example.com/vonage/events/{key}"],"eventMethod":"POST"}}]"#
            ),
            token = TOKEN,
            key = KEY
        )
    );
}

#[test]
fn a_stream_as_it_is_asked_for() {
    let parameters = Stream::new()
        .with_parameter("plan", "gold \"1\"")
        .with_parameter("ä", "ö");
    let headers = json!({"call_key": KEY, "plan": "gold \"1\"", "ä": "ö"});
    assert_eq!(
        ncco(&parameters.into())[0]["endpoint"][0],
        websocket(headers, 16_000)
    );
    let own = json!({"call_key": KEY});
    for (rate, hz) in [
        (SampleRate::HZ_8000, 8_000),
        (SampleRate::HZ_16000, 16_000),
        (SampleRate::HZ_24000, 24_000),
    ] {
        let stream = Answer::from(Stream::new().with_rate(rate));
        assert_eq!(ncco(&stream)[0]["endpoint"][0], websocket(own.clone(), hz));
        let configured = write_with(config().with_media_rate(rate), &Answer::stream()).unwrap();
        let configured: Value = serde_json::from_str(&configured).unwrap();
        assert_eq!(configured[0]["endpoint"][0], websocket(own.clone(), hz));
    }
    let silent = config().with_websocket_authorization(WebsocketAuthorization::None);
    assert!(
        !write_with(silent, &Answer::stream())
            .unwrap()
            .contains("authorization")
    );
}

#[test]
fn a_stream_is_the_last_action() {
    let hang_up = Answer::stream().then_hang_up();
    let go_on = Answer::from(Stream::new().then(AfterStream::Continue));
    for same in [hang_up, go_on] {
        assert_eq!(ncco(&same), ncco(&Answer::stream()));
    }
    let greeted = ncco(&Answer::say("Hello.").then_stream(Stream::new()));
    assert_eq!(
        (greeted[0]["action"].as_str(), greeted[1]["action"].as_str()),
        (Some("talk"), Some("connect"))
    );
    let go_on = Answer::from(Stream::new().then(AfterStream::Continue));
    for answer in [
        Answer::stream().then_say("Goodbye."),
        go_on.then_say("Goodbye."),
        Answer::stream().then_stream(Stream::new()),
        Answer::stream().then_hang_up().then_say("x"),
        Answer::stream().then_redirect(),
    ] {
        refused(
            &answer,
            ErrorKind::Unsupported,
            "as soon as the socket is up",
        );
    }
}

#[test]
fn a_stream_within_the_limits() {
    // {"call_key":"…22…","k":"…"}: 36 bytes and 8 around the value.
    let fits = "v".repeat(512 - 36 - 8);
    assert!(write_with(config(), &Stream::new().with_parameter("k", &fits).into()).is_ok());
    let over = Stream::new().with_parameter("k", format!("{fits}v"));
    refused(&over.into(), ErrorKind::InvalidArgument, "513 bytes");
    let escaped = Stream::new().with_parameter("k", "\"".repeat(250));
    refused(&escaped.into(), ErrorKind::InvalidArgument, "bytes as JSON");
    for name in ["event", "Event", "content-type", "Content-Type", "call_key"] {
        let reserved = Stream::new().with_parameter(name, "x");
        refused(
            &reserved.into(),
            ErrorKind::InvalidArgument,
            "cannot be names",
        );
    }
    let rate = Stream::new().with_rate(SampleRate::HZ_48000);
    refused(&rate.into(), ErrorKind::Unsupported, "24000 Hz");
    let vonage = vonage();
    let call = vonage
        .accept_call(&verified(
            &vonage,
            WebhookKind::IncomingCall,
            &json!({"uuid": "u-1"}),
        ))
        .unwrap();
    let base = PublicUrl::new("https://voice.example.com").unwrap();
    let no_token = CallLinks::new(
        base,
        AccountLabel::new("vonage").unwrap(),
        CallKey::parse(KEY).unwrap(),
    );
    let error = vonage
        .incoming_call(&call, &Answer::stream(), &no_token)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn words_and_files() {
    let say = Say::new("Grüß & <Gott> \"you\"\n")
        .with_language("de-AT")
        .with_voice("2");
    assert_eq!(
        ncco(&Answer::say(say).then_play("https://example.com/a.mp3")),
        json!([
            {"action": "talk", "text": "Grüß & <Gott> \"you\"\n", "language": "de-AT", "style": 2},
            {"action": "stream", "streamUrl": ["https://example.com/a.mp3"]},
        ])
    );
    assert_eq!(
        ncco(&Answer::play(
            Play::new("http://example.com/a.wav").times(0)
        )),
        json!([{"action": "stream", "streamUrl": ["http://example.com/a.wav"], "loop": 0}])
    );
    // A text is not markup.
    assert_eq!(
        ncco(&Answer::say("<Speak>a & b</Speak>"))[0]["text"],
        "<speak>&lt;Speak&gt;a &amp; b&lt;/Speak&gt;</speak>"
    );
    assert!(write_with(config(), &Answer::say("ä".repeat(1500))).is_ok());
    refused(
        &Answer::say("ä".repeat(1501)),
        ErrorKind::InvalidArgument,
        "1500",
    );
    refused(
        &Answer::say(" \n"),
        ErrorKind::InvalidArgument,
        "nothing to say",
    );
    refused(
        &Answer::say(Say::new("x").with_voice("Amy")),
        ErrorKind::InvalidArgument,
        "style",
    );
    refused(
        &Answer::say(Say::new("x").with_language("en GB")),
        ErrorKind::InvalidArgument,
        "BCP 47",
    );
    for url in [
        "",
        "a.mp3",
        "ftp://example.com/a",
        "https://",
        "https:///a",
        "https://e.com/a b",
        "file:///etc/passwd",
    ] {
        refused(&Answer::play(url), ErrorKind::InvalidArgument, "URL");
    }
}

#[test]
fn keys_and_speech_are_asked_for() {
    let menu = Gather::digits(1)
        .with_prompt("Press 1.")
        .with_audio_prompt("https://example.com/a.mp3")
        .with_timeout(Duration::from_secs(8));
    let callback = format!("https://voice.example.com/vonage/answer/{KEY}");
    assert_eq!(
        ncco(&Answer::gather(menu).then_say("Nothing?")),
        json!([
            {"action": "talk", "text": "Press 1.", "bargeIn": true},
            {"action": "stream", "streamUrl": ["https://example.com/a.mp3"], "bargeIn": true},
            {
                "action": "input", "type": ["dtmf"],
                "dtmf": {"timeOut": 8, "maxDigits": 1, "submitOnHash": true},
                "eventUrl": [callback], "eventMethod": "POST",
            },
            {"action": "talk", "text": "Nothing?"},
        ])
    );
    let speech = Gather::until_finish()
        .or_speech()
        .with_finish_key(None)
        .with_language("en-GB")
        .with_hint("sales")
        .with_hint("support");
    assert_eq!(
        ncco(&Answer::gather(speech)),
        json!([{
            "action": "input", "type": ["dtmf", "speech"],
            "dtmf": {"timeOut": 5, "maxDigits": 20, "submitOnHash": false},
            "speech": {"startTimeout": 5, "language": "en-GB", "context": ["sales", "support"]},
            "eventUrl": [callback], "eventMethod": "POST",
        }])
    );
    let only_speech = ncco(&Answer::gather(
        Gather::speech().with_timeout(Duration::from_secs(60)),
    ));
    assert_eq!(only_speech[0]["type"], json!(["speech"]));
    assert_eq!(only_speech[0]["speech"], json!({"startTimeout": 60}));
    assert!(only_speech[0].get("dtmf").is_none());
}

#[test]
fn an_input_within_the_limits() {
    let seconds = |s| Duration::from_secs(s);
    for good in [
        Gather::digits(22),
        Gather::digits(1).with_timeout(Duration::ZERO),
        Gather::digits(1).with_timeout(seconds(10)),
        Gather::speech().with_timeout(seconds(1)),
    ] {
        assert!(write_with(config(), &Answer::gather(good)).is_ok());
    }
    let mut nothing = Gather::digits(1);
    nothing.dtmf = false;
    for (bad, because) in [
        (Gather::digits(0), "1 to 22 keys"),
        (Gather::digits(23), "1 to 22 keys"),
        (
            Gather::digits(1).with_timeout(seconds(11)),
            "0 to 10 whole seconds",
        ),
        (
            Gather::digits(1).with_timeout(Duration::from_millis(1500)),
            "0 to 10 whole seconds",
        ),
        (
            Gather::speech().with_timeout(Duration::ZERO),
            "1 to 60 whole seconds",
        ),
        (
            Gather::speech().with_timeout(seconds(61)),
            "1 to 60 whole seconds",
        ),
        (Gather::digits(1).with_prompt(""), "nothing to say"),
        (nothing, "keys, speech or both"),
    ] {
        refused(&Answer::gather(bad), ErrorKind::InvalidArgument, because);
    }
    let star = Gather::digits(4).with_finish_key(Some('*'));
    refused(&Answer::gather(star), ErrorKind::Unsupported, "only `#`");
}

#[test]
fn a_dial_connects_with_one_party() {
    let full = Dial::new(Party::Number("+447700900456".into()))
        .with_caller_id(Party::Number("+442079460123".into()))
        .with_ring_timeout(Duration::from_secs(20))
        .with_time_limit(Duration::from_secs(600));
    assert_eq!(
        ncco(&Answer::say("One moment.").then_dial(full).then_hang_up()),
        json!([
            {"action": "talk", "text": "One moment."},
            {
                "action": "connect", "from": "442079460123",
                "endpoint": [{"type": "phone", "number": "447700900456"}],
                "eventType": "synchronous", "timeout": 20, "limit": 600,
                "eventUrl": [format!("https://voice.example.com/vonage/answer/{KEY}")], "eventMethod": "POST",
            },
        ])
    );
    for (target, endpoint) in [
        (
            Party::Sip("sip:a@sip.example.com;transport=tls".into()),
            json!({"type": "sip", "uri": "sip:a@sip.example.com;transport=tls"}),
        ),
        (
            Party::Client("jamie".into()),
            json!({"type": "app", "user": "jamie"}),
        ),
        (
            Party::Extension("111".into()),
            json!({"type": "vbc", "extension": "111"}),
        ),
    ] {
        let written = ncco(&Answer::dial(
            Dial::new(target).with_caller_id(Party::Withheld),
        ));
        assert_eq!(written[0]["endpoint"], json!([endpoint]));
        assert!(written[0].get("from").is_none() && written[0].get("timeout").is_none());
    }
}

#[test]
fn a_dial_within_the_limits() {
    let number = || Party::Number("+447700900456".into());
    let several = Dial::new(number()).and(Party::Client("jamie".into()));
    refused(&Answer::dial(several), ErrorKind::Unsupported, "one party");
    refused(
        &Answer::dial(number()).then_say("Nobody there."),
        ErrorKind::Unsupported,
        "as soon as the other side has answered",
    );
    let mut nobody = Dial::new(number());
    nobody.targets.clear();
    let seconds = |s| Duration::from_secs(s);
    for (bad, because) in [
        (nobody, "no target"),
        (Dial::new(Party::Withheld), "no address"),
        (Dial::new(Party::Client(" ".into())), "no address"),
        (Dial::new(Party::LocalNumber("02079460123".into())), "E.164"),
        (Dial::new(Party::Number("447700900456".into())), "E.164"),
        (
            Dial::new(number()).with_caller_id(Party::Client("jamie".into())),
            "caller id",
        ),
        (
            Dial::new(number()).with_ring_timeout(seconds(2)),
            "3 to 7200",
        ),
        (
            Dial::new(number()).with_time_limit(seconds(7201)),
            "1 to 7200",
        ),
        (
            Dial::new(number()).with_time_limit(Duration::ZERO),
            "1 to 7200",
        ),
    ] {
        refused(&Answer::dial(bad), ErrorKind::InvalidArgument, because);
    }
}

#[test]
fn the_end_of_a_call_is_the_end_of_its_ncco() {
    assert_eq!(write_with(config(), &Answer::hang_up()).unwrap(), "[]");
    assert_eq!(
        ncco(
            &Answer::say("Bye.")
                .then_pause(Duration::from_millis(500))
                .then_hang_up()
        ),
        json!([{"action": "talk", "text": "Bye."}, {"action": "wait", "timeout": 0.5}])
    );
    for pause in [
        Duration::ZERO,
        Duration::from_millis(99),
        Duration::from_secs(7201),
    ] {
        refused(
            &Answer::new([Step::Pause(pause)]),
            ErrorKind::InvalidArgument,
            "0.1 to 7200",
        );
    }
    refused(
        &Answer::hang_up().then_say("x"),
        ErrorKind::InvalidArgument,
        "nothing can follow",
    );
    refused(&Answer::default(), ErrorKind::InvalidArgument, "no steps");
    for reason in [RejectReason::Busy, RejectReason::Rejected] {
        refused(
            &Answer::reject(reason),
            ErrorKind::Unsupported,
            "cannot be refused",
        );
    }
}

#[test]
fn a_redirect_is_a_question() {
    let here = format!("https://voice.example.com/vonage/answer/{KEY}");
    let notify = |url: &str| json!({"action": "notify", "payload": {"reason": "redirect"}, "eventUrl": [url], "eventMethod": "POST"});
    assert_eq!(ncco(&Answer::say("x").then_redirect())[1], notify(&here));
    let elsewhere = |url: &str| Answer::new([Step::Redirect(Redirect::To(url.into()))]);
    assert_eq!(
        ncco(&elsewhere("https://example.com/x?y=z"))[0],
        notify("https://example.com/x?y=z")
    );
    refused(&elsewhere("/x"), ErrorKind::InvalidArgument, "URL");
    refused(
        &Answer::redirect().then_say("x"),
        ErrorKind::InvalidArgument,
        "nothing can follow",
    );
}
