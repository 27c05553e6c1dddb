//! What one operation did, as data: for logs, dashboards and tests that compare carriers.
//!
//! ```
//! use telephony_core::{Error, Report, ProviderName, metadata};
//!
//! let report = Report::failed(&ProviderName::from_static("twilio"), "place call", &Error::malformed("no sid"));
//! assert_eq!(report.get(metadata::PROVIDER), Some("twilio"));
//! assert_eq!(report.metric("STATUS"), Some("FAILED"));
//! ```

use crate::{
    CallEvent, CallId, CallStatus, Error, IncomingCall, OutboundCall, Party, ProviderName,
};
use bytes::Bytes;
use std::fmt;

/// The names of the metadata.
pub mod metadata {
    /// The carrier.
    pub const PROVIDER: &str = "telephony.provider";
    /// Who is called.
    pub const TO_PHONE: &str = "telephony.toPhone";
    /// Who calls.
    pub const FROM_PHONE: &str = "telephony.fromPhone";
    /// The carrier's id of the call.
    pub const CALL_ID: &str = "telephony.callId";
    /// The carrier's id of the conversation that the call belongs to; the call's id where there is no other.
    pub const CONVERSATION_REFERENCE: &str = "telephony.conversation_reference";
    /// What went wrong.
    pub const ERROR: &str = "telephony.error";
}

/// One fact about the call. `Debug` does not show the values of numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata {
    /// One of the names in [`metadata`].
    pub name: &'static str,
    /// The value. Numbers are in full: this is for programs.
    pub value: String,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_number = matches!(self.name, metadata::TO_PHONE | metadata::FROM_PHONE);
        write!(
            f,
            "{}={}",
            self.name,
            if is_number { "***" } else { &self.value }
        )
    }
}

/// One measure of the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// Its name: `STATUS`.
    pub name: &'static str,
    /// Its value: `SUCCESS`, `FAILED`, or the call's status in capitals.
    pub value: String,
    /// What it says, for people.
    pub description: String,
}

/// One thing that happened, with its payload. `Debug` does not show the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportEvent {
    /// `api-call`, or the call's status, or the event's name.
    pub name: String,
    /// The carrier's own words.
    pub payload: Bytes,
}

impl fmt::Debug for ReportEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} bytes)", self.name, self.payload.len())
    }
}

/// What one operation did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Facts about the call.
    pub metadata: Vec<Metadata>,
    /// Measures of the operation.
    pub metrics: Vec<Metric>,
    /// What happened, in order.
    pub events: Vec<ReportEvent>,
}

impl Report {
    /// A call came in.
    #[must_use]
    pub fn incoming(call: &IncomingCall) -> Self {
        let mut report = Self::for_provider(call.provider());
        report.add_parties(call.from(), call.to());
        report.add_call(call.id());
        if let Some(conversation) = call.conversation() {
            report = report.with_conversation(conversation);
        }
        let status = call.status().unwrap_or(CallStatus::Ringing);
        report.add_status(&status.as_str().to_ascii_uppercase(), "a call came in");
        report.events.push(ReportEvent {
            name: status.to_string(),
            payload: call.raw().clone(),
        });
        report
    }

    /// A call was placed: the carrier took it, which is not an answer.
    #[must_use]
    pub fn placed(
        provider: &ProviderName,
        from: &Party,
        to: &Party,
        id: &CallId,
        status: CallStatus,
        payload: Bytes,
    ) -> Self {
        let mut report = Self::for_provider(provider);
        report.add_parties(from, to);
        report.add_call(Some(id));
        report.add_status("SUCCESS", "the carrier took the call");
        report.events.push(ReportEvent {
            name: "api-call".to_owned(),
            payload: payload.clone(),
        });
        report.events.push(ReportEvent {
            name: status.to_string(),
            payload,
        });
        report
    }

    /// A call could not be placed, or nobody knows whether it was.
    #[must_use]
    pub fn not_placed(provider: &ProviderName, call: &OutboundCall, error: &Error) -> Self {
        let mut report =
            Self::failed(provider, "place call", error).with_parties(&call.from, &call.to);
        let payload = Bytes::from(error.to_string());
        for name in ["api-call", CallStatus::Failed.as_str()] {
            report.events.push(ReportEvent {
                name: name.to_owned(),
                payload: payload.clone(),
            });
        }
        report
    }

