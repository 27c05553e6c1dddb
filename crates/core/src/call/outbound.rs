//! A call to make, and what the carrier said when it took it.

use super::{Answer, CallStatus, CarrierCall, Handover, Party};
use crate::{CallId, CallKey, Error, ErrorKind, ProviderName, Report, Result};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A call to make.
///
/// ```
/// use telephony_core::{Answer, OutboundCall, Party};
///
/// use std::time::Duration;
///
/// let (customer, ours) = (Party::parse("+14155550199"), Party::parse("+14155550100"));
/// let call = OutboundCall::new(customer, ours, Answer::stream()).with_ring_timeout(Duration::from_secs(25));
/// assert!(call.max_duration.is_none()); // the carrier's own limit
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct OutboundCall {
    /// Our id of it, if it was chosen before: with it the call can be steered, and given up, while it is being placed.
    pub key: Option<CallKey>,
    /// Who is called.
    pub to: Party,
    /// Our number that is shown.
    pub from: Party,
    /// What happens when it is answered.
    pub answer: Answer,
    /// How long it rings at most. Default: the carrier's.
    pub ring_timeout: Option<Duration>,
    /// How long the call may last. Default: the carrier's.
    pub max_duration: Option<Duration>,
    /// Whether the carrier finds out if a machine answered.
    pub machine_detection: MachineDetection,
    /// Whether the whole call is recorded by the carrier.
    pub record: bool,
    /// Which changes of its status the carrier is to report.
    pub status_events: StatusEvents,
    /// Handed back by the carrier where it can.
    pub parameters: BTreeMap<String, String>,
    extensions: Vec<Extension>,
}

/// A carrier's own options for a call.
#[derive(Clone)]
struct Extension {
    provider: ProviderName,
    value: Arc<dyn Any + Send + Sync>,
}

/// Which changes of a call's status the carrier is to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StatusEvents {
    /// All that it has.
    #[default]
    All,
    /// The end only, where the carrier lets us choose: fewer requests. That somebody answered is then known from the stream
    /// only.
    End,
}

/// Whether and how the carrier finds out if a machine answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MachineDetection {
    /// It does not.
    #[default]
    Off,
    /// The answer waits for the verdict.
    Wait,
    /// The answer runs at once; the verdict comes as an event.
    Report,
}

impl OutboundCall {
    /// A call to `to` that shows `from` and does `answer` when it is answered.
    #[must_use]
    pub fn new(to: Party, from: Party, answer: Answer) -> Self {
        Self {
            key: None,
            to,
            from,
            answer,
            ring_timeout: None,
            max_duration: None,
            machine_detection: MachineDetection::Off,
            record: false,
            status_events: StatusEvents::All,
            parameters: BTreeMap::new(),
            extensions: Vec::new(),
        }
    }

    /// Rings for so long at most.
    #[must_use]
    pub fn with_ring_timeout(mut self, timeout: Duration) -> Self {
        self.ring_timeout = Some(timeout);
        self
    }

    /// Has this key, which must be a [random](CallKey::random) one of its own.
    #[must_use]
    pub fn with_key(mut self, key: CallKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Lasts for so long at most.
    #[must_use]
    pub fn with_max_duration(mut self, limit: Duration) -> Self {
        self.max_duration = Some(limit);
        self
    }

    /// Lets the carrier find out in this way if a machine answered.
    #[must_use]
    pub fn with_machine_detection(mut self, detection: MachineDetection) -> Self {
        self.machine_detection = detection;
        self
    }

    /// Lets the carrier record the whole call.
    #[must_use]
    pub fn with_recording(mut self) -> Self {
        self.record = true;
        self
    }

    /// Has these changes of its status reported.
    #[must_use]
    pub fn with_status_events(mut self, events: StatusEvents) -> Self {
        self.status_events = events;
        self
    }

    /// Adds a parameter that the carrier hands back where it can, and that is the app's data of the call.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Adds options that only this carrier knows; other carriers ignore them.
    #[must_use]
    pub fn with_extension<T: Send + Sync + 'static>(
        mut self,
        provider: impl Into<ProviderName>,
        value: T,
    ) -> Self {
        self.extensions.push(Extension {
            provider: provider.into(),
            value: Arc::new(value),
        });
        self
    }

    /// The options for that carrier, if there are any. For carrier crates.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if they are of another type, or there are several: they could not be honoured.
    pub fn extension<T: 'static>(&self, provider: &ProviderName) -> Result<Option<&T>> {
        let mut ours = self
            .extensions
            .iter()
            .filter(|extension| extension.provider == *provider);
        let wrong = |detail: &str| {
            let error = Error::new(ErrorKind::InvalidArgument, "place call", detail);
            Err(error.with_provider(provider))
        };
        match (ours.next(), ours.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => wrong("the call has two extensions for this carrier"),
            (Some(extension), None) => match extension.value.downcast_ref() {
                Some(options) => Ok(Some(options)),
                None => {
                    wrong("the call's extension for this carrier is not of the carrier's own type")
                }
            },
        }
    }
}

impl fmt::Debug for OutboundCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundCall")
            .field("to", &self.to)
            .field("from", &self.from)
            .field("answer", &self.answer)
            .field("machine_detection", &self.machine_detection)
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

/// What the carrier said when it took the call. Taken is not answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PlacedCall {
    /// Our id of it, under which it is in the call store.
    pub key: CallKey,
    /// The call as the carrier knows it.
    pub call: CarrierCall,
    /// Where it is: never further than dialled.
    pub status: CallStatus,
    /// How the carrier gets to know what the call is to do.
    pub handover: Handover,
    /// The operation as data.
    pub report: Report,
}

impl PlacedCall {
    /// A call that the carrier took, with all that it is to do.
    #[must_use]
    pub fn new(
        key: CallKey,
        call: impl Into<CarrierCall>,
        status: CallStatus,
        report: Report,
    ) -> Self {
        Self {
            key,
            call: call.into(),
            status,
            handover: Handover::Sent,
            report,
        }
    }

    /// The carrier gets to know in this way what the call is to do.
    #[must_use]
    pub fn with_handover(mut self, handover: Handover) -> Self {
        self.handover = handover;
        self
    }

    /// The carrier's id of it.
    #[must_use]
    pub fn id(&self) -> &CallId {
        &self.call.id
    }
}

/// A call that could not be placed, or of which nobody knows whether it was.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedCall {
    /// Our id of it. With [`Retry::OutcomeUnknown`](crate::Retry) it stays in the call store, so that a callback may still
    /// find it; [`Calls::find_placed`](crate::Calls::find_placed) asks the carrier.
    pub key: Option<CallKey>,
    /// What went wrong.
    pub error: Error,
    /// The operation as data.
    pub report: Report,
}

impl FailedCall {
    /// This call failed for that reason.
    #[must_use]
    pub fn new(
        key: Option<CallKey>,
        provider: &ProviderName,
        call: &OutboundCall,
        error: Error,
    ) -> Self {
        let report = Report::not_placed(provider, call, &error);
        Self { key, error, report }
    }
}

impl fmt::Display for FailedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for FailedCall {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<FailedCall> for Error {
    fn from(failed: FailedCall) -> Self {
        failed.error
    }
}
