//! Everything that will be in the outcome, collected from all tasks of a call.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::complaint::{Complaint, Finding};
use crate::document::Document;
use crate::engine::line::lock;
use crate::outcome::{Interrupted, StreamSummary, WebhookAnswer};
use crate::speech::resampled;
use crate::trace::{TraceEntry, TraceKind, Way, shortened};

/// A cloneable pen for the record of one call.
#[derive(Clone)]
pub(crate) struct Recorder {
    begun: Instant,
    keep: Keep,
    observer: Option<Observer>,
    record: Arc<Mutex<Record>>,
    /// Requests of the carrier that are over, with or without a reply.
    exchanges: Arc<watch::Sender<u64>>,
}

/// What is kept of a call beside its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Neither messages nor what the caller heard.
    Nothing,
    /// Everything, with the audio in messages shortened.
    Readable,
    /// Everything.
    Whole,
}

/// Told of every message as it passes.
pub(crate) type Observer = Arc<dyn Fn(&TraceEntry) + Send + Sync>;

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) call_id: String,
    pub(crate) answered: bool,
    pub(crate) status: String,
    pub(crate) webhooks: Vec<WebhookAnswer>,
    pub(crate) callbacks: Vec<WebhookAnswer>,
    pub(crate) documents: Vec<Document>,
    pub(crate) streams: Vec<StreamSummary>,
    pub(crate) heard: Vec<i16>,
    pub(crate) heard_rate: u32,
    pub(crate) interruption: Option<Interrupted>,
    pub(crate) keys_pressed: usize,
    pub(crate) tones_heard: String,
    pub(crate) complaints: Vec<Complaint>,
    pub(crate) trace: Vec<TraceEntry>,
}

/// A call of an hour has some 400,000 messages; what a test looks at is at the beginning.
const TRACE_ENTRIES: usize = 50_000;
/// An app can do the same thing wrong fifty times a second.
const COMPLAINTS: usize = 1_000;
/// Ten minutes of what the caller heard are enough.
const HEARD: Duration = Duration::from_secs(600);

impl Recorder {
    pub(crate) fn new(keep: Keep, observer: Option<Observer>) -> Self {
        Self {
            begun: Instant::now(),
            keep,
            observer,
            record: Arc::default(),
            exchanges: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Since the call began (wall time).
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn write(&self, change: impl FnOnce(&mut Record)) {
        change(&mut lock(&self.record));
    }

    /// A request of the carrier is over.
    pub(crate) fn exchanged(&self) {
        self.exchanges.send_modify(|count| *count += 1);
    }

    /// Waits until a first request of the carrier is over.
    pub(crate) async fn first_exchange(&self) {
        // The sender lives in `self`.
        let _ = self
            .exchanges
            .subscribe()
            .wait_for(|count| *count > 0)
            .await;
    }

    pub(crate) fn take(&self) -> Record {
        std::mem::take(&mut lock(&self.record))
    }

    pub(crate) fn complain(&self, finding: Finding) {
        let at = self.elapsed();
        self.write(|record| {
            // The same thing again and again says nothing new.
            let known = record
                .complaints
                .iter()
                .filter(|known| known.code == finding.code && known.text == finding.text)
                .count();
            if known < SAME_COMPLAINT && record.complaints.len() < COMPLAINTS {
                record.complaints.push(Complaint {
                    severity: finding.severity,
                    code: finding.code,
                    text: finding.text,
                    at,
                });
            }
        });
    }

    pub(crate) fn key_pressed(&self) {
        self.write(|record| record.keys_pressed += 1);
    }

    pub(crate) fn hear(&self, samples: &[i16], rate: u32) {
        if self.keep == Keep::Nothing {
            return;
        }
        self.write(|record| {
            if record.heard_rate == 0 {
                record.heard_rate = rate;
            }
            let most = HEARD.as_secs() as usize * record.heard_rate as usize;
            let samples = resampled(samples, rate, record.heard_rate);
            let room = most.saturating_sub(record.heard.len()).min(samples.len());
            record.heard.extend_from_slice(&samples[..room]);
        });
    }

    pub(crate) fn trace_text(&self, way: Way, text: &str) {
        if self.traces_nothing() {
            return;
        }
        let shown = match self.keep {
            Keep::Whole => text.to_owned(),
            Keep::Readable | Keep::Nothing => shortened(text),
        };
        self.trace(
            way,
            TraceKind::Text,
            String::new(),
            vec![],
            shown,
            text.len(),
        );
    }

    pub(crate) fn trace_binary(&self, way: Way, bytes: &[u8]) {
        if self.traces_nothing() {
            return;
        }
        let shown = match self.keep {
            Keep::Whole => STANDARD.encode(bytes),
            Keep::Readable | Keep::Nothing => String::new(),
        };
        self.trace(
            way,
            TraceKind::Binary,
            String::new(),
            vec![],
            shown,
            bytes.len(),
        );
    }

    /// Nobody looks, so nothing need be written.
    fn traces_nothing(&self) -> bool {
        self.keep == Keep::Nothing && self.observer.is_none()
    }

    pub(crate) fn trace(
        &self,
        way: Way,
        kind: TraceKind,
        head: String,
        mut headers: Vec<(String, String)>,
        text: String,
        bytes: usize,
    ) {
        for (name, value) in &mut headers {
            if name.eq_ignore_ascii_case("authorization") {
                let scheme = value.split(' ').next().unwrap_or_default();
                *value = format!("{scheme} …");
            }
        }
        let entry = TraceEntry {
            at: self.elapsed(),
            way,
            kind,
            head,
            headers,
            text,
            bytes,
        };
        if let Some(observer) = &self.observer {
            observer(&entry);
        }
        self.write(|record| {
            if self.keep != Keep::Nothing && record.trace.len() < TRACE_ENTRIES {
                record.trace.push(entry);
            }
        });
    }
}

/// How often the same complaint is kept.
const SAME_COMPLAINT: usize = 3;

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}
