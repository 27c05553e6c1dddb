//! The limit of requests: one for all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::http_client::{account, account_of, ok};
use common::rest::{SID, call, noon};
use common::{assert_kind, config, links};
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{Answer, CallId, ErrorKind, Retry, Telephony};

const CALL: &str = r#"{"Call":{"Sid":"a"}}"#;

#[tokio::test(start_paused = true)]
async fn new_calls_and_all_other_requests_are_spaced_together() {
    let replies = vec![ok(CALL), ok(CALL), ok(r#"{"Calls":[]}"#), ok(CALL)];
    let (http, exotel) = account_of(config().with_requests_per_minute(60), replies);
    let (call, id) = (call(Answer::stream()), CallId::new(SID).unwrap().into());
    exotel.make_call(&call, &links()).await.unwrap();
    exotel.fetch_call(&id).await.unwrap();
    exotel.find_placed(&call, noon()).await.unwrap();
    exotel.make_call(&call, &links()).await.unwrap();
    let seconds: Vec<_> = http.times().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_a_minute_are_sent_by_default() {
    let (http, exotel) = account((0..201).map(|_| ok(CALL)).collect());
    let id = CallId::new(SID).unwrap().into();
    for _ in 0..201 {
        exotel.fetch_call(&id).await.unwrap();
    }
    let last = http.times()[200];
    let minute = Duration::from_secs(60);
    assert!(
        (minute..minute + Duration::from_secs(1)).contains(&last),
        "{last:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_for_too_long_is_refused() {
    let (http, exotel) = account_of(
        config().with_requests_per_minute(4),
        vec![ok(CALL), ok(CALL), ok(CALL)],
    );
    let exotel = Arc::new(exotel);
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let exotel = Arc::clone(&exotel);
            tokio::spawn(async move { exotel.make_call(&call(Answer::stream()), &links()).await })
        })
        .collect();
    let mut refused = Vec::new();
    for placed in waiting {
        refused.extend(placed.await.unwrap().err());
    }
    assert_eq!((refused.len(), http.seen().len()), (1, 3));
    let error = refused.remove(0);
    assert!(matches!(error.retry(), Retry::After(_)), "{error:?}");
    assert_kind(
        Err::<(), _>(error),
        ErrorKind::RateLimited,
        "nothing was sent",
    );
}
