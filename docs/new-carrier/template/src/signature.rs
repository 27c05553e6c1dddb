//! Who signed a request.

use super::NAME;
use super::config::AcmeConfig;
use telephony_core::{Authenticated, Error, Result, WebhookRequest};

/// Finds out who signed a request.
pub(super) fn authenticate(
    _config: &AcmeConfig,
    _request: &WebhookRequest,
) -> Result<Authenticated> {
    Err(Error::unauthenticated("step 1 is not written yet").with_provider(NAME))
}
