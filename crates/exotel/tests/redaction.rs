//! No secret and no phone number in any `Debug` or error text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::http_client::{account, ok, reset, status};
use common::rest::{call, noon};
use common::{MULTIPART, codec, config, exotel_with, get, links, multipart, post, verified};
use std::fmt::Debug;
use telephony_core::media::{Decoded, WireMessage};
use telephony_core::{Answer, Dial, Document, Party, Recording, Stream, Telephony, WebhookKind};

const HIDDEN: [&str; 10] = [
    "9876501234",
    "8033334444",
    "7200498000",
    common::SECRET,
    common::OLD_SECRET,
    common::TOKEN,
    "rest-api-key",
    "rest-api-token",
    "socket-pass-word",
    "4711",
];

#[track_caller]
fn assert_hidden(shown: &impl Debug) {
    for text in [format!("{shown:?}"), format!("{shown:#?}")] {
        for hidden in HIDDEN {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}

const PARTIES: &str = "CallSid=c1&CallFrom=09876501234&CallTo=08033334444&From=09876501234&To=08033334444&ForwardedFrom=07200498000";

#[test]
fn the_account_and_its_answers() {
    let exotel = exotel_with(config().with_socket_credentials("bot", "socket-pass-word"));
    assert_hidden(&exotel);
    let call = exotel
        .accept_call(&verified(get(WebhookKind::IncomingCall, PARTIES)))
        .unwrap();
    assert_hidden(&call);
    assert_hidden(
        &exotel
            .incoming_call(&call, &Answer::stream(), &links())
            .unwrap(),
    );
    assert_hidden(&exotel.media_codec(&common::ticket()).unwrap());
}

#[test]
fn requests_and_events() {
    let more = "&digits=%224711%22&DialCallStatus=completed&DialWhomNumber=07200498000&Legs[0][Number]=07200498000\
        &Legs[0][OnCallDuration]=7&RecordingUrl=https://x.example/09876501234.mp3&CurrentTime=2026-01-01+10:00:00\
        &Stream[StreamSID]=s1&Stream[Error]=dial+wss://bot:socket-pass-word@x.example/media-token-media-token+09876501234\
        &Stream[StreamUrl]=wss://bot:socket-pass-word@x.example/media-token-media-token";
    for kind in [
        WebhookKind::IncomingCall,
        WebhookKind::NextStep,
        WebhookKind::Status,
        WebhookKind::Event,
    ] {
        for query in [
            format!("applet=passthru&{PARTIES}{more}"),
            format!(
                "{PARTIES}&EventType=Dial&Status=busy&DialWhomNumber=07200498000&CurrentTime=2026-01-01+10:00:00"
            ),
        ] {
            let request = get(kind, &query);
            assert_hidden(&request);
            let request = verified(request);
            assert_hidden(&request);
            assert_hidden(
                &common::exotel()
                    .catch_all_status_callback(&request)
                    .unwrap(),
            );
        }
    }
}

#[test]
fn errors() {
    let exotel = exotel_with(config().with_socket_credentials("bot", "socket-pass-word"));
    let show = |error: telephony_core::Error| {
        assert_hidden(&error);
        assert_hidden(&error.to_string());
    };
    for query in ["&key=4711", "&key=first-webhook-secret"] {
        show(
            exotel
                .authenticate(&get(WebhookKind::Status, query))
                .unwrap_err(),
        );
    }
    show(
        exotel
            .authenticate(&get(WebhookKind::MediaUpgrade, ""))
            .unwrap_err(),
    );
    for request in [
        get(WebhookKind::IncomingCall, "To=09876501234"),
        get(
            WebhookKind::IncomingCall,
            &format!("{PARTIES}&applet=09876501234"),
        ),
        post(
            WebhookKind::IncomingCall,
            "application/json",
            "{\"CallFrom\":\"09876501234\"",
        ),
        post(
            WebhookKind::IncomingCall,
            MULTIPART,
            multipart(&[("CallFrom", "09876501234")]).replace("--XB--", ""),
        ),
    ] {
        show(exotel.accept_call(&verified(request)).unwrap_err());
    }
    let next = |applet: &str| {
        verified(get(
            WebhookKind::NextStep,
            &format!("applet={applet}&{PARTIES}"),
        ))
    };
    for (applet, answer) in [
        (
            "connect",
            Answer::dial(Dial::new(Party::LocalNumber("x9876501234".into()))),
        ),
        ("connect", Answer::dial("sip:9876501234@example.com")),
        ("greeting", Answer::dial("+919876501234")),
        (
            "voicebot",
            Stream::new()
                .with_parameter("pin", "47 11 rest-api-key")
                .into(),
        ),
        (
            "connect",
            Answer::document(Document::new("exotel", "09876501234")),
        ),
    ] {
        show(
            exotel
                .reply(&next(applet), Some(&answer), &links())
                .unwrap_err(),
        );
    }
    for message in [
        r#"{"event":"dtmf","dtmf":{"digit":"4711x"}}"#,
        r#"{"event":"media","media":{"payload":"rest-api-key"}}"#,
        r#"{"event":"media","media":"09876501234"}"#,
        r#"{"event":"start","start":{"from":"09876501234"}"#,
    ] {
        show(
            codec()
                .decode(WireMessage::text(message), &mut Decoded::default())
                .unwrap_err(),
        );
    }
}

#[tokio::test]
async fn what_rest_brought_back() {
    let said = "CallSid c1 From 09876501234 To 08033334444 rest-api-key rest-api-token first-webhook-secret wss://voice.example.com/media-token-media-token";
    let found = r#"{"Sid":"c1","Direction":"outbound-api","From":"09876501234","To":"07200498000","PhoneNumberSid":"08033334444","RecordingUrl":"https://x.example/rest-api-token"}"#;
    let (_, exotel) = account(vec![
        ok(&format!(r#"{{"Call":{found}}}"#)),
        ok(&format!(r#"{{"Call":{found}}}"#)),
        ok(&format!(r#"{{"Calls":[{found}]}}"#)),
        ok("rest-api-token"),
        status(
            400,
            &format!(r#"{{"RestException":{{"Message":"{said}"}}}}"#),
        ),
        reset(),
    ]);
    let call = call(Answer::stream());
    let placed = exotel.make_call(&call, &links()).await.unwrap();
    assert_hidden(&placed);
    assert_hidden(&exotel.fetch_call(&placed.call).await.unwrap());
    assert_hidden(&exotel.find_placed(&call, noon()).await.unwrap());
    let recording = Recording::new(None, "https://recordings.exotel.com/09876501234.mp3");
    assert_hidden(&exotel.fetch_recording(&recording).await.unwrap());
    for _ in 0..2 {
        let error = exotel.make_call(&call, &links()).await.unwrap_err();
        assert_hidden(&error);
        assert_hidden(&error.to_string());
    }
    let (to, links) = (Answer::dial("+919876501234"), links());
    let refused = exotel.transfer(&placed.call, &to, &links).await;
    assert_hidden(&refused.unwrap_err());
    assert_hidden(&exotel); // Its client has worked by now.
}
