//! Listening: order, slow apps, and a carrier that is slow itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use std::time::Duration;
use support::socket::{Call, call, narrow_call, rest, settle};
use support::{Sent, assert_audio, ms, narrow, secs, speech, untouched};
use telephony_core::EndReason;
use telephony_core::media::{AudioFrame, MediaEvent};
use tokio::time::{Instant, sleep, timeout};

const FRAME: Duration = Duration::from_millis(20);

fn audio(events: &[MediaEvent]) -> Vec<&AudioFrame> {
    let frames = events.iter().filter_map(|event| match event {
        MediaEvent::Audio(frame) => Some(frame),
        _ => None,
    });
    frames.collect()
}

#[tokio::test(start_paused = true)]
async fn events_come_in_order() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    for turn in 0..30 {
        carrier.speak(speech(turn * 160, 160)).await;
        carrier.say(&format!("dtmf:{}", turn % 10)).await;
    }
    carrier.say("cleared").await;
    carrier.say("bad").await;
    carrier.say("surprise:party").await;
    carrier.say("stop").await;
    let (events, reason) = rest(stream.as_mut()).await;
    assert_eq!(reason, EndReason::CarrierStopped(None));
    assert_eq!(events.len(), 62);
    assert_eq!(events[0], MediaEvent::Started);
    for (turn, pair) in events[1..61].chunks(2).enumerate() {
        let MediaEvent::Audio(frame) = &pair[0] else {
            panic!("{pair:?}");
        };
        assert_eq!(frame.payload, speech(turn * 160, 160));
        assert_eq!(
            (frame.timestamp, frame.lost),
            (FRAME * u32::try_from(turn).unwrap(), ms(0))
        );
        let digit = char::from_digit(u32::try_from(turn % 10).unwrap(), 10).unwrap();
        assert!(matches!(&pair[1], MediaEvent::Dtmf { digit: pressed, .. } if *pressed == digit));
    }
    let raw = Bytes::from_static(b"surprise:party");
    assert_eq!(
        events[61],
        MediaEvent::Ignored {
            name: "surprise".into(),
            raw
        }
    );
}

#[tokio::test(start_paused = true)]
async fn listening_is_cancel_safe() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let talker = tokio::spawn(async move {
        for turn in 0..200 {
            carrier.speak(speech(turn * 160, 160)).await;
            sleep(Duration::from_micros(1_700)).await;
        }
        carrier.say("stop").await;
        settle().await;
    });
    let mut heard = Vec::new();
    loop {
        match timeout(ms(1), stream.recv()).await {
            Ok(Some(MediaEvent::Audio(frame))) => heard.extend_from_slice(&frame.payload),
            Ok(Some(MediaEvent::Stopped { .. })) => break,
            Ok(None) => panic!("no end"),
            Ok(Some(_)) | Err(_) => {}
        }
    }
    assert_audio(&heard, &speech(0, 200 * 160));
    assert_eq!(stream.recv().await, None);
    talker.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_very_slow_app_loses_besides_audio_is_counted() {
    let mut call = call(narrow(), untouched()).await;
    for _ in 0..5_000 {
        call.carrier.say("dtmf:7").await;
        settle().await;
    }
    let stats = call.stream.playback().stats().await.unwrap();
    call.carrier.say("stop").await;
    settle().await;
    let (events, _) = rest(call.stream.as_mut()).await;
    let keys = events
        .iter()
        .filter(|event| matches!(event, MediaEvent::Dtmf { .. }));
    let keys = u64::try_from(keys.count()).unwrap();
    assert!((4_096..4_500).contains(&keys), "{keys}");
    assert_eq!(keys + stats.lost_events, 5_000, "all is accounted for");
}

#[tokio::test(start_paused = true)]
async fn a_slow_app_loses_the_oldest_audio_and_sees_how_much() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    for turn in 0..1_000 {
        carrier.speak(speech(turn * 160, 160)).await;
        if turn % 100 == 50 {
            carrier.say("dtmf:7").await;
        }
        sleep(FRAME).await;
    }
    carrier.say("stop").await;
    settle().await;
    let (events, _) = rest(stream.as_mut()).await;
    let frames = audio(&events);
    // Five seconds, and the few that were on their way.
    assert!(
        (250..=260).contains(&frames.len()),
        "{} frames",
        frames.len()
    );
    let lost: Duration = frames.iter().map(|frame| frame.lost).sum();
    assert_eq!(
        lost + FRAME * u32::try_from(frames.len()).unwrap(),
        secs(20),
        "all is accounted for"
    );
    let mut end = ms(0);
    for frame in &frames {
        assert_eq!(
            frame.timestamp,
            end + frame.lost,
            "what is lost is lost right before"
        );
        end = frame.timestamp + FRAME;
    }
    assert_eq!(end, secs(20), "the newest is kept");
    let keys = events
        .iter()
        .filter(|event| matches!(event, MediaEvent::Dtmf { .. }))
        .count();
    assert_eq!(keys, 10, "keys are not audio");
}

