//! The carrier, its socket, triggers and limits end it.

use crate::support::socket::{Call, call, narrow_call, polite_call, rest, socket_pair};
use crate::support::{ScriptedCodec, Sent, ms, narrow, secs, speech, ticket, untouched};
use telephony_core::media::{MediaEvent, drive};
use telephony_core::{CallStatus, EndReason, ErrorKind};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn the_carrier_stops_it() {
    for (word, reason) in [
        ("stop", EndReason::CarrierStopped(None)),
        (
            "stop:callended",
            EndReason::CarrierStopped(Some("callended".into())),
        ),
        ("fatal", EndReason::Protocol),
    ] {
        let mut call = call(narrow(), untouched()).await;
        call.carrier.say("dtmf:1").await;
        call.carrier.say(word).await;
        let (events, why) = rest(call.stream.as_mut()).await;
        assert_eq!(why, reason);
        assert_eq!(
            events[0],
            MediaEvent::Started,
            "also if it was over before anybody looked"
        );
        assert_eq!(events.len(), 2);
        let context = call.stream.context();
        assert!(context.cancellation.is_cancelled());
        context.closed.cancelled().await;
        assert_eq!(call.carrier.heard_now(), [Sent::Bye, Sent::Close]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_socket_is_closed_or_breaks() {
    let closed = call(narrow(), untouched()).await;
    let mut stream = closed.stream;
    drop(closed.carrier);
    assert_eq!(rest(stream.as_mut()).await.1, EndReason::SocketClosed);

    let mut broken = call(narrow(), untouched()).await;
    broken.carrier.break_off().await;
    assert_eq!(
        rest(broken.stream.as_mut()).await.1,
        EndReason::SocketClosed
    );

    let mut deaf = call(narrow(), untouched()).await;
    deaf.carrier.stop_listening();
    deaf.stream.send(speech(0, 160)).await.unwrap();
    assert_eq!(rest(deaf.stream.as_mut()).await.1, EndReason::SocketClosed);
}

#[tokio::test(start_paused = true)]
async fn a_stop_counts_although_writing_fails_first() {
    // Messages wait to be written when the carrier says its last word and goes.
    let mut call = narrow_call(1, narrow(), untouched()).await;
    call.stream.send(speech(0, 8_000)).await.unwrap();
    sleep(ms(50)).await;
    call.carrier.say("stop:callended").await;
    call.carrier.stop_listening();
    assert_eq!(
        rest(call.stream.as_mut()).await.1,
        EndReason::CarrierStopped(Some("callended".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_trigger_ends_it_at_once() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(speech(0, 16_000)).await.unwrap();
    sleep(ms(100)).await;
    let began = Instant::now();
    call.trigger
        .end(EndReason::CallEnded(CallStatus::Completed));
    call.trigger.end(EndReason::Shutdown);
    let (_, reason) = rest(call.stream.as_mut()).await;
    assert_eq!(reason, EndReason::CallEnded(CallStatus::Completed));
    assert_eq!(began.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_trigger_may_leave_time_for_what_was_said() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(speech(0, 16_000)).await.unwrap();
    sleep(ms(100)).await;
    let began = Instant::now();
    call.trigger.end_after_goodbye(EndReason::Shutdown);
    call.trigger.end_after_goodbye(EndReason::Transferred);
    sleep(ms(10)).await;
    let late = call.stream.send(speech(0, 160)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Closed);
    let (_, reason) = rest(call.stream.as_mut()).await;
    assert_eq!(reason, EndReason::Shutdown);
    let took = began.elapsed();
    // This carrier tells nothing of marks, so a little is waited for.
    assert!(took >= ms(1_800) && took < secs(6), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_call_is_over_so_is_the_goodbye() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(speech(0, 16_000)).await.unwrap();
    call.trigger.end_after_goodbye(EndReason::Shutdown);
    sleep(ms(100)).await;
    let began = Instant::now();
    call.trigger
        .end(EndReason::CallEnded(CallStatus::Completed));
    let (_, reason) = rest(call.stream.as_mut()).await;
    assert_eq!(reason, EndReason::Shutdown, "the first reason stays");
    assert_eq!(began.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_trigger_before_anybody_waits_counts_too() {
    let (ticket, trigger) = ticket(untouched()).await;
    let (socket, carrier) = socket_pair(16);
    let codec = ScriptedCodec::new(narrow());
    let driven = tokio::spawn(drive(socket, codec, ticket));
    carrier.say("start").await;
    let mut stream = driven.await.unwrap().unwrap();
    trigger.end(EndReason::Shutdown);
    drop(trigger);
    assert_eq!(rest(stream.as_mut()).await.1, EndReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_lost_trigger_ends_nothing() {
    let Call {
        stream,
        carrier,
        trigger,
    } = call(narrow(), untouched()).await;
    drop(trigger);
    sleep(secs(30)).await;
    assert!(!stream.context().cancellation.is_cancelled());
    drop(carrier);
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_does_not_hear_the_goodbye_does_not_delay_the_end() {
    // Nothing is taken any more; or the close is not answered.
    let blocked = narrow_call(1, narrow(), untouched()).await;
    let silent = polite_call(narrow(), untouched()).await;
    for mut call in [blocked, silent] {
        call.stream.send(speech(0, 8_000)).await.unwrap();
        sleep(ms(500)).await;
        let began = Instant::now();
        call.trigger
            .end(EndReason::CallEnded(CallStatus::Completed));
        let (_, reason) = rest(call.stream.as_mut()).await;
        assert_eq!(reason, EndReason::CallEnded(CallStatus::Completed));
        let context = call.stream.context().clone();
        assert!(context.cancellation.is_cancelled());
        assert_eq!(began.elapsed(), ms(0), "the app hears of it at once");
        assert!(
            !context.closed.is_cancelled(),
            "the socket has a moment to be closed the normal way"
        );
        assert!(call.stream.send(speech(0, 160)).await.is_err());
        context.closed.cancelled().await;
        assert!(began.elapsed() <= ms(1_001), "{:?}", began.elapsed());
        assert!(call.carrier.is_left_alone());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_on_the_socket_ends_it() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let began = Instant::now();
    sleep(secs(50)).await;
    carrier.say("cleared").await;
    // What we say ourselves is no sign of life.
    stream.send(speech(0, 8_000)).await.unwrap();
    let (_, reason) = rest(stream.as_mut()).await;
    assert_eq!(reason, EndReason::Idle);
    let after = began.elapsed();
    assert!((secs(110)..=ms(110_010)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_last_only_so_long() {
    let mut options = untouched();
    options.max_duration = secs(90);
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    let began = Instant::now();
    let talker = tokio::spawn(async move {
        while !carrier.is_left_alone() {
            let _ = timeout(ms(1), carrier.speak(speech(0, 160))).await;
            sleep(ms(20)).await;
        }
    });
    loop {
        match stream.recv().await {
            Some(MediaEvent::Stopped { reason }) => {
                assert_eq!(reason, EndReason::MaxDuration);
                break;
            }
            Some(_) => {}
            None => panic!("no end"),
        }
    }
    let after = began.elapsed();
    assert!((secs(90)..=ms(90_010)).contains(&after), "{after:?}");
    talker.abort();
}

#[tokio::test(start_paused = true)]
async fn writes_that_do_not_get_through_end_it() {
    let mut call = narrow_call(1, narrow(), untouched()).await;
    let playback = call.stream.playback();
    let began = Instant::now();
    call.stream.send(speech(0, 8_000)).await.unwrap();
    sleep(secs(4)).await;
    playback
        .clear()
        .await
        .expect("it answers until the very end");
    let (_, reason) = rest(call.stream.as_mut()).await;
    assert_eq!(reason, EndReason::WriteTimeout);
    let after = began.elapsed();
    assert!((secs(5)..=ms(5_010)).contains(&after), "{after:?}");
    call.stream.context().closed.cancelled().await;
    assert!(call.carrier.is_left_alone());
}
