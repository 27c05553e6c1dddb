//! The app lets go of the stream or closes it, and nothing stays open.

use crate::support::socket::{Call, call, narrow_call, rest, rest_of_half, settle, socket_pair};
use crate::support::{
    ScriptedCodec, Sent, assert_audio, ms, narrow, secs, speech, ticket, untouched,
};
use std::time::Duration;
use telephony_core::media::{
    Decoded, MarkOutcome, MediaCodec, MediaCommand, MediaEvent, WireMessage, drive,
};
use telephony_core::{EndReason, Result};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn dropping_both_halves_plays_what_was_sent_and_ends() {
    let Call {
        stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let played = carrier.play(stream.context().outbound);
    let cancelled = stream.context().cancellation.clone();
    let (receiver, mut sender) = stream.split();
    let began = Instant::now();
    sender.send(speech(0, 8_000)).await.unwrap();
    drop(receiver);
    sender.send(speech(8_000, 8_000)).await.unwrap();
    sleep(ms(10)).await;
    assert!(!cancelled.is_cancelled(), "one may speak without listening");
    // A handle beside the queue keeps nothing alive.
    let playback = sender.playback();
    drop(sender);
    cancelled.cancelled().await;
    assert!((ms(1_999)..=ms(2_005)).contains(&began.elapsed()));
    let played = played.await.unwrap();
    assert_audio(&played.audio(), &speech(0, 16_000));
    assert!(playback.hang_up().await.unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn one_may_listen_without_speaking() {
    let Call {
        stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let (mut receiver, sender) = stream.split();
    drop(sender);
    assert_eq!(receiver.recv().await, Some(MediaEvent::Started));
    sleep(secs(20)).await;
    carrier.say("dtmf:4").await;
    carrier.say("stop").await;
    let (events, reason) = rest_of_half(receiver.as_mut()).await;
    assert!(matches!(events[..], [MediaEvent::Dtmf { digit: '4', .. }]));
    assert_eq!(reason, EndReason::CarrierStopped(None));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_stream_that_said_nothing_ends_it_at_once() {
    let Call {
        stream,
        mut carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    for _ in 0..100 {
        carrier.speak(speech(0, 160)).await;
    }
    let closed = stream.context().closed.clone();
    let began = Instant::now();
    drop(stream);
    closed.cancelled().await;
    assert_eq!(began.elapsed(), ms(0));
    assert_eq!(carrier.heard_now(), [Sent::Bye, Sent::Close]);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_the_end_and_may_be_repeated() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let played = carrier.play(stream.context().outbound);
    stream.send(speech(0, 8_000)).await.unwrap();
    let began = Instant::now();
    stream.close().await.unwrap();
    assert!((ms(999)..=ms(1_005)).contains(&began.elapsed()));
    assert!(stream.context().cancellation.is_cancelled());
    let began = Instant::now();
    stream.close().await.unwrap();
    stream.close().await.unwrap();
    assert_eq!(began.elapsed(), ms(0));
    let (events, reason) = rest(stream.as_mut()).await;
    assert_eq!(events, [MediaEvent::Started]);
    assert_eq!(reason, EndReason::App);
    stream.close().await.unwrap();
    let played = played.await.unwrap();
    assert_audio(&played.audio(), &speech(0, 8_000));
    let closes = played.log.iter().filter(|(_, sent)| *sent == Sent::Close);
    assert_eq!(closes.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_after_another_end_is_fine() {
    let mut call = call(narrow(), untouched()).await;
    call.carrier.say("stop").await;
    settle().await;
    call.stream.close().await.unwrap();
    assert_eq!(
        rest(call.stream.as_mut()).await.1,
        EndReason::CarrierStopped(None)
    );
}

#[tokio::test(start_paused = true)]
async fn closing_gives_up_on_a_carrier_that_takes_nothing() {
    let mut call = narrow_call(1, narrow(), untouched()).await;
    call.stream.send(speech(0, 8_000)).await.unwrap();
    let began = Instant::now();
    call.stream.close().await.unwrap();
    assert!(began.elapsed() <= secs(10), "{:?}", began.elapsed());
    assert!(call.carrier.is_left_alone());
    assert_eq!(rest(call.stream.as_mut()).await.1, EndReason::App);
}

#[tokio::test(start_paused = true)]
async fn open_marks_are_settled_before_the_last_event() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(speech(0, 16_000)).await.unwrap();
    call.stream.playback().mark("far").await.unwrap();
    settle().await;
    call.carrier.say("stop").await;
    let (events, _) = rest(call.stream.as_mut()).await;
    let unknown = MediaEvent::Played {
        mark: "far".into(),
        outcome: MarkOutcome::Unknown,
    };
    assert_eq!(events, [MediaEvent::Started, unknown]);
}

#[tokio::test(start_paused = true)]
async fn the_token_is_cancelled_only_at_the_end() {
    let mut call = call(narrow(), untouched()).await;
    let cancelled = call.stream.context().cancellation.clone();
    let belongs_to_it = tokio::spawn({
        let cancelled = cancelled.clone();
        async move { cancelled.cancelled().await }
    });
    sleep(secs(5)).await;
    assert!(!belongs_to_it.is_finished());
    call.carrier.say("stop").await;
    timeout(Duration::from_millis(1), belongs_to_it)
        .await
        .expect("also if nobody listens")
        .unwrap();
    let (_, reason) = rest(call.stream.as_mut()).await;
    assert_eq!(reason, EndReason::CarrierStopped(None));
}

#[tokio::test(start_paused = true)]
async fn a_codec_that_panics_takes_only_its_stream_down() {
    #[derive(Debug)]
    struct Fragile(Box<ScriptedCodec>);
    impl MediaCodec for Fragile {
        fn decode(&mut self, message: WireMessage, decoded: &mut Decoded) -> Result<()> {
            assert!(
                !matches!(&message, WireMessage::Binary(_)),
                "audio is too much for it"
            );
            self.0.decode(message, decoded)
        }
        fn encode(&mut self, command: MediaCommand<'_>, out: &mut Vec<WireMessage>) -> Result<()> {
            self.0.encode(command, out)
        }
    }

    let (ticket, _trigger) = ticket(untouched()).await;
    let (socket, carrier) = socket_pair(16);
    carrier.say("start").await;
    let codec = Box::new(Fragile(ScriptedCodec::new(narrow())));
    let mut stream = drive(socket, codec, ticket).await.unwrap();
    carrier.speak(speech(0, 160)).await;
    let (events, reason) = rest(stream.as_mut()).await;
    assert_eq!(events, [MediaEvent::Started]);
    assert_eq!(reason, EndReason::Protocol);
    assert!(stream.context().cancellation.is_cancelled());
    assert!(carrier.is_left_alone());
    assert!(stream.send(speech(0, 160)).await.unwrap_err().is_closed());
}
