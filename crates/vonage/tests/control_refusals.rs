//! What cannot be done is said before anything is sent, and what can be done is what the capabilities say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::rest::assert_refused;
use common::scripted::*;
use common::*;
use std::time::Duration;
use telephony_core::{
    Answer, CallId, CarrierCall, Document, DtmfOut, ErrorKind, MachineDetection, Operation,
    OutboundCall, Party, Recording, RecordingId, RejectReason, Retry, Telephony,
};
use telephony_vonage::rest::{OnMachine, StreamAudio, Talk, VonageMachineDetection};
use telephony_vonage::{NAME, VonageCallOptions};

fn call() -> CarrierCall {
    CarrierCall::new(CallId::new("u-1").unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_capabilities_are_what_works() {
    let capabilities = bench([]).vonage.capabilities();
    assert_eq!(capabilities.dtmf_out, DtmfOut::Beside);
    assert!(!capabilities.transfers_after_stream);
    let operations = [
        Operation::MakeCall,
        Operation::HangUp,
        Operation::Transfer,
        Operation::SendDtmf,
        Operation::FetchCall,
        Operation::FindPlaced,
        Operation::FetchRecording,
    ];
    assert_eq!(capabilities.operations, operations.into());
}

#[tokio::test(start_paused = true)]
async fn a_live_call_cannot_be_recorded() {
    let bench = bench([]);
    let vonage = &bench.vonage;
    let started = vonage.start_recording(&call(), &links()).await;
    assert_refused(started, ErrorKind::Unsupported, "`OutboundCall::record`");
    let recording = RecordingId::new("r-1").unwrap();
    let stopped = vonage.stop_recording(&call(), &recording).await;
    assert_refused(stopped, ErrorKind::Unsupported, "`record` action");
    bench.http.assert_silent();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_vonage_cannot_give_is_not_sent() {
    let bench = bench([]);
    let vonage = &bench.vonage;
    for (answer, kind, why) in [
        (
            Answer::reject(RejectReason::Busy),
            ErrorKind::Unsupported,
            "cannot be refused",
        ),
        (
            Answer::document(Document::new("twilio", "<Response/>")),
            ErrorKind::Unsupported,
            "another carrier's",
        ),
        (Answer::default(), ErrorKind::InvalidArgument, "no steps"),
    ] {
        let transferred = vonage.transfer(&call(), &answer, &links()).await;
        assert_refused(transferred, kind, why);
        let mut placing = call_out();
        placing.answer = answer;
        let placed = vonage.make_call(&placing, &links()).await;
        assert_refused(placed.map(drop), kind, why);
    }
    let hang_up = vonage.transfer(&call(), &Answer::hang_up(), &links()).await;
    assert_refused(hang_up, ErrorKind::InvalidArgument, "hang the call up");
    bench.http.assert_silent();
}

#[tokio::test(start_paused = true)]
async fn an_option_that_cannot_be_honoured_is_not_sent() {
    let bench = bench([]);
    let with = |options| call_out().with_extension(NAME, options);
    let options = VonageCallOptions::new;
    let basic = VonageMachineDetection::Basic(OnMachine::HangUp);
    for (call, kind, why) in [
        (
            with(options().with_sip_header("a", "b")),
            ErrorKind::InvalidArgument,
            "SIP headers",
        ),
        (
            with(options().with_random_from_number()),
            ErrorKind::InvalidArgument,
            "`from` must be withheld",
        ),
        (
            with(options().with_dtmf_answer("hunter2")),
            ErrorKind::InvalidArgument,
            "keys are 0 to 9",
        ),
        (
            with(options().with_machine_detection(basic))
                .with_machine_detection(MachineDetection::Wait),
            ErrorKind::InvalidArgument,
            "do not agree",
        ),
        (
            with(options().with_answer_url()).with_recording(),
            ErrorKind::Unsupported,
            "a recording is an action of the NCCO",
        ),
        (
            call_out().with_ring_timeout(Duration::from_secs(121)),
            ErrorKind::InvalidArgument,
            "1 to 120",
        ),
        (
            OutboundCall::new(Party::Withheld, number("447700900000"), Answer::say("Hi.")),
            ErrorKind::InvalidArgument,
            "nobody to call",
        ),
    ] {
        let placed = bench.vonage.make_call(&call, &links()).await.map(drop);
        assert_eq!(placed.as_ref().unwrap_err().retry(), Retry::Never);
        assert_refused(placed, kind, why);
    }
    bench.http.assert_silent();
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_not_sent() {
    let bench = bench([]);
    let vonage = &bench.vonage;
    let invalid = ErrorKind::InvalidArgument;
    let nowhere = CarrierCall::new(CallId::new("..").unwrap());
    assert_refused(vonage.hang_up(&nowhere).await, invalid, "id of a call");
    let silent = vonage.start_talk(&call(), &Talk::new(" ")).await;
    assert_refused(silent, invalid, "nothing to say");
    let audio = StreamAudio::new("hunter2");
    let played = vonage.start_stream(&call(), &audio).await;
    assert_refused(played, invalid, "absolute");
    bench.http.assert_silent();
}

#[tokio::test(start_paused = true)]
async fn a_recording_that_is_not_there_may_come() {
    let bench = bench([says(404, "")]);
    let recording = Recording::new(None, "https://api.nexmo.com/v1/files/a");
    let error = bench.vonage.fetch_recording(&recording).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::NotFound, Retry::Safe)
    );
    assert!(error.detail().contains("may not be there yet"), "{error}");
    assert!(error.detail().contains("30 days"), "{error}");
    // Whoever wants it decides how long to wait.
    bench.http.only();
}
