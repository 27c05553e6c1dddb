//! How a stream begins: the carrier's start, its deadline, and whose call it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use std::time::Duration;
use support::socket::{Carrier, call, socket_pair};
use support::{ScriptedCodec, Sent, call_id, ms, narrow, secs, ticket, untouched, wide};
use telephony_core::audio::AudioFormat;
use telephony_core::media::{EndTrigger, MediaEvent, StreamStart, StreamTicket, Streamer, drive};
use telephony_core::{Direction, EndReason, Error, ErrorKind, Party, Result};
use tokio::task::JoinHandle;
use tokio::time::Instant;

struct Attempt {
    carrier: Carrier,
    drive: JoinHandle<(Result<Box<dyn Streamer>>, Duration)>,
    trigger: EndTrigger,
}

/// A stream that the carrier has not started.
async fn attempt(start: StreamStart) -> Attempt {
    let (ticket, trigger) = ticket(untouched()).await;
    attempt_with(start, ticket, trigger, 1024)
}

fn attempt_with(
    start: StreamStart,
    ticket: StreamTicket,
    trigger: EndTrigger,
    capacity: usize,
) -> Attempt {
    let (socket, carrier) = socket_pair(capacity);
    let began = Instant::now();
    let drive = tokio::spawn(async move {
        let stream = drive(socket, ScriptedCodec::new(start), ticket).await;
        (stream, began.elapsed())
    });
    Attempt {
        carrier,
        drive,
        trigger,
    }
}

async fn error(drive: JoinHandle<(Result<Box<dyn Streamer>>, Duration)>) -> (Error, Duration) {
    let (stream, after) = drive.await.unwrap();
    let error = stream.err().expect("the stream does not start");
    assert_eq!(
        error.provider().map(ToString::to_string).as_deref(),
        Some("dummy"),
        "{error}"
    );
    (error, after)
}

#[tokio::test(start_paused = true)]
async fn the_context_is_complete_when_the_stream_exists() {
    let mut start = wide();
    start.inbound = AudioFormat::MULAW_8000;
    start.call_id = Some(call_id("call-1"));
    start.parameters = [
        ("room".to_owned(), "7".to_owned()),
        ("greeting".to_owned(), "hi".to_owned()),
    ]
    .into();
    let (mut ticket, trigger) = ticket(untouched()).await;
    ticket.call.data.insert("tenant".into(), "acme".into());
    let key = ticket.call.key.clone();
    start
        .parameters
        .insert(StreamTicket::KEY_PARAMETER.into(), key.to_string());

    let attempt = attempt_with(start, ticket, trigger, 1024);
    attempt.carrier.say("start").await;
    let mut stream = attempt.drive.await.unwrap().0.unwrap();
    let context = stream.context().clone();
    assert_eq!(context.provider.as_str(), "dummy");
    assert_eq!(context.account.as_str(), "main");
    assert_eq!(context.call_key, key);
    assert_eq!(context.call_id, Some(call_id("call-1")));
    assert_eq!(context.stream_id.as_ref().unwrap().as_str(), "stream-1");
    assert_eq!(context.direction, Direction::Inbound);
    assert_eq!(context.from, Party::parse("+14155550100"));
    assert_eq!(context.to, Party::parse("+14155550199"));
    assert_eq!(
        (context.inbound, context.outbound),
        (AudioFormat::MULAW_8000, AudioFormat::PCM16_16000)
    );
    let parameters: Vec<_> = context
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        parameters,
        [("greeting", "hi"), ("room", "7"), ("tenant", "acme")],
        "ours, then the carrier's, without the key"
    );
    assert!(!context.cancellation.is_cancelled());
    assert_eq!(stream.recv().await, Some(MediaEvent::Started));
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_does_not_start_is_given_up_at_the_deadline() {
    let mut attempt = attempt(narrow()).await;
    let (error, after) = error(attempt.drive).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(after, secs(10));
    assert_eq!(
        attempt.carrier.heard_now(),
        [Sent::Close],
        "the carrier is told"
    );
    assert!(attempt.carrier.is_left_alone());
}

