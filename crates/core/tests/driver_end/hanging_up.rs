//! The app hangs up: what was said is played before.

use crate::support::socket::{Call, call, rest, settle};
use crate::support::{Sent, assert_audio, ms, narrow, secs, speech, untouched, without_echo};
use telephony_core::{CallStatus, EndReason, ErrorKind};
use tokio::time::{Instant, sleep};

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
