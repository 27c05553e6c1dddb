//! Many nodes: server processes on one real Redis, calls whose webhooks and audio go to different ones, and what happens
//! when a node or Redis is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "these are tests"
)]

#[path = "support/fleet.rs"]
mod fleet;
mod support;

use fleet::{Fleet, SOON, hang_up, is_callback, is_media, over, redis, two_nodes};
use house::front::{Line, Pass};
use house::own_redis::Memory;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use telephony::Provider;
use telephony_testkit::{EndedBy, Operation};

/// What tests have no time to wait for.
const QUICK: [&str; 7] = [
    "lease=2",
    "housekeeping=0.3",
    "keep-ended=3",
    "poll=2.4",
    "keep-answers=3",
    "silent-after=1",
    "confirm-after=1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_shows_it() {
    let Some(redis) = redis(Memory::Lasting).await else {
        return;
    };
    let mut example = tokio::process::Command::new(two_nodes());
    let run = example
        .env("REDIS_URL", redis.url())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(SOON * 2, run).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for provider in Provider::ALL {
        assert!(
            text.contains(&format!("{provider} calls: webhooks go to A")),
            "{text}"
        );
    }
    assert!(
        text.contains("A hung it up through the carrier's API"),
        "{text}"
    );
}

/// The carrier says nothing on the socket: only the callback can end the stream, on the other node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_on_one_node_ends_the_stream_on_the_other_within_a_second() {
    let Some(fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
        return;
    };
    let nodes = fleet.addresses();
    let told = Arc::new(Mutex::new(None));
    let came = Arc::clone(&told);
    fleet.front.route(move |path| {
        if is_callback(path) {
            *came.lock().unwrap() = Some(Instant::now());
        }
        Pass::To(nodes[usize::from(is_media(path))].clone())
    });
    for provider in Provider::ALL {
        let mut took = Vec::new();
        // The machine may be busy with other things: the best of three counts.
        while took.len() < 3 && took.iter().all(|took| *took >= Duration::from_secs(1)) {
            let from = [fleet.nodes[0].lines(), fleet.nodes[1].lines()];
            let (call, key) = fleet.talk(provider, '9').await;
            fleet.front.media(Line::Deaf);
            let outcome = hang_up(call).await;
            assert_eq!(outcome.ended_by, EndedBy::Caller, "{provider}");
            let (gone, ended) = fleet.says(1, from[1], "ended ", " call-completed").await;
            let (_, status) = fleet.says(0, from[0], "status ", " completed").await;
            assert_eq!((&ended, &status), (&key, &key), "{provider}");
            let told = told.lock().unwrap().unwrap();
            took.push(gone.saturating_duration_since(told));
            fleet.front.media(Line::Good);
        }
        eprintln!("{provider}: the stream on B ended {took:?} after the callback had come to A");
        assert!(
            took.last().unwrap() < &Duration::from_secs(1),
            "{provider}: {took:?}"
        );
    }
    fleet.forgotten().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_sockets_on_two_nodes_one_gets_the_stream() {
    let Some(fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
        return;
    };
    let (nodes, sockets) = (fleet.addresses(), AtomicUsize::new(0));
    fleet.front.route(move |path| {
        let node = match is_media(path) {
            true => sockets.fetch_add(1, Ordering::Relaxed) % 2,
            false => 0,
        };
        Pass::To(nodes[node].clone())
    });
    let variable = |name: &str| {
        let variables = house::simulated::variables();
        variables
            .into_iter()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
    };
    let (account, token) = (
        variable("TWILIO_ACCOUNT_SID"),
        variable("TWILIO_AUTH_TOKEN"),
    );
    for round in 0..20 {
        let url = format!("{}/twilio/call", fleet.front.url);
        let sid = format!("CA{round:032}");
        let form = support::twilio_call_form(&sid);
        assert_eq!(form[0], ("AccountSid", account));
        let signature = support::twilio_signature(token, &url, &form);
        let body: Vec<_> = form
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-twilio-signature", signature.as_str()),
        ];
        let reply = support::http("POST", &url, &headers, &body.join("&")).await;
        let stream = reply
            .body
            .split("url=\"")
            .nth(1)
            .unwrap_or_else(|| panic!("{reply:?}"));
        let stream = stream.split('"').next().unwrap();
        let signed = [(
            "x-twilio-signature",
            support::twilio_signature(token, stream, &[]),
        )];
        let racing = (0..10).map(|_| house::open_socket(stream, &signed));
        let results = futures_util::future::join_all(racing).await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        let late = |result: &&Result<_, telephony::BoxError>| {
            result
                .as_ref()
                .is_err_and(|error| error.to_string().ends_with("refused: 409"))
        };
        let lost = results.iter().filter(late).count();
        assert_eq!((won, lost), (1, 9), "round {round}");
    }
}

