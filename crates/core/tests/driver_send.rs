//! Speaking: the queue, its bound, interruptions, and waiting until something was heard.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use std::time::Duration;
use support::socket::{Call, call, is_waiting, narrow_call, rest, settle};
use support::{
    Sent, assert_audio, ms, narrow, secs, speech, ticket, untouched, wide, without_echo,
};
use telephony_core::media::{
    Heard, MarkOutcome, MediaEvent, MediaSocket, StreamOptions, StreamSender, drive,
};
use telephony_core::{EndReason, ErrorKind};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// One second is queued before `send` waits.
fn short_queue() -> StreamOptions {
    let mut options = untouched();
    options.send_queue = secs(1);
    options
}

/// Sends chunks of 100 ms until one has to wait; gives how many were taken.
async fn fill(sender: &mut dyn StreamSender) -> usize {
    for count in 0..1_000 {
        let mut send = sender.send(Bytes::from_static(&[7; 800]));
        let full = is_waiting(&mut send).await;
        drop(send);
        if full {
            return count;
        }
    }
    panic!("the queue has no bound");
}

#[tokio::test(start_paused = true)]
async fn audio_arrives_whole_and_in_real_time() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let played = carrier.play(stream.context().outbound);
    let audio = speech(0, 40_000);
    for chunk in audio.chunks(1_234) {
        stream.send(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    stream.finish().await.unwrap();
    stream.close().await.unwrap();
    let played = played.await.unwrap();
    assert_audio(&played.audio(), &audio);
    let last = played
        .log
        .iter()
        .rfind(|(_, sent)| matches!(sent, Sent::Audio(_)));
    let (at, _) = last.unwrap();
    assert!((ms(4_790)..=ms(4_820)).contains(at), "{at:?}");
    let tail = played
        .log
        .iter()
        .rev()
        .take(2)
        .map(|(_, sent)| sent.clone())
        .collect::<Vec<_>>();
    assert_eq!(
        tail,
        [Sent::Close, Sent::Bye],
        "a goodbye in the stream, then on the socket"
    );
}

#[tokio::test(start_paused = true)]
async fn send_waits_while_the_queue_is_full() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), short_queue()).await;
    let played = carrier.play(stream.context().outbound);
    let began = Instant::now();
    for turn in 0..100 {
        stream.send(speech(turn * 800, 800)).await.unwrap();
    }
    // 10 s: all but the queue and the lead have been played.
    let waited = began.elapsed();
    assert!((ms(8_700)..=ms(8_900)).contains(&waited), "{waited:?}");
    stream.close().await.unwrap();
    assert_audio(&played.await.unwrap().audio(), &speech(0, 80_000));
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_queues_nothing() {
    let Call {
        stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), short_queue()).await;
    let played = carrier.play(stream.context().outbound);
    let (_receiver, mut sender) = stream.split();
    drop(sender.send(Bytes::from_static(&[9; 800])));
    let mut taken = fill(sender.as_mut()).await;
    for turn in 0..200 {
        // Waits for room, gets none or gets it in the moment of being dropped.
        let mut send = sender.send(Bytes::from_static(&[7; 800]));
        if !is_waiting(&mut send).await {
            taken += 1;
        }
        drop(send);
        sleep(Duration::from_micros(turn * 37)).await;
    }
    assert!(taken > 12, "room came while it was tried");
    sender.close().await.unwrap();
    let audio = played.await.unwrap().audio();
    assert_eq!(audio.len(), taken * 800, "each chunk whole or not at all");
    assert!(audio.iter().all(|byte| *byte == 7));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_may_be_larger_than_the_queue() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), short_queue()).await;
    let played = carrier.play(stream.context().outbound);
    stream.send(speech(0, 24_000)).await.unwrap();
    let began = Instant::now();
    stream.send(speech(24_000, 160)).await.unwrap();
    assert!(
        began.elapsed() >= ms(2_700),
        "it took all of the room: {:?}",
        began.elapsed()
    );
    stream.close().await.unwrap();
    assert_audio(&played.await.unwrap().audio(), &speech(0, 24_160));
}

