//! A call to make, and what the carrier said when it took it.

use super::{Answer, CallStatus, Party};
use crate::{CallId, ProviderName, Report};
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
/// let call = OutboundCall::new(Party::parse("+14155550199"), Party::parse("+14155550100"), Answer::stream());
/// assert!(call.ring_timeout.is_none());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct OutboundCall {
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
            to,
            from,
            answer,
            ring_timeout: None,
            max_duration: None,
            machine_detection: MachineDetection::Off,
            record: false,
            parameters: BTreeMap::new(),
            extensions: Vec::new(),
        }
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

    /// The options of that type for that carrier.
    #[must_use]
    pub fn extension<T: 'static>(&self, provider: &ProviderName) -> Option<&T> {
        self.extensions
            .iter()
            .filter(|extension| extension.provider == *provider)
            .find_map(|e| e.value.downcast_ref())
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
    /// The carrier's id of it.
    pub id: CallId,
    /// Where it is: never further than dialled.
    pub status: CallStatus,
    /// The operation as data.
    pub report: Report,
}

impl PlacedCall {
    /// A call that the carrier took.
    #[must_use]
    pub fn new(id: CallId, status: CallStatus, report: Report) -> Self {
        Self { id, status, report }
    }
}
