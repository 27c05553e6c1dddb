//! Requests to the carrier.

use super::NAME;
use super::config::AcmeConfig;
use telephony_core::{CarrierCall, Error, RestClient, Result};

/// Ends a call. Already gone is success.
pub(super) async fn hang_up(
    _config: &AcmeConfig,
    _rest: &RestClient,
    _call: &CarrierCall,
) -> Result<()> {
    Err(Error::unsupported("hang up", "step 5 is not written yet").with_provider(NAME))
}