#[tokio::test(start_paused = true)]
async fn large_chunks_are_joined_without_a_gap() {
    // None is whole messages, and only one at a time fits into the queue.
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), short_queue()).await;
    let played = carrier.play(stream.context().outbound);
    for turn in 0..5 {
        stream.send(speech(turn * 8_070, 8_070)).await.unwrap();
    }
    stream.close().await.unwrap();
    let audio = played.await.unwrap().audio();
    assert_audio(&audio[..5 * 8_070], &speech(0, 5 * 8_070));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_nothing() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(Bytes::new()).await.unwrap();
    call.stream.finish().await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(call.carrier.heard_now(), []);
}

#[tokio::test(start_paused = true)]
async fn finish_sends_the_tail_at_once() {
    let mut call = call(wide(), untouched()).await;
    let began = Instant::now();
    call.stream.send(speech(0, 700)).await.unwrap();
    assert!(matches!(call.carrier.hear().await, Some(Sent::Audio(_))));
    call.stream.finish().await.unwrap();
    let Some(Sent::Audio(tail)) = call.carrier.hear().await else {
        panic!("the tail");
    };
    assert_eq!(tail[..60], speech(640, 60));
    assert_eq!(tail[60..], [0; 580]);
    assert_eq!(began.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_clear_while_send_waits_interrupts_it() {
    let call = call(narrow(), short_queue()).await;
    let (_receiver, mut sender) = call.stream.split();
    let playback = sender.playback();
    fill(sender.as_mut()).await;
    let waiting = tokio::spawn(async move {
        let result = sender.send(Bytes::from_static(&[8; 800])).await;
        (sender, result)
    });
    sleep(ms(10)).await;
    assert!(!waiting.is_finished());
    let began = Instant::now();
    let heard = playback.clear().await.unwrap();
    assert!(heard.dropped > ms(500), "{heard:?}");
    let (mut sender, result) = waiting.await.unwrap();
    assert_eq!(began.elapsed(), ms(0));
    let error = result.unwrap_err();
    assert!(error.is_interrupted(), "{error}");

    // The next one begins a new utterance, once and for all.
    sender.send(Bytes::from_static(&[1; 160])).await.unwrap();
    sender.send(Bytes::from_static(&[2; 160])).await.unwrap();
    let mut carrier = call.carrier;
    settle().await;
    let heard = carrier.heard_now();
    let at = heard
        .iter()
        .position(|sent| *sent == Sent::Clear)
        .expect("a clear");
    let audio = |byte: u8| Sent::Audio(Bytes::from(vec![byte; 160]));
    assert_eq!(heard[at + 1..], [audio(1), audio(2)]);
}

#[tokio::test(start_paused = true)]
async fn the_next_send_of_a_cleared_utterance_is_interrupted_once() {
    let mut call = call(narrow(), untouched()).await;
    let playback = call.stream.playback();
    call.stream.send(speech(0, 1_600)).await.unwrap();
    playback.clear().await.unwrap();
    let error = call.stream.send(speech(0, 160)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    call.stream.send(speech(0, 160)).await.unwrap();

    playback.clear().await.unwrap();
    let error = call.stream.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    call.stream.finish().await.unwrap();

    // An utterance that is finished cannot be interrupted any more, nor one that was never begun.
    call.stream.send(speech(0, 160)).await.unwrap();
    call.stream.finish().await.unwrap();
    playback.clear().await.unwrap();
    call.stream.send(speech(0, 160)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn chunks_of_a_cleared_utterance_do_not_slip_through() {
    let call = call(narrow(), untouched()).await;
    let (_receiver, mut sender) = call.stream.split();
    let playback = sender.playback();
    let speaker = tokio::spawn(async move {
        let mut interrupted = 0;
        for _ in 0..400 {
            match sender.send(Bytes::from_static(&[5; 320])).await {
                Ok(()) => {}
                Err(error) if error.is_interrupted() => interrupted += 1,
                Err(error) => panic!("{error}"),
            }
        }
        sender.finish().await.unwrap();
        (sender, interrupted)
    });
    let mut dropped = Duration::ZERO;
    let mut played = Duration::ZERO;
    for _ in 0..20 {
        sleep(ms(100)).await;
        // What was taken before the last clear must be in what it counts.
        let all_is_taken = speaker.is_finished();
        let heard = playback.clear().await.unwrap();
        dropped += heard.dropped;
        played += heard.played;
        if all_is_taken {
            break;
        }
    }
    let (_sender, interrupted) = speaker.await.unwrap();
    assert!(interrupted >= 1);
    assert_eq!(
        played + dropped,
        ms(40) * (400 - interrupted),
        "all that was taken"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clear_answers_while_the_carrier_takes_nothing() {
    let mut call = narrow_call(1, narrow(), untouched()).await;
    let playback = call.stream.playback();
    call.stream.send(speech(0, 8_000)).await.unwrap();
    sleep(secs(1)).await;
    let began = Instant::now();
    let heard = playback.clear().await.unwrap();
    assert_eq!(began.elapsed(), ms(0));
    assert_eq!(
        heard,
        Heard::new(ms(20), ms(980)),
        "one message has left us"
    );
    assert_eq!(playback.clear().await.unwrap(), Heard::default());

    // Once it listens again, it hears of the clear and of nothing that was cleared.
    assert!(matches!(call.carrier.hear().await, Some(Sent::Audio(_))));
    assert_eq!(call.carrier.hear().await, Some(Sent::Clear));
    call.stream.finish().await.unwrap_err();
    call.stream.send(speech(0, 160)).await.unwrap();
    assert_eq!(call.carrier.hear().await, Some(Sent::Audio(speech(0, 160))));
}

#[tokio::test(start_paused = true)]
async fn a_mark_comes_back_as_an_event() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let _played = carrier.play(stream.context().outbound);
    assert_eq!(stream.recv().await, Some(MediaEvent::Started));
    stream.send(speech(0, 4_000)).await.unwrap();
    stream.playback().mark("said").await.unwrap();
    let began = Instant::now();
    let reached = MediaEvent::Played {
        mark: "said".into(),
        outcome: MarkOutcome::Reached,
    };
    assert_eq!(stream.recv().await, Some(reached));
    assert!((ms(499)..=ms(502)).contains(&began.elapsed()));
    assert_eq!(
        stream.playback().position().await.unwrap(),
        Heard::new(ms(500), ms(0))
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_until_played_waits_until_it_was_played() {
    for start in [narrow(), without_echo(narrow())] {
        let Call {
            mut stream,
            carrier,
            trigger: _trigger,
        } = call(start, untouched()).await;
        let _played = carrier.play(stream.context().outbound);
        let playback = stream.playback();
        assert!(
            playback.wait_until_played(secs(5)).await.unwrap(),
            "nothing was sent"
        );
        let began = Instant::now();
        stream.send(speech(0, 16_000)).await.unwrap();
        assert!(playback.wait_until_played(secs(5)).await.unwrap());
        assert!(
            (ms(1_999)..=ms(2_003)).contains(&began.elapsed()),
            "{:?}",
            began.elapsed()
        );
        assert!(playback.wait_until_played(ms(1)).await.unwrap(), "still so");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_until_played_ends_with_a_clear() {
    let mut call = call(narrow(), untouched()).await;
    let playback = call.stream.playback();
    call.stream.send(speech(0, 16_000)).await.unwrap();
    let waiting = tokio::spawn({
        let playback = playback.clone();
        async move { playback.wait_until_played(secs(60)).await }
    });
    sleep(ms(100)).await;
    playback.clear().await.unwrap();
    assert!(!waiting.await.unwrap().unwrap(), "it was not played");
}

#[tokio::test(start_paused = true)]
async fn waiting_until_played_has_a_deadline() {
    let mut call = call(narrow(), untouched()).await;
    call.stream.send(speech(0, 16_000)).await.unwrap();
    let began = Instant::now();
    let error = call
        .stream
        .playback()
        .wait_until_played(ms(700))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(began.elapsed(), ms(700));
}

#[tokio::test(start_paused = true)]
async fn waiting_until_played_ends_with_the_stream() {
    let mut call = call(narrow(), untouched()).await;
    let playback = call.stream.playback();
    call.stream.send(speech(0, 16_000)).await.unwrap();
    let waiting = tokio::spawn(async move { playback.wait_until_played(secs(60)).await });
    sleep(ms(100)).await;
    call.trigger.end(EndReason::Shutdown);
    let error = waiting.await.unwrap().expect_err("most was not played");
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn too_many_marks_do_not_make_what_is_queued_count_as_played() {
    let mut call = call(narrow(), untouched()).await;
    let playback = call.stream.playback();
    call.stream.send(speech(0, 16_000)).await.unwrap();
    for _ in 0..1_100 {
        playback.mark("m").await.unwrap();
    }
    let played = playback.wait_until_played(secs(60)).await;
    assert!(!matches!(played, Ok(true)), "2 s are queued");
}

#[tokio::test(start_paused = true)]
async fn after_the_end_everything_is_closed() {
    let mut call = call(narrow(), short_queue()).await;
    let playback = call.stream.playback();
    call.stream.send(speech(0, 160)).await.unwrap();
    call.trigger.end(EndReason::Shutdown);
    let _ = rest(call.stream.as_mut()).await;
    let kinds = [
        call.stream.send(speech(0, 160)).await.unwrap_err().kind(),
        call.stream.finish().await.unwrap_err().kind(),
        playback.clear().await.unwrap_err().kind(),
        playback.mark("m").await.unwrap_err().kind(),
        playback.position().await.unwrap_err().kind(),
        playback.hang_up().await.unwrap_err().kind(),
        playback
            .wait_until_played(secs(1))
            .await
            .unwrap_err()
            .kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Closed; 7]);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_when_the_stream_ends_is_closed() {
    let call = call(narrow(), short_queue()).await;
    let (_receiver, mut sender) = call.stream.split();
    fill(sender.as_mut()).await;
    let waiting = tokio::spawn(async move { sender.send(speech(0, 800)).await });
    sleep(ms(10)).await;
    assert!(!waiting.is_finished());
    call.trigger.end(EndReason::Shutdown);
    assert!(waiting.await.unwrap().unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_codec_that_cannot_write_does_not_end_the_stream() {
    let (ticket, _trigger) = ticket(untouched()).await;
    let (socket, mut carrier) = support::socket::socket_pair(16);
    let socket: Box<dyn MediaSocket> = socket;
    carrier.say("start").await;
    let codec = support::ScriptedCodec::new(narrow()).without_audio();
    let mut stream = drive(socket, codec, ticket).await.unwrap();
    stream.send(speech(0, 1_600)).await.unwrap();
    stream.playback().mark("still here").await.unwrap();
    assert!(matches!(carrier.hear().await, Some(Sent::Mark(_))));
    carrier.say("bad").await;
    carrier.say("dtmf:3").await;
    assert_eq!(stream.recv().await, Some(MediaEvent::Started));
    assert!(matches!(
        stream.recv().await,
        Some(MediaEvent::Dtmf { digit: '3', .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clears_may_race_with_what_is_said() {
    // On the real clock, as threads cannot share a paused one: a queue that is full, and many who interrupt.
    let call = call(narrow(), short_queue()).await;
    let played = call.carrier.play(narrow().outbound);
    let (_receiver, mut sender) = call.stream.split();
    let enough = CancellationToken::new();
    let clearing: Vec<_> = (0..4)
        .map(|_| {
            let (playback, enough) = (sender.playback(), enough.clone());
            tokio::spawn(async move {
                while !enough.is_cancelled() {
                    playback.clear().await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let (mut interrupted, mut said) = (0, 0);
    while interrupted < 200 {
        match sender.send(Bytes::from_static(&[5; 800])).await {
            Ok(()) => said += 1,
            Err(error) if error.is_interrupted() => interrupted += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(said < 1_000_000, "nobody interrupts");
    }
    enough.cancel();
    for task in clearing {
        task.await.unwrap();
    }
    let _ = sender.finish().await;
    sender.playback().clear().await.unwrap();
    sender.send(Bytes::from_static(&[6; 160])).await.unwrap();
    sender.close().await.unwrap();
    let audio = played.await.unwrap().audio();
    assert_audio(&audio[audio.len() - 160..], &[6; 160]);
}
