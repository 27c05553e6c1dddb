//! How a stream ends: who ends it, with what reason, how soon, and what is still played.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;
use support::socket::{Call, call, narrow_call, polite_call, rest, rest_of_half, settle};
use support::{
    ScriptedCodec, Sent, assert_audio, ms, narrow, secs, speech, ticket, untouched, without_echo,
};
use telephony_core::media::{
    Decoded, MarkOutcome, MediaCodec, MediaCommand, MediaEvent, WireMessage, drive,
};
use telephony_core::{CallStatus, EndReason, ErrorKind, Result};
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
    let (socket, carrier) = support::socket::socket_pair(16);
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

#[tokio::test(start_paused = true)]
async fn hanging_up_waits_until_the_carrier_has_played_everything() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let played = carrier.play(stream.context().outbound);
    let began = Instant::now();
    stream.send(speech(0, 16_100)).await.unwrap();
    stream.playback().hang_up().await.unwrap();
    let (_, reason) = rest(stream.as_mut()).await;
    assert_eq!(reason, EndReason::App);
    // 101 messages, the last one padded.
    assert!(
        (ms(2_019)..=ms(2_025)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    let played = played.await.unwrap();
    assert_audio(&played.audio()[..16_100], &speech(0, 16_100));
    assert_eq!(played.audio().len(), 101 * 160);
    assert!(played.when(&Sent::Close) >= Some(ms(2_019)));
}

#[tokio::test(start_paused = true)]
async fn hanging_up_with_nothing_to_play_is_immediate() {
    let mut call = call(narrow(), untouched()).await;
    let began = Instant::now();
    call.stream.playback().hang_up().await.unwrap();
    assert_eq!(rest(call.stream.as_mut()).await.1, EndReason::App);
    assert_eq!(began.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn hanging_up_does_not_wait_for_ever() {
    // The mark never comes back: what was sent should have been played 3 s ago.
    let mut mute = call(narrow(), untouched()).await;
    let began = Instant::now();
    mute.stream.send(speech(0, 8_000)).await.unwrap();
    mute.stream.playback().hang_up().await.unwrap();
    rest(mute.stream.as_mut()).await;
    assert!(
        (ms(4_000)..=ms(4_010)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );

    // There is more to play than the goodbye may last.
    let mut options = untouched();
    options.goodbye = secs(2);
    let long = call(narrow(), options).await;
    let mut stream = long.stream;
    let played = long.carrier.play(stream.context().outbound);
    let began = Instant::now();
    stream.send(speech(0, 40_000)).await.unwrap();
    stream.playback().hang_up().await.unwrap();
    assert_eq!(rest(stream.as_mut()).await.1, EndReason::App);
    assert!(
        (ms(2_000)..=ms(2_010)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    assert!(played.await.unwrap().audio().len() <= (2_200 / 20 + 1) * 160);
}

#[tokio::test(start_paused = true)]
async fn hanging_up_where_marks_do_not_come_back_goes_by_the_clock() {
    let mut call = call(without_echo(narrow()), untouched()).await;
    let began = Instant::now();
    call.stream.send(speech(0, 8_000)).await.unwrap();
    call.stream.playback().hang_up().await.unwrap();
    rest(call.stream.as_mut()).await;
    assert!(
        (ms(1_000)..=ms(1_005)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_taken_after_hanging_up() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(speech(0, 8_000)).await.unwrap();
    call.stream.playback().hang_up().await.unwrap();
    settle().await;
    let error = call.stream.send(speech(0, 160)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    // But the caller may still cut it short.
    let began = Instant::now();
    call.stream.playback().clear().await.unwrap();
    assert_eq!(rest(call.stream.as_mut()).await.1, EndReason::App);
    assert_eq!(began.elapsed(), ms(0), "there is nothing left to wait for");
}

#[tokio::test(start_paused = true)]
async fn hanging_up_is_the_reason_whatever_comes_after() {
    for word in ["stop", "fatal"] {
        let mut call = call(narrow(), untouched()).await;
        call.stream.send(speech(0, 8_000)).await.unwrap();
        call.stream.playback().hang_up().await.unwrap();
        settle().await;
        call.carrier.say(word).await;
        let began = Instant::now();
        assert_eq!(rest(call.stream.as_mut()).await.1, EndReason::App);
        assert_eq!(began.elapsed(), ms(0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_during_the_goodbye_ends_the_stream_within_a_second() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(speech(0, 40_000)).await.unwrap();
    call.stream.playback().hang_up().await.unwrap();
    sleep(ms(100)).await;
    let began = Instant::now();
    call.trigger
        .end(EndReason::CallEnded(CallStatus::Completed));
    assert_eq!(rest(call.stream.as_mut()).await.1, EndReason::App);
    assert!(began.elapsed() <= ms(1_001), "{:?}", began.elapsed());
}

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
    let (socket, carrier) = support::socket::socket_pair(16);
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