    /// A callback came.
    #[must_use]
    pub fn event(provider: &ProviderName, event: &CallEvent) -> Self {
        let mut report = Self::for_provider(provider);
        report.add_call(event.call_id.as_ref());
        let name = event
            .status()
            .map_or_else(|| event.name().to_owned(), |status| status.to_string());
        match event.status() {
            Some(status) => report.add_status(
                &status.as_str().to_ascii_uppercase(),
                "the call's status changed",
            ),
            None => report.add_status("SUCCESS", "an event came"),
        }
        report.events.push(ReportEvent {
            name,
            payload: event.raw.clone(),
        });
        report
    }

    /// The operation failed.
    #[must_use]
    pub fn failed(provider: &ProviderName, operation: &str, error: &Error) -> Self {
        let mut report = Self::for_provider(provider);
        report.metadata.push(Metadata {
            name: metadata::ERROR,
            value: error.to_string(),
        });
        report.add_status("FAILED", operation);
        report
    }

    /// The first value of that metadata.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.metadata
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| entry.value.as_str())
    }

    /// The value of that metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&str> {
        self.metrics
            .iter()
            .find(|metric| metric.name == name)
            .map(|metric| metric.value.as_str())
    }

    /// Replaces the conversation's id, where the carrier has one of its own.
    #[must_use]
    pub fn with_conversation(mut self, reference: impl Into<String>) -> Self {
        self.metadata
            .retain(|entry| entry.name != metadata::CONVERSATION_REFERENCE);
        self.metadata.push(Metadata {
            name: metadata::CONVERSATION_REFERENCE,
            value: reference.into(),
        });
        self
    }

    /// Adds who calls whom.
    #[must_use]
    pub fn with_parties(mut self, from: &Party, to: &Party) -> Self {
        self.add_parties(from, to);
        self
    }

    fn for_provider(provider: &ProviderName) -> Self {
        Self {
            metadata: vec![Metadata {
                name: metadata::PROVIDER,
                value: provider.to_string(),
            }],
            ..Self::default()
        }
    }

    fn add_parties(&mut self, from: &Party, to: &Party) {
        self.metadata.push(Metadata {
            name: metadata::TO_PHONE,
            value: to.address().to_owned(),
        });
        self.metadata.push(Metadata {
            name: metadata::FROM_PHONE,
            value: from.address().to_owned(),
        });
    }

    fn add_call(&mut self, id: Option<&CallId>) {
        if let Some(id) = id {
            self.metadata.push(Metadata {
                name: metadata::CALL_ID,
                value: id.to_string(),
            });
            self.metadata.push(Metadata {
                name: metadata::CONVERSATION_REFERENCE,
                value: id.to_string(),
            });
        }
    }

    fn add_status(&mut self, value: &str, description: &str) {
        self.metrics.push(Metric {
            name: "STATUS",
            value: value.to_owned(),
            description: description.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_there_for_programs_and_hidden_from_debug() {
        let (from, to) = (Party::parse("+14155550100"), Party::parse("+14155550199"));
        let id = CallId::new("CA1").unwrap();
        let provider = ProviderName::from_static("acme");
        let report = Report::placed(
            &provider,
            &from,
            &to,
            &id,
            CallStatus::Queued,
            Bytes::from_static(b"{}"),
        );
        assert_eq!(report.get(metadata::FROM_PHONE), Some("+14155550100"));
        assert_eq!(report.get(metadata::CONVERSATION_REFERENCE), Some("CA1"));
        let names: Vec<_> = report
            .events
            .iter()
            .map(|event| event.name.as_str())
            .collect();
        assert_eq!(names, ["api-call", "queued"]);
        assert!(!format!("{report:?}").contains("415555"));
        assert_eq!(
            report
                .with_conversation("CON-1")
                .get(metadata::CONVERSATION_REFERENCE),
            Some("CON-1")
        );
    }
}
