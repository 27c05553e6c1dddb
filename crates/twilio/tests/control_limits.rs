//! How many calls a second are started.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::links;
use common::rest::{call, config};
use common::scripted::{live, saying, scripted_with};
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{ErrorKind, Retry, Telephony};
use telephony_twilio::TwilioConfig;

const ANY: (u16, &str) = (200, r#"{"sid": "CA0001", "status": "completed"}"#);

/// Places so many calls at once: when they were sent, in milliseconds, and how many were not.
async fn placed(config: TwilioConfig, calls: usize) -> (Vec<u128>, usize) {
    let (http, twilio) = scripted_with(config, saying(&vec![ANY; calls]));
    let twilio = Arc::new(twilio);
    let tasks: Vec<_> = (0..calls)
        .map(|_| {
            let twilio = Arc::clone(&twilio);
            tokio::spawn(async move { twilio.make_call(&call(), &links()).await })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        if let Err(error) = task.await.unwrap() {
            assert_eq!(error.kind(), ErrorKind::RateLimited);
            assert!(matches!(error.retry(), Retry::After(_)));
            let said = error.to_string();
            assert!(said.starts_with("twilio: place call: too many"), "{said}");
            refused += 1;
        }
    }
    let times = http.times();
    (times.iter().map(Duration::as_millis).collect(), refused)
}

/// Where each time falls, tolerating the resolution of tokio's timer.
fn steps(times: &[u128], step: u128) -> Vec<u128> {
    times.iter().map(|at| at / step).collect()
}

#[tokio::test(start_paused = true)]
async fn one_call_a_second_is_started_unless_more_are_allowed() {
    let (times, refused) = placed(config(), 4).await;
    assert_eq!((steps(&times, 1_000), refused), (vec![0, 1, 2, 3], 0));
    let (times, refused) = placed(config().with_calls_per_second(5.0), 4).await;
    assert_eq!((steps(&times, 200), refused), (vec![0, 1, 2, 3], 0));
    let (times, refused) = placed(config().with_calls_per_second(0.5), 3).await;
    assert_eq!((steps(&times, 2_000), refused), (vec![0, 1, 2], 0));
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_refused_at_once() {
    let (times, refused) = placed(config(), 40).await;
    assert_eq!(times.len() + refused, 40);
    assert_eq!(times.len(), 31, "those that wait up to 30 s");
}

#[tokio::test(start_paused = true)]
async fn what_starts_no_call_does_not_wait() {
    let (http, twilio) = scripted_with(config(), saying(&[ANY; 21]));
    twilio.make_call(&call(), &links()).await.unwrap();
    for _ in 0..10 {
        twilio.fetch_call(&live()).await.unwrap();
        twilio.hang_up(&live()).await.unwrap();
    }
    assert_eq!(http.times(), vec![Duration::ZERO; 21]);
}
