//! Under which span the library works on a call that no request and no stream is about.

use super::Calls;
use crate::{AccountLabel, CallId, CallKey, CallRecord, ProviderName};
use tracing::Span;

impl Calls {
    /// That of a call and of what is done with it.
    pub(super) fn span(&self, call: &CallRecord, operation: &'static str) -> Span {
        let (account, id) = (&call.account, call.call_id.as_ref());
        self.span_of(&call.provider, account, Some(&call.key), id, operation)
    }

    /// The same with what is known. The rest may be recorded later.
    pub(super) fn span_of(
        &self,
        provider: &ProviderName,
        account: &AccountLabel,
        key: Option<&CallKey>,
        id: Option<&CallId>,
        operation: &'static str,
    ) -> Span {
        tracing::info_span!(
            "call",
            operation,
            %provider,
            %account,
            call = key.map(tracing::field::display),
            call_id = id.map(tracing::field::display),
            node = %self.inner.store.node(),
        )
    }
}