mod lost {
    use super::*;

    /// Its connections stay open, as when a machine loses its power: no carrier hears of it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_nodes_calls_are_hung_up_by_another() {
        for provider in [Provider::Twilio, Provider::Vonage, Provider::Plivo] {
            let Some(mut fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
                return;
            };
            let from = fleet.nodes[0].lines();
            let (call, key) = fleet.talk(provider, '9').await;
            fleet.front.media(Line::Dark);
            fleet.nodes[1].kill().await.unwrap();
            let killed = Instant::now();
            let outcome = over(call).await;
            eprintln!(
                "{provider}: hung up {:?} after its node was killed",
                killed.elapsed()
            );
            assert_eq!(outcome.ended_by, EndedBy::App, "{provider}");
            let asked = fleet.carrier(provider).requests_for(Operation::HangUp);
            assert!(!asked.is_empty(), "{provider}");
            let (_, status) = fleet.says(0, from, "status ", " completed").await;
            assert_eq!(status, key, "{provider}");
            fleet.forgotten().await;
            let keys = house::own_redis::keys(&fleet.redis.url(), ":held:")
                .await
                .unwrap();
            assert!(keys.is_empty(), "{keys:?}");
        }
    }

    /// A node that was held for longer than its lease finds that its calls are over, and goes on.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_comes_back_goes_on() {
        let Some(fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
            return;
        };
        let (call, key) = fleet.talk(Provider::Twilio, '9').await;
        fleet.nodes[1].freeze().unwrap();
        let outcome = over(call).await;
        assert_eq!(outcome.ended_by, EndedBy::App);
        let from = fleet.nodes[1].lines();
        fleet.nodes[1].thaw().unwrap();
        let (_, ended) = fleet.says(1, from, "ended ", "").await;
        assert_eq!(ended, key);
        let (call, _) = fleet.talk(Provider::Twilio, '9').await;
        let outcome = hang_up(call).await;
        assert_eq!(outcome.errors().count(), 0, "{outcome:?}");
        fleet.forgotten().await;
    }

    /// No callback comes at all: what became of the call is asked.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn callbacks_are_made_up_for_by_asking_the_carrier() {
        let Some(fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
            return;
        };
        let nodes = fleet.addresses();
        fleet.front.route(move |path| match is_callback(path) {
            true => Pass::Later(Vec::new()),
            false => Pass::To(nodes[usize::from(is_media(path))].clone()),
        });
        for provider in Provider::ALL {
            let from = [fleet.nodes[0].lines(), fleet.nodes[1].lines()];
            let (call, key) = fleet.talk(provider, '9').await;
            hang_up(call).await;
            fleet.says(1, from[1], &format!("ended {key}"), "").await;
            let line = format!("status {key} completed");
            let told = async {
                loop {
                    let said: Vec<_> = (0..2)
                        .flat_map(|at| fleet.nodes[at].said(from[at]))
                        .collect();
                    match said.iter().filter(|said| **said == line).count() {
                        0 => tokio::time::sleep(Duration::from_millis(50)).await,
                        count => return count,
                    }
                }
            };
            let count = tokio::time::timeout(SOON, told).await.expect("nobody asks");
            assert_eq!(count, 1, "{provider}");
            let asked = fleet.carrier(provider).requests_for(Operation::FetchCall);
            assert!(!asked.is_empty(), "{provider}");
        }
        fleet.forgotten().await;
    }
}

