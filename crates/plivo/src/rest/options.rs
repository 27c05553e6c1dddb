//! What a call can be given beyond the neutral options.

use std::fmt;

/// Plivo's own options for a call, as an extension of [`OutboundCall`](telephony_core::OutboundCall).
///
/// ```
/// use telephony_core::{Answer, OutboundCall, Party};
/// use telephony_plivo::{PlivoCallOptions, provider_name};
///
/// let options = PlivoCallOptions::new().with_caller_name("Acme").with_send_digits("ww12#");
/// let call = OutboundCall::new(Party::parse("+14155550199"), Party::parse("+14155550100"), Answer::stream())
///     .with_extension(provider_name(), options);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlivoCallOptions {
    /// The name that is shown beside the number: up to 50 characters.
    pub caller_name: Option<String>,
    /// Keys that are sent when the other side answers: `0-9 * #`, `w` waits 0.5 s, `W` 1 s.
    pub send_digits: Option<String>,
}

impl PlivoCallOptions {
    /// None of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows this name.
    #[must_use]
    pub fn with_caller_name(mut self, name: impl Into<String>) -> Self {
        self.caller_name = Some(name.into());
        self
    }

    /// Sends these keys when the other side answers.
    #[must_use]
    pub fn with_send_digits(mut self, digits: impl Into<String>) -> Self {
        self.send_digits = Some(digits.into());
        self
    }
}

/// The keys may be a PIN.
impl fmt::Debug for PlivoCallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlivoCallOptions")
            .field("caller_name", &self.caller_name)
            .field("send_digits", &self.send_digits.as_ref().map(String::len))
            .finish()
    }
}
