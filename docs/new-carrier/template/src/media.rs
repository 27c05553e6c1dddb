//! The media socket: the carrier's messages ↔ media events and commands.

use super::NAME;
use telephony_core::media::{Decoded, MediaCodec, MediaCommand, WireMessage};
use telephony_core::{Error, Result};

/// The protocol of one media stream.
#[derive(Debug)]
pub(super) struct AcmeCodec;

impl MediaCodec for AcmeCodec {
    fn decode(&mut self, _message: WireMessage, _decoded: &mut Decoded) -> Result<()> {
        Err(Error::malformed("step 4 is not written yet").with_provider(NAME))
    }

    fn encode(&mut self, _command: MediaCommand<'_>, _out: &mut Vec<WireMessage>) -> Result<()> {
        let detail = "step 4 is not written yet";
        Err(Error::unsupported("write media message", detail).with_provider(NAME))
    }
}
