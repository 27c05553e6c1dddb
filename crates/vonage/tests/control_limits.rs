//! How often requests are sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::scripted::*;
use common::*;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{CallId, CarrierCall, ErrorKind, Retry, Telephony};

/// Places so many calls at once, and gives the moments, in milliseconds, at which they were sent.
async fn place(bench: Bench, count: usize) -> (Vec<u128>, usize) {
    let bench = Arc::new(bench);
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.vonage.make_call(&call_out(), &links()).await })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        if let Err(error) = task.await.unwrap() {
            assert_eq!(error.kind(), ErrorKind::RateLimited);
            assert!(matches!(error.retry(), Retry::After(_)), "{error:?}");
            assert_eq!(error.provider().unwrap().as_str(), "vonage");
            refused += 1;
        }
    }
    let seen = bench.http.seen();
    (seen.iter().map(|s| s.at.as_millis()).collect(), refused)
}

fn is_spaced(moments: &[u128], window: usize) -> bool {
    // A second holds no more than its share, the timer's millisecond apart.
    moments
        .windows(window + 1)
        .all(|moments| moments[window] - moments[0] >= 999)
}

#[tokio::test(start_paused = true)]
async fn three_calls_are_placed_in_a_second() {
    let (moments, refused) = place(bench((0..9).map(|_| says(201, TAKEN))), 9).await;
    assert_eq!((moments.len(), refused), (9, 0));
    assert!(is_spaced(&moments, 3), "{moments:?}");
    assert!(moments[8] < 3_000, "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn an_account_may_be_allowed_more() {
    let config = rest_config().with_calls_per_second(10);
    let turns = (0..20).map(|_| says(201, TAKEN));
    let (moments, _) = place(bench_with(config, turns), 20).await;
    assert!(is_spaced(&moments, 10), "{moments:?}");
    assert!(moments[19] < 2_000, "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_for_too_long_is_refused_and_nothing_is_sent() {
    // 30 s are 91 turns of a third of a second; the timers' millisecond may cost one.
    let (moments, refused) = place(bench((0..92).map(|_| says(201, TAKEN))), 120).await;
    assert_eq!(moments.len() + refused, 120);
    assert!((90..=92).contains(&moments.len()), "{}", moments.len());
}

#[tokio::test(start_paused = true)]
async fn fifteen_other_requests_are_sent_in_a_second_and_calls_do_not_count() {
    let mut turns: Vec<_> = (0..30).map(|_| says(204, "")).collect();
    turns.push(says(201, TAKEN));
    let bench = Arc::new(bench(turns));
    let call = CarrierCall::new(CallId::new("u-1").unwrap());
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let (bench, call) = (Arc::clone(&bench), call.clone());
            tokio::spawn(async move { bench.vonage.hang_up(&call).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let moments: Vec<_> = bench
        .http
        .seen()
        .iter()
        .map(|seen| seen.at.as_millis())
        .collect();
    assert!(is_spaced(&moments, 15), "{moments:?}");
    assert!(moments[29] < 2_000, "{moments:?}");
    let before = tokio::time::Instant::now();
    bench.vonage.make_call(&call_out(), &links()).await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(10));
}