#[tokio::test(start_paused = true)]
async fn other_messages_are_no_start() {
    let mut options = untouched();
    options.start_deadline = secs(2);
    let (ticket, trigger) = ticket(options).await;
    let Attempt {
        carrier,
        drive,
        trigger: _trigger,
    } = attempt_with(narrow(), ticket, trigger, 1024);
    let talker = tokio::spawn(async move {
        loop {
            for text in ["hello", "bad", "dtmf:1", "mark:g0-0", "cleared"] {
                carrier.say(text).await;
                if carrier.is_left_alone() {
                    return;
                }
                tokio::time::sleep(ms(100)).await;
            }
        }
    });
    let (error, after) = error(drive).await;
    assert_eq!((error.kind(), after), (ErrorKind::Timeout, secs(2)));
    talker.abort();
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_ends_before_the_start_is_closed() {
    let first = attempt(narrow()).await;
    drop(first.carrier);
    let (closed, after) = error(first.drive).await;
    assert_eq!((closed.kind(), after), (ErrorKind::Closed, ms(0)));

    let second = attempt(narrow()).await;
    second.carrier.break_off().await;
    let (broken, _) = error(second.drive).await;
    assert_eq!(broken.kind(), ErrorKind::Transport);
    assert!(std::error::Error::source(&broken).is_some());

    let third = attempt(narrow()).await;
    third.carrier.say("fatal").await;
    let (fatal, _) = error(third.drive).await;
    assert_eq!(fatal.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_first_gets_no_stream() {
    let attempt = attempt(narrow()).await;
    support::socket::settle().await;
    attempt.trigger.end(EndReason::Shutdown);
    let (error, after) = error(attempt.drive).await;
    assert_eq!((error.kind(), after), (ErrorKind::Closed, ms(0)));
    assert!(error.to_string().contains("shutdown"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_socket_of_another_call_is_refused() {
    let mut other_id = narrow();
    other_id.call_id = Some(call_id("call-2"));
    let mut other_key = narrow();
    other_key
        .parameters
        .insert("call_key".into(), support::random_key().to_string());
    let mut no_key = narrow();
    no_key.parameters.insert("call_key".into(), String::new());
    for start in [other_id, other_key, no_key] {
        let mut attempt = attempt(start.clone()).await;
        attempt.carrier.say("start").await;
        let (error, after) = error(attempt.drive).await;
        assert_eq!((error.kind(), after), (ErrorKind::Unauthenticated, ms(0)));
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("call-1") && !shown.contains("call-2"),
            "{shown}"
        );
        for value in start.parameters.values().filter(|value| !value.is_empty()) {
            assert!(!shown.contains(value.as_str()), "{shown}");
        }
        assert_eq!(attempt.carrier.heard_now(), [Sent::Close]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_nobody_knew_yet_is_taken_from_the_start() {
    let mut start = narrow();
    start.call_id = Some(call_id("call-9"));
    let (mut ticket, trigger) = ticket(untouched()).await;
    ticket.call.call_id = None;
    let attempt = attempt_with(start, ticket, trigger, 1024);
    attempt.carrier.say("start").await;
    let stream = attempt.drive.await.unwrap().0.unwrap();
    assert_eq!(stream.context().call_id, Some(call_id("call-9")));
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_start_is_not_lost() {
    let attempt = attempt(narrow()).await;
    attempt.carrier.say("hello").await;
    attempt
        .carrier
        .speak(Bytes::from_static(&[1, 2, 3, 4]))
        .await;
    attempt.carrier.say("start").await;
    attempt.carrier.say("dtmf:5").await;
    let mut stream = attempt.drive.await.unwrap().0.unwrap();
    assert_eq!(stream.recv().await, Some(MediaEvent::Started));
    let Some(MediaEvent::Ignored { name, raw }) = stream.recv().await else {
        panic!("the unknown message");
    };
    assert_eq!((name.as_str(), &raw[..]), ("hello", &b"hello"[..]));
    let Some(MediaEvent::Audio(frame)) = stream.recv().await else {
        panic!("the early audio");
    };
    assert_eq!(frame.payload, [1, 2, 3, 4][..]);
    assert!(matches!(
        stream.recv().await,
        Some(MediaEvent::Dtmf { digit: '5', .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn what_the_protocol_demands_is_sent_before_the_start() {
    let mut attempt = attempt(narrow()).await;
    attempt.carrier.say("ping").await;
    assert_eq!(
        attempt.carrier.hear().await,
        Some(Sent::Other("pong".into()))
    );
    attempt.carrier.say("start").await;
    assert!(attempt.drive.await.unwrap().0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_takes_nothing_is_not_waited_for_beyond_the_deadline() {
    let (ticket, trigger) = ticket(untouched()).await;
    let attempt = attempt_with(narrow(), ticket, trigger, 1);
    for _ in 0..4 {
        attempt.carrier.say("ping").await;
    }
    let (error, after) = error(attempt.drive).await;
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert!(after <= secs(11), "{after:?}");
    assert!(attempt.carrier.is_left_alone());
}

#[tokio::test(start_paused = true)]
async fn a_second_start_changes_nothing() {
    let mut call = call(narrow(), untouched()).await;
    call.carrier.say("start").await;
    call.carrier.say("dtmf:1").await;
    assert_eq!(call.stream.recv().await, Some(MediaEvent::Started));
    assert!(matches!(
        call.stream.recv().await,
        Some(MediaEvent::Dtmf { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn giving_up_waiting_lets_go_of_the_socket() {
    let attempt = attempt(narrow()).await;
    support::socket::settle().await;
    attempt.drive.abort();
    assert!(attempt.drive.await.is_err_and(|error| error.is_cancelled()));
    assert!(attempt.carrier.is_left_alone());
}

#[tokio::test(start_paused = true)]
async fn no_limit_can_be_written_as_the_longest_duration() {
    let mut options = untouched();
    options.lead = Duration::MAX;
    options.send_queue = Duration::MAX;
    options.receive_queue = Duration::MAX;
    options.start_deadline = Duration::MAX;
    options.idle_timeout = Duration::MAX;
    options.max_duration = Duration::MAX;
    options.write_deadline = Duration::MAX;
    options.goodbye = Duration::MAX;
    options.mark_deadline = Duration::MAX;
    let mut call = call(narrow(), options).await;
    call.stream.send(support::speech(0, 1_600)).await.unwrap();
    call.stream.playback().mark("m").await.unwrap();
    call.carrier.say("dtmf:1").await;
    assert_eq!(call.stream.recv().await, Some(MediaEvent::Started));
    assert!(matches!(
        call.stream.recv().await,
        Some(MediaEvent::Dtmf { .. })
    ));
    let format = call.stream.context().outbound;
    let played = call.carrier.play(format);
    call.stream.close().await.unwrap();
    assert_eq!(played.await.unwrap().audio().len(), 1_600);
}
