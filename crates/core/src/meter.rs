//! What is measured, for any recorder of the `metrics` crate. Only with the feature `metrics`; without it nothing is counted
//! and the functions here do nothing.
//!
//! ```
//! // A recorder is the app's: a Prometheus exporter, StatsD, … With it in place:
//! telephony_core::meter::describe();
//! for metric in telephony_core::meter::METRICS {
//!     println!("{} [{}]: {}", metric.name, metric.labels.join(", "), metric.help);
//! }
//! ```
//!
//! Labels have few values: no call, account or number is among them. A call is counted on the node that sees it end.
//! Carriers' requests, streams and calls are counted by the library itself; the functions are for servers.

use crate::media::StreamStats;
use crate::{CallRecord, Direction, EndReason, ErrorKind, ProviderName, Result, WebhookKind};
use std::time::Duration;

/// A metric: what it is called and what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Of what kind it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

/// Of what kind a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// How many, ever growing.
    Counter,
    /// How many now.
    Gauge,
    /// How long, in seconds.
    Histogram,
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
        mod names { $(pub(super) const $id: &str = $name;)* }
        /// All that is measured.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
            help: $help,
        }),*];
    };
}

metrics! {
    CALLS_STARTED = Counter "telephony_calls_started_total" ["provider", "direction"] "calls that came in or were placed";
    CALLS_ENDED = Counter "telephony_calls_ended_total" ["provider", "direction", "reason"] "calls that are over, by why";
    CALL_SETUP = Histogram "telephony_call_setup_seconds" ["provider", "direction"] "from the call's first request to its media stream";
    STREAMS_LIVE = Gauge "telephony_streams_live" ["provider"] "media streams that are up on this node";
    STREAMS_ENDED = Counter "telephony_streams_ended_total" ["provider", "reason"] "media streams that are over, by why";
    STREAM_TIME = Histogram "telephony_stream_seconds" ["provider"] "how long a media stream was up";
    FRAMES_RECEIVED = Counter "telephony_frames_received_total" ["provider"] "audio messages from carriers";
    FRAMES_SENT = Counter "telephony_frames_sent_total" ["provider"] "audio messages to carriers";
    BYTES_RECEIVED = Counter "telephony_bytes_received_total" ["provider"] "bytes of audio from carriers";
    BYTES_SENT = Counter "telephony_bytes_sent_total" ["provider"] "bytes of audio to carriers";
    GAPS = Counter "telephony_gaps_total" ["provider"] "gaps in what carriers sent";
    FRAMES_LOST = Counter "telephony_frames_lost_total" ["provider"] "audio messages that a slow app lost";
    MALFORMED = Counter "telephony_messages_malformed_total" ["provider"] "messages of media sockets that could not be read";
    LATE_SENDS = Counter "telephony_late_sends_total" ["provider"] "audio messages that went out after the carrier had run dry";
    INTERRUPTIONS = Counter "telephony_interruptions_total" ["provider"] "clears that stopped something";
    QUEUE = Histogram "telephony_queue_seconds" ["provider"] "audio that waits to be played, looked at every ten seconds of a stream";
    WEBHOOKS = Counter "telephony_webhooks_total" ["provider", "kind", "verdict"] "requests of carriers, by what became of them";
    WEBHOOK_TIME = Histogram "telephony_webhook_seconds" ["provider", "kind"] "how long a carrier waited for our answer";
    REST_REQUESTS = Counter "telephony_rest_requests_total" ["provider", "operation", "outcome"] "requests to carriers, each attempt";
    REST_TIME = Histogram "telephony_rest_seconds" ["provider", "operation"] "how long a carrier took to answer";
}

#[cfg(feature = "metrics")]
const UNKNOWN: &str = "unknown";

/// Tells the recorder what each metric means. Once, after it was put in place.
pub fn describe() {
    #[cfg(feature = "metrics")]
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => metrics::describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram => {
                metrics::describe_histogram!(metric.name, metrics::Unit::Seconds, metric.help);
            }
        }
    }
}

/// What became of a carrier's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It was answered.
    Answered,
    /// It came again and was answered as the first time.
    Repeated,
    /// It is not the carrier's, or not for us.
    Refused,
    /// It could not be read.
    Malformed,
    /// It was too much: limits are reached.
    Limited,
    /// This node shuts down and takes nothing new.
    TurnedAway,
    /// We failed.
    Failed,
}

impl Verdict {
    /// That of a request with this result.
    #[must_use]
    pub fn of<T>(result: &Result<T>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(error) => error.kind().into(),
        }
    }

    /// The word that is counted.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Limited => "limited",
            Self::TurnedAway => "turned-away",
            Self::Failed => "failed",
        }
    }
}

impl From<ErrorKind> for Verdict {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unauthenticated
            | ErrorKind::NotFound
            | ErrorKind::AlreadyClaimed
            | ErrorKind::Closed => Self::Refused,
            ErrorKind::Malformed => Self::Malformed,
            ErrorKind::RateLimited => Self::Limited,
            _ => Self::Failed,
        }
    }
}

