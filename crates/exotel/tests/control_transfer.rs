//! Steering a live call: transfers behind the stream, and all that Exotel has no request for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::http_client::{Scripted, account, ok};
use common::rest::{EXOPHONE, SECOND, SID, call};
use common::{BASE, assert_kind, label, links};
use std::sync::Arc;
use telephony_core::{
    Answer, CallId, CallKey, Calls, CarrierCall, Dial, Document, Dtmf, DtmfOut, ErrorKind, Gather,
    Handover, Operation, OutboundCall, Party, PublicUrl, RecordingId, Result, Stream, Telephony,
};
use telephony_exotel::{ExotelCallOptions, NAME};

fn in_flow() -> CarrierCall {
    CallId::new(SID).unwrap().into()
}

async fn transfer(call: &CarrierCall, answer: Answer) -> (Result<Handover>, Arc<Scripted>) {
    let (http, exotel) = account(vec![]);
    (exotel.transfer(call, &answer, &links()).await, http)
}

#[tokio::test]
async fn what_a_connect_applet_can_do_waits_for_the_end_of_the_stream() {
    let several = Dial::new(Party::parse(SECOND)).and(Party::parse("+911140001234"));
    for answer in [
        Party::parse(SECOND).into(),
        Answer::dial(several),
        Answer::hang_up(),
        Answer::document(Document::new(
            NAME,
            r#"{"destination":{"trunk":"trunk-1"},"dial_passthru_event_url":"{{events_url}}"}"#,
        )),
    ] {
        let (handover, http) = transfer(&in_flow(), answer).await;
        assert_eq!(handover.unwrap(), Handover::AsksAfterStream);
        assert!(http.seen().is_empty(), "Exotel has no request for it");
    }
}

#[tokio::test]
async fn what_it_cannot_do_is_refused_and_the_call_is_as_it_was() {
    for (answer, kind, says) in [
        (
            Answer::say("Hello."),
            ErrorKind::Unsupported,
            "A transfer dials",
        ),
        (Answer::stream(), ErrorKind::Unsupported, "A transfer dials"),
        (
            Answer::gather(Gather::digits(1)),
            ErrorKind::Unsupported,
            "A transfer dials",
        ),
        (
            Answer::redirect(),
            ErrorKind::Unsupported,
            "A transfer dials",
        ),
        (
            Answer::dial(SECOND).then_hang_up(),
            ErrorKind::Unsupported,
            "one step",
        ),
        (
            Answer::dial("sip:a@example.com"),
            ErrorKind::Unsupported,
            "destination.trunk",
        ),
        (
            Answer::document(Document::new("twilio", "<Response/>")),
            ErrorKind::Unsupported,
            "another carrier's",
        ),
        (Answer::new([]), ErrorKind::InvalidArgument, "no step"),
        (
            Answer::dial(Dial::new(Party::LocalNumber("12".into()))),
            ErrorKind::InvalidArgument,
            "digits",
        ),
        (
            Answer::document(Document::new(NAME, "{}")),
            ErrorKind::InvalidArgument,
            "`destination`",
        ),
    ] {
        let (handover, _) = transfer(&in_flow(), answer).await;
        assert_kind(handover, kind, says);
    }
}

#[tokio::test]
async fn a_call_without_a_flow_has_nobody_who_would_ask() {
    let (handover, _) = transfer(&in_flow().at(Some("no-flow".into())), Answer::dial(SECOND)).await;
    assert_kind(handover, ErrorKind::Unsupported, "with_flow");
}

#[tokio::test]
async fn what_exotel_has_no_request_for_is_unsupported() {
    let (http, exotel) = account(vec![]);
    let (call, links) = (in_flow(), links());
    let keys = Dtmf::new("12#").unwrap().then(Answer::stream());
    let recording = RecordingId::new("r1").unwrap();
    let says = "no such operation";
    assert_kind(exotel.hang_up(&call).await, ErrorKind::Unsupported, says);
    assert_kind(
        exotel.send_dtmf(&call, &keys, &links).await,
        ErrorKind::Unsupported,
        says,
    );
    assert_kind(
        exotel.start_recording(&call, &links).await,
        ErrorKind::Unsupported,
        says,
    );
    assert_kind(
        exotel.stop_recording(&call, &recording).await,
        ErrorKind::Unsupported,
        says,
    );
    assert!(http.seen().is_empty());
}

#[tokio::test]
async fn the_capabilities_say_so() {
    let capabilities = common::exotel().capabilities();
    let works = [
        Operation::MakeCall,
        Operation::Transfer,
        Operation::FetchCall,
        Operation::FindPlaced,
        Operation::FetchRecording,
    ];
    assert_eq!(capabilities.operations, works.into());
    assert_eq!(capabilities.dtmf_out, DtmfOut::Unsupported);
    assert!(capabilities.transfers_after_stream);
}

/// A call that was placed through core, with Exotel's answer and nothing else prepared.
async fn placed(call: OutboundCall) -> (Calls, CallKey, Arc<Scripted>) {
    let (http, exotel) = account(vec![ok(&format!(r#"{{"Call":{{"Sid":"{SID}"}}}}"#))]);
    let calls = Calls::new(PublicUrl::new(BASE).unwrap());
    calls.add_account(Arc::new(exotel));
    let placed = calls.place(&label(), call).await.unwrap();
    (calls, placed.key, http)
}

fn into_flow(answer: Answer) -> OutboundCall {
    call(answer).with_extension(NAME, ExotelCallOptions::new().with_flow("926"))
}

#[tokio::test]
async fn through_core_a_flow_is_answered_with_what_was_kept() {
    let answer: Answer = Stream::new().into();
    let (calls, key, http) = placed(into_flow(answer.clone())).await;
    let next = calls.store().take_next(&key, "voicebot").await.unwrap();
    assert_eq!(next, Some(answer));

    calls.transfer(&key, Party::parse(SECOND)).await.unwrap();
    let next = calls.store().take_next(&key, "connect").await.unwrap();
    assert_eq!(next, Some(Answer::dial(SECOND)));
    assert_eq!(calls.find(&key).await.unwrap().transfers, 1);
    http.only();

    // Of a flow that runs by itself nothing is kept: the app is asked.
    let (calls, key, _) = placed(into_flow(Answer::redirect())).await;
    assert_eq!(calls.store().take_next(&key, "x").await.unwrap(), None);
}

#[tokio::test]
async fn through_core_a_call_straight_to_the_stream_is_left_alone() {
    let (calls, key, http) = placed(call(Answer::stream())).await;
    let refused = calls.transfer(&key, Party::parse(EXOPHONE)).await;
    assert_kind(refused, ErrorKind::Unsupported, "with_flow");
    let record = calls.find(&key).await.unwrap();
    assert_eq!((record.moved, record.open_transfers.len()), (0, 0));
    assert_eq!(record.ended, None);
    assert_eq!(calls.store().take_next(&key, "x").await.unwrap(), None);
    assert_kind(
        calls.hang_up(&key).await,
        ErrorKind::Unsupported,
        "no open stream",
    );
    http.only();
}
