//! Hanging up, transfers and keys: what is sent, and what is refused before anything is sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::links;
use common::rest::{ANSWER_URL, post};
use common::scripted::{live, saying, scripted};
use telephony_core::{
    Answer, Document, Dtmf, DtmfOut, ErrorKind, Handover, Operation, Party, RejectReason, Retry,
    Telephony,
};

const UP: &str = r#"{"sid": "CA0001", "status": "in-progress"}"#;
const OVER: &str = r#"{"code": 21220, "message": "Call is not in-progress.", "status": 400}"#;
const UNKNOWN: &str = r#"{"code": 20404, "message": "Not found", "status": 404}"#;
const COMPLETE: &str = "Status=completed";
const CANCEL: &str = "Status=canceled";

#[tokio::test]
async fn a_call_is_ended() {
    for status in ["completed", "in-progress", "ringing", "no-answer", "new"] {
        let body = format!(r#"{{"sid": "CA0001", "status": "{status}"}}"#);
        let (http, twilio) = scripted(saying(&[(200, &body)]));
        twilio.hang_up(&live()).await.unwrap();
        assert_eq!(http.request(), post("Calls/CA0001.json", COMPLETE));
    }
}

#[tokio::test]
async fn a_call_that_waits_to_be_dialled_is_given_up() {
    for first in [
        (200, r#"{"status": "queued"}"#),
        (200, r#"{"status": "initiated"}"#),
        (400, OVER),
    ] {
        for second in [
            (200, r#"{"status": "canceled"}"#),
            (200, r#"{"status": "queued"}"#),
            (400, OVER),
            (404, UNKNOWN),
        ] {
            let (http, twilio) = scripted(saying(&[first, second]));
            twilio.hang_up(&live()).await.unwrap();
            let wanted = [COMPLETE, CANCEL].map(|form| post("Calls/CA0001.json", form));
            assert_eq!(http.requests(), wanted, "{first:?} {second:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_has_gone_is_hung_up() {
    for body in [UNKNOWN, ""] {
        let (http, twilio) = scripted(saying(&[(404, body)]));
        twilio.hang_up(&live()).await.unwrap();
        assert_eq!(http.count(), 1);
    }
}

#[tokio::test]
async fn a_hang_up_that_is_refused_is_an_error() {
    let (http, twilio) = scripted(saying(&[(401, r#"{"code": 20003}"#)]));
    let error = twilio.hang_up(&live()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.operation(), "hang up");
    assert_eq!(http.count(), 1);
}

#[tokio::test]
async fn a_call_is_given_something_else_to_do() {
    let dial = Answer::from(Party::parse("+14155550111"));
    let (http, twilio) = scripted(saying(&[(200, UP)]));
    let handover = twilio.transfer(&live(), &dial, &links()).await.unwrap();
    assert_eq!(handover, Handover::Sent);
    let twiml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Dial action=\"{ANSWER_URL}?after=dial\" method=\"POST\">\
         <Number statusCallback=\"https://voice.example.com/twilio/status/key0key0key0key0key0ke\" \
         statusCallbackEvent=\"initiated ringing answered completed\">+14155550111</Number></Dial></Response>"
    );
    let request = http.request();
    let (head, form) = request.split_once("\n\n").unwrap();
    assert_eq!(
        format!("{head}\n\n"),
        post("Calls/CA0001.json", ""),
        "{head}"
    );
    let decoded: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    assert_eq!(decoded, [("Twiml".into(), twiml.into())]);
}

#[tokio::test]
async fn a_long_answer_is_asked_for() {
    let (http, twilio) = scripted(saying(&[(200, UP)]));
    let long = Answer::say("x".repeat(4_000));
    let handover = twilio.transfer(&live(), &long, &links()).await.unwrap();
    assert_eq!(handover, Handover::Asks);
    let url: String = form_urlencoded::byte_serialize(ANSWER_URL.as_bytes()).collect();
    assert_eq!(
        http.request(),
        post("Calls/CA0001.json", &format!("Url={url}&Method=POST"))
    );
}

#[tokio::test]
async fn a_transfer_of_a_call_that_is_not_up_says_so() {
    let (_, twilio) = scripted(saying(&[(400, OVER)]));
    let error = twilio
        .transfer(&live(), &Answer::hang_up(), &links())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.retry(), Retry::Never);
}

#[tokio::test]
async fn keys_and_what_comes_after_them_are_one_document() {
    let keys = Dtmf::new("12w#").unwrap().then(Answer::stream());
    let (http, twilio) = scripted(saying(&[(200, UP)]));
    twilio.send_dtmf(&live(), &keys, &links()).await.unwrap();
    let request = http.request();
    let (_, form) = request.split_once("\n\n").unwrap();
    let decoded: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    assert_eq!(decoded.len(), 1);
    assert!(
        decoded[0].1.starts_with(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Play digits=\"12w#\"/><Connect><Stream \
             url=\"wss://voice.example.com/twilio/media/token0token0token0toke\""
        ),
        "{}",
        decoded[0].1
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_anything_is_sent() {
    let keys = || Dtmf::new("1").unwrap();
    let document = Answer::document(Document::new("twilio", "<Response/>"));
    for (keys, kind, said) in [
        (keys(), ErrorKind::Unsupported, "`Dtmf::then`"),
        (
            keys().then(Answer::default()),
            ErrorKind::InvalidArgument,
            "say what comes after",
        ),
        (
            keys().then(document),
            ErrorKind::Unsupported,
            "transfer the call",
        ),
        (
            keys().then(Answer::say("x".repeat(4_000))),
            ErrorKind::InvalidArgument,
            "too long for one request",
        ),
        (
            keys().then(Answer::reject(RejectReason::Busy)),
            ErrorKind::InvalidArgument,
            "rejected",
        ),
    ] {
        let (http, twilio) = scripted(vec![]);
        let error = twilio
            .send_dtmf(&live(), &keys, &links())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.detail().contains(said), "{error}");
        assert_eq!(http.count(), 0);
    }
    for answer in [
        Answer::dial(Party::Withheld),
        Answer::document(Document::new("vonage", "[]")),
    ] {
        let (http, twilio) = scripted(vec![]);
        let transfer = twilio.transfer(&live(), &answer, &links()).await;
        assert_eq!(transfer.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(http.count(), 0);
    }
}

#[test]
fn the_capabilities_say_all_of_this() {
    let capabilities = common::twilio().capabilities();
    for operation in [
        Operation::MakeCall,
        Operation::HangUp,
        Operation::Transfer,
        Operation::SendDtmf,
        Operation::Record,
        Operation::FetchCall,
        Operation::FindPlaced,
        Operation::FetchRecording,
    ] {
        assert!(capabilities.supports(operation), "{operation:?}");
    }
    assert_eq!(capabilities.dtmf_out, DtmfOut::InPlace);
    assert!(!capabilities.transfers_after_stream);
}