/// A carrier's request was dealt with.
pub fn webhook(provider: &ProviderName, kind: WebhookKind, verdict: Verdict, took: Duration) {
    #[cfg(feature = "metrics")]
    {
        let provider = provider.as_str().to_owned();
        metrics::counter!(names::WEBHOOKS, "provider" => provider.clone(), "kind" => kind.as_str(), "verdict" => verdict.as_str()).increment(1);
        metrics::histogram!(names::WEBHOOK_TIME, "provider" => provider, "kind" => kind.as_str())
            .record(took);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (provider, kind, verdict, took);
}

/// A request was answered before it was verified. Whoever sent it may have taken his time, so that only how many came is
/// counted; what it was for is `unknown` where that would be the sender's own words.
pub fn unread(provider: Option<&ProviderName>, kind: Option<WebhookKind>, verdict: Verdict) {
    #[cfg(feature = "metrics")]
    {
        let provider = provider.map_or(UNKNOWN, ProviderName::as_str).to_owned();
        let kind = kind.map_or(UNKNOWN, WebhookKind::as_str);
        metrics::counter!(names::WEBHOOKS, "provider" => provider, "kind" => kind, "verdict" => verdict.as_str()).increment(1);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (provider, kind, verdict);
}

/// A call was opened: it came in or is being placed.
pub fn call_started(provider: &ProviderName, direction: Direction) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::CALLS_STARTED, "provider" => provider.as_str().to_owned(), "direction" => direction.as_str()).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (provider, direction);
}

pub(crate) fn call_ended(call: &CallRecord, reason: &EndReason) {
    #[cfg(feature = "metrics")]
    metrics::counter!(names::CALLS_ENDED, "provider" => call.provider.as_str().to_owned(), "direction" => call.direction.as_str(), "reason" => reason.as_str()).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (call, reason);
}

/// The first media stream of a call is up.
pub fn call_set_up(call: &CallRecord, took: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(names::CALL_SETUP, "provider" => call.provider.as_str().to_owned(), "direction" => call.direction.as_str()).record(took);
    #[cfg(not(feature = "metrics"))]
    let _ = (call, took);
}

/// One attempt of a request to a carrier.
pub(crate) fn request(
    provider: Option<&ProviderName>,
    operation: &'static str,
    outcome: &'static str,
    took: Duration,
) {
    #[cfg(feature = "metrics")]
    {
        let provider = provider.map_or("other", ProviderName::as_str).to_owned();
        metrics::counter!(names::REST_REQUESTS, "provider" => provider.clone(), "operation" => operation, "outcome" => outcome).increment(1);
        metrics::histogram!(names::REST_TIME, "provider" => provider, "operation" => operation)
            .record(took);
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (provider, operation, outcome, took);
}

/// Counts what one stream does. Counted as ended when it is dropped.
#[derive(Debug)]
#[cfg_attr(not(feature = "metrics"), allow(dead_code))]
pub(crate) struct StreamMeter {
    provider: ProviderName,
    counted: StreamStats,
    counted_at: Duration,
    reason: &'static str,
}

impl StreamMeter {
    pub(crate) fn new(provider: ProviderName) -> Self {
        #[cfg(feature = "metrics")]
        metrics::gauge!(names::STREAMS_LIVE, "provider" => provider.as_str().to_owned())
            .increment(1.0);
        Self {
            provider,
            counted: StreamStats::default(),
            counted_at: Duration::ZERO,
            reason: "panicked",
        }
    }

    /// Whether it is time to count again.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        cfg!(feature = "metrics") && now >= self.counted_at + Duration::from_secs(10)
    }

    /// Counts what is new. `queued` is what waits to be played.
    pub(crate) fn count(&mut self, stats: StreamStats, queued: Duration, now: Duration) {
        #[cfg(feature = "metrics")]
        {
            let (provider, before) = (self.provider.as_str().to_owned(), self.counted);
            for (name, before, after) in [
                (names::FRAMES_RECEIVED, before.frames_in, stats.frames_in),
                (names::FRAMES_SENT, before.frames_out, stats.frames_out),
                (names::BYTES_RECEIVED, before.bytes_in, stats.bytes_in),
                (names::BYTES_SENT, before.bytes_out, stats.bytes_out),
                (names::GAPS, before.gaps, stats.gaps),
                (names::FRAMES_LOST, before.lost, stats.lost),
                (names::MALFORMED, before.malformed, stats.malformed),
                (names::LATE_SENDS, before.late, stats.late),
                (
                    names::INTERRUPTIONS,
                    before.interruptions,
                    stats.interruptions,
                ),
            ] {
                if after > before {
                    metrics::counter!(name, "provider" => provider.clone())
                        .increment(after - before);
                }
            }
            metrics::histogram!(names::QUEUE, "provider" => provider).record(queued);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = queued;
        self.counted = stats;
        self.counted_at = now;
    }

    pub(crate) fn ended(&mut self, reason: &EndReason) {
        self.reason = reason.as_str();
    }
}

#[cfg(feature = "metrics")]
impl Drop for StreamMeter {
    fn drop(&mut self) {
        let provider = self.provider.as_str().to_owned();
        metrics::gauge!(names::STREAMS_LIVE, "provider" => provider.clone()).decrement(1.0);
        metrics::histogram!(names::STREAM_TIME, "provider" => provider.clone())
            .record(self.counted_at);
        metrics::counter!(names::STREAMS_ENDED, "provider" => provider, "reason" => self.reason)
            .increment(1);
    }
}
