//! What comes in: its time and its way to the app's format. Pure.

use super::conversion::Conversion;
use super::{AudioFrame, StreamOptions, StreamStart};
use bytes::Bytes;
use std::time::Duration;
use telephony_audio::{AudioFormat, UnsupportedRates};

/// The inbound side of a session.
#[derive(Debug)]
pub(crate) struct Inbound {
    wire: AudioFormat,
    conversion: Conversion,
    end: Duration,
}

impl Inbound {
    pub(crate) fn new(
        start: &StreamStart,
        options: &StreamOptions,
    ) -> Result<Self, UnsupportedRates> {
        let wire = start.inbound;
        Ok(Self {
            wire,
            conversion: Conversion::new(wire, options.receive_format.on(wire))?,
            end: Duration::ZERO,
        })
    }

    pub(crate) fn take(&mut self, payload: Bytes, timestamp: Option<Duration>) -> AudioFrame {
        let timestamp = timestamp.unwrap_or(self.end);
        self.end = timestamp + self.wire.duration_of(payload.len());
        AudioFrame {
            payload: self.conversion.convert(payload),
            timestamp,
            lost: Duration::ZERO,
        }
    }
}