mod redis_is {
    use super::*;

    /// Whom our side ends while nobody answers is hung up all the same, though the carrier does not hear that we close.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn gone_and_a_call_that_we_end_is_hung_up() {
        let Some(mut fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
            return;
        };
        let (call, _) = fleet.talk(Provider::Twilio, '1').await;
        fleet.front.media(Line::Dark);
        fleet.redis.stop().unwrap();
        let outcome = over(call).await;
        assert_eq!(outcome.ended_by, EndedBy::App);
        fleet.redis.run().await.unwrap();
        fleet.front.media(Line::Good);
        fleet.forgotten().await;
    }

    /// The stream goes on; its end, of which no callback could be taken, is found out later.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn held_and_calls_go_on() {
        let Some(fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
            return;
        };
        for provider in Provider::ALL {
            let from = fleet.nodes[1].lines();
            let (call, key) = fleet.talk(provider, '9').await;
            fleet.redis.freeze().unwrap();
            tokio::time::sleep(Duration::from_secs(4)).await;
            let said = fleet.nodes[1].said(from);
            assert!(
                !said.iter().any(|line| line.starts_with("ended ")),
                "{said:?}"
            );
            let outcome = hang_up(call).await;
            assert_eq!(outcome.ended_by, EndedBy::Caller, "{provider}");
            let (_, ended) = fleet.says(1, from, "ended ", "").await;
            assert_eq!(ended, key, "{provider}");
            fleet.redis.thaw().unwrap();
            fleet.ready().await;
        }
        fleet.forgotten().await;
    }

    /// What was written down is known again.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn restarted_and_knows_its_calls() {
        let Some(mut fleet) = Fleet::start(Memory::Lasting, &QUICK).await else {
            return;
        };
        let from = fleet.nodes[1].lines();
        let (call, key) = fleet.talk(Provider::Twilio, '9').await;
        fleet.redis.stop().unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        fleet.redis.run().await.unwrap();
        fleet.ready().await;
        fleet.front.media(Line::Deaf);
        hang_up(call).await;
        let (_, ended) = fleet.says(1, from, "ended ", " call-completed").await;
        assert_eq!(ended, key);
        fleet.front.media(Line::Good);
        fleet.forgotten().await;
    }

    /// Live streams go on and end on their own, new calls are as ever, and nothing is left over.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn restarted_and_has_forgotten_its_calls() {
        let Some(mut fleet) = Fleet::start(Memory::Fleeting, &QUICK).await else {
            return;
        };
        for provider in Provider::ALL {
            let from = fleet.nodes[1].lines();
            let (call, key) = fleet.talk(provider, '9').await;
            fleet.redis.stop().unwrap();
            fleet.redis.run().await.unwrap();
            fleet.ready().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            let said = fleet.nodes[1].said(from);
            assert!(
                !said.iter().any(|line| line.starts_with("ended ")),
                "{said:?}"
            );
            let (new, _) = fleet.talk(provider, '9').await;
            hang_up(new).await;
            let outcome = hang_up(call).await;
            assert_eq!(outcome.ended_by, EndedBy::Caller, "{provider}");
            fleet.says(1, from, &format!("ended {key}"), "").await;
        }
        // And one that we end: there is nobody to ask whether it has ended.
        let (call, _) = fleet.talk(Provider::Twilio, '1').await;
        fleet.front.media(Line::Dark);
        fleet.redis.stop().unwrap();
        fleet.redis.run().await.unwrap();
        let outcome = over(call).await;
        assert_eq!(outcome.ended_by, EndedBy::App);
        fleet.front.media(Line::Good);
        fleet.forgotten().await;
    }
}
