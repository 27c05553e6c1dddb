//! Answers as the carrier's own document.

use super::NAME;
use telephony_core::{Answer, Answered, CallLinks, Error, Result};

/// Writes what to do with a call.
pub(super) fn write(_answer: &Answer, _links: &CallLinks) -> Result<Answered> {
    Err(Error::unsupported("write answer", "step 3 is not written yet").with_provider(NAME))
}