#[tokio::test(start_paused = true)]
async fn an_app_that_catches_up_loses_nothing_more() {
    let mut options = untouched();
    options.receive_queue = secs(1);
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    for turn in 0..200 {
        carrier.speak(speech(turn * 160, 160)).await;
    }
    settle().await;
    let mut first = Vec::new();
    while let Ok(Some(event)) = timeout(ms(1), stream.recv()).await {
        first.push(event);
    }
    let lost: Duration = audio(&first).iter().map(|frame| frame.lost).sum();
    assert!(lost > secs(2), "{lost:?}");
    for turn in 200..260 {
        carrier.speak(speech(turn * 160, 160)).await;
        let Some(MediaEvent::Audio(frame)) = stream.recv().await else {
            panic!("audio");
        };
        assert_eq!(frame.lost, ms(0));
        assert_eq!(frame.payload, speech(turn * 160, 160));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_without_audio_are_bounded_too() {
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    for _ in 0..20_000 {
        carrier.say("noise").await;
    }
    carrier.say("stop").await;
    let (events, reason) = rest(stream.as_mut()).await;
    assert_eq!(
        reason,
        EndReason::CarrierStopped(None),
        "the end is never lost"
    );
    assert!((64..200).contains(&events.len()), "{}", events.len());

    let empty = call(narrow(), untouched()).await;
    let mut stream = empty.stream;
    for _ in 0..20_000 {
        empty.carrier.speak(Bytes::new()).await;
    }
    empty.carrier.say("stop").await;
    let (events, _) = rest(stream.as_mut()).await;
    assert!(events.len() < 4_200, "{}", events.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_told_however_short_the_queue() {
    let mut options = untouched();
    options.receive_queue = ms(10);
    let Call {
        mut stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), options).await;
    for turn in 0..50 {
        carrier.speak(speech(turn * 160, 160)).await;
    }
    settle().await;
    for _ in 0..8 {
        stream.recv().await.unwrap();
    }
    carrier.speak(speech(50 * 160, 160)).await;
    carrier.say("stop").await;
    let (events, _) = rest(stream.as_mut()).await;
    let lost: Duration = audio(&events).iter().map(|frame| frame.lost).sum();
    assert_eq!(
        lost,
        FRAME * 43,
        "50 were said before it, 7 of them were heard"
    );
}

#[tokio::test(start_paused = true)]
async fn the_protocol_is_served_while_the_app_does_nothing() {
    let mut call = call(narrow(), untouched()).await;
    for _ in 0..500 {
        call.carrier.speak(speech(0, 160)).await;
        call.carrier.say("ping").await;
        assert_eq!(call.carrier.hear().await, Some(Sent::Other("pong".into())));
    }
}

#[tokio::test(start_paused = true)]
async fn speaking_and_listening_go_on_at_the_same_time() {
    let Call {
        stream,
        carrier,
        trigger: _trigger,
    } = call(narrow(), untouched()).await;
    let (mut receiver, mut sender) = stream.split();
    let echo = tokio::spawn(async move {
        while let Some(event) = receiver.recv().await {
            if let MediaEvent::Audio(frame) = event {
                sender.send(frame.payload).await.unwrap();
            }
        }
    });
    let mut carrier = carrier;
    for turn in 0..500 {
        let frame = speech(turn * 160, 160);
        carrier.speak(frame.clone()).await;
        let heard = timeout(FRAME, carrier.hear()).await;
        assert_eq!(
            heard.ok().flatten(),
            Some(Sent::Audio(frame)),
            "frame {turn}"
        );
        sleep(FRAME).await;
    }
    carrier.say("stop").await;
    echo.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_is_slow_but_goes_on_is_not_given_up() {
    // It has room for one message and reads exactly as fast as we speak, or always a little slower.
    for pace in [FRAME, FRAME * 5 / 4] {
        let Call {
            mut stream,
            mut carrier,
            trigger: _trigger,
        } = narrow_call(1, narrow(), untouched()).await;
        let began = Instant::now();
        stream.send(speech(0, 8_000 * 9)).await.unwrap();
        let mut audio = Vec::new();
        while audio.len() < 8_000 * 9 {
            sleep(pace).await;
            match carrier.hear().await {
                Some(Sent::Audio(frame)) => audio.extend_from_slice(&frame),
                other => panic!("{other:?} after {} bytes", audio.len()),
            }
        }
        assert_audio(&audio, &speech(0, 8_000 * 9));
        assert_eq!(
            began.elapsed(),
            pace * 450,
            "there was always something for it to read"
        );
    }
}
