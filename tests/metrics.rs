//! What is measured: one whole call on every carrier, and a stranger.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::time::Duration;
use support::rest::{House, listen};
use telephony::meter;
use telephony::reqwest::HttpOptions;
use telephony::{Answer, Provider};
use telephony_testkit::{OnDial, Script, Speech};

/// All that was counted since the last look: name, labels, and the count or how many were recorded.
fn look(snapshotter: &Snapshotter) -> Vec<(String, String, f64)> {
    let snapshot = snapshotter.snapshot().into_vec().into_iter();
    snapshot
        .map(|(key, _, _, value)| {
            let labels = key.key().labels();
            let labels: Vec<_> = labels.map(|label| label.value().to_owned()).collect();
            let value = match value {
                DebugValue::Counter(count) => count as f64,
                DebugValue::Gauge(value) => value.into_inner(),
                DebugValue::Histogram(values) => values.len() as f64,
            };
            (key.key().name().to_owned(), labels.join(" "), value)
        })
        .collect()
}

#[tokio::test]
async fn a_call_is_counted_from_its_beginning_to_its_end() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    meter::describe();
    for provider in Provider::ALL {
        let http = HttpOptions::default();
        let house = House::with(provider, listen, http, |url| {
            let tone = Speech::tone(440.0, Duration::from_millis(600));
            house::simulated::call(provider, url)
                .on_dial(OnDial::Answer {
                    after: Duration::from_millis(100),
                })
                .script(Script::new().speak(tone).hang_up())
        })
        .await;
        let call = house.outbound(Answer::stream());
        let key = house.calls.place(&house.label, call).await.unwrap().key;
        house.outcome(0).await;
        house.finished(&key).await;
        // The stream's task may be a moment behind.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let seen = look(&snapshotter);
        let count = |name: &str, labels: &str| {
            let found = seen.iter().filter(|(known, with, _)| {
                known == name && (with == labels || with.starts_with(&format!("{labels} ")))
            });
            found.map(|(_, _, value)| value).sum::<f64>()
        };
        let name = provider.to_string();
        let outbound = format!("{name} outbound");
        assert_eq!(
            count("telephony_calls_started_total", &outbound),
            1.0,
            "{seen:#?}"
        );
        assert_eq!(
            count("telephony_calls_ended_total", &outbound),
            1.0,
            "{seen:#?}"
        );
        let ended = format!("{outbound} call-completed");
        assert_eq!(
            count("telephony_calls_ended_total", &ended),
            1.0,
            "{seen:#?}"
        );
        assert_eq!(count("telephony_call_setup_seconds", &outbound), 1.0);
        assert_eq!(count("telephony_streams_live", &name), 0.0);
        assert_eq!(count("telephony_streams_ended_total", &name), 1.0);
        assert_eq!(count("telephony_stream_seconds", &name), 1.0);
        assert!(count("telephony_frames_received_total", &name) >= 3.0);
        assert!(count("telephony_bytes_received_total", &name) >= 4_000.0);
        assert!(count("telephony_webhooks_total", &name) >= 2.0);
        assert!(
            count(
                "telephony_rest_requests_total",
                &format!("{name} place call ok")
            ) >= 1.0,
            "{seen:#?}"
        );
        for (name, labels, _) in &seen {
            let metric = meter::METRICS.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} is not listed"));
            assert!(!labels.contains('+'), "a number in {name}: {labels}");
            assert!(!metric.help.is_empty());
        }
        // One that our side gives up is counted once, whatever the carrier says later. Exotel cannot give up what rings.
        if provider != Provider::Exotel {
            let house = House::start(provider, |call| call.on_dial(OnDial::NoAnswer)).await;
            let call = house.outbound(Answer::stream());
            let key = house.calls.place(&house.label, call).await.unwrap().key;
            house.calls.hang_up(&key).await.unwrap();
            house.finished(&key).await;
            let ended: Vec<_> = look(&snapshotter)
                .into_iter()
                .filter(|(known, _, count)| known == "telephony_calls_ended_total" && *count > 0.0)
                .collect();
            let labels = format!("{outbound} app");
            let wanted = [("telephony_calls_ended_total".to_owned(), labels, 1.0)];
            assert_eq!(ended, wanted);
        }
        // A stranger.
        let url = format!("{}/{}/status", house.calls.public_url(), house.label);
        assert_eq!(support::http("POST", &url, &[], "").await.status, 403);
        let seen = look(&snapshotter);
        let refused = format!("{name} status refused");
        let is_counted = seen.iter().any(|(name, labels, count)| {
            name == "telephony_webhooks_total" && *labels == refused && *count == 1.0
        });
        assert!(is_counted, "{seen:#?}");
    }
}
