//! What has been sent, what of it has been played, and when the rest will have been. Pure: time is passed in.

use std::time::Duration;
use telephony_audio::AudioFormat;

/// The account of one stream's outbound audio. Positions are bytes from the stream's start; times are from there too.
///
/// The model is a carrier that plays what it gets at once and in real time. A mark that comes back corrects it.
#[derive(Debug)]
pub(crate) struct Ledger {
    format: AudioFormat,
    sent: u64,
    /// Up to here the carrier has told us that it was played.
    confirmed: u64,
    /// When everything sent will have been played.
    playout_end: Duration,
}

impl Ledger {
    pub(crate) fn new(format: AudioFormat) -> Self {
        Self {
            format,
            sent: 0,
            confirmed: 0,
            playout_end: Duration::ZERO,
        }
    }

    /// The outbound format.
    pub(crate) fn format(&self) -> AudioFormat {
        self.format
    }

    /// Position of what has been sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// When everything sent will have been played.
    pub(crate) fn playout_end(&self) -> Duration {
        self.playout_end
    }

    /// How much of what was sent is still to be played.
    pub(crate) fn buffered(&self, now: Duration) -> Duration {
        self.playout_end.saturating_sub(now)
    }

    /// `bytes` go out now.
    pub(crate) fn send(&mut self, bytes: usize, now: Duration) {
        self.playout_end = self.playout_end.max(now) + self.format.duration_of(bytes);
        self.sent += bytes as u64;
    }

    /// The carrier says that everything up to `position` has been played by now.
    pub(crate) fn confirm(&mut self, position: u64, now: Duration) {
        if position >= self.confirmed && position <= self.sent {
            self.confirmed = position;
            self.playout_end = now + self.duration(self.sent - position);
        }
    }

    /// By the clock everything up to `position` has been played. That is no news to the clock itself.
    pub(crate) fn assume(&mut self, position: u64) {
        self.confirmed = self.confirmed.max(position.min(self.sent));
    }

    /// Whether everything that was sent is known to have been played or dropped.
    pub(crate) fn is_settled(&self) -> bool {
        self.confirmed == self.sent
    }

    /// Position of what has been played.
    pub(crate) fn played(&self, now: Duration) -> u64 {
        let outstanding = self.format.bytes_in(self.buffered(now)) as u64;
        self.sent.saturating_sub(outstanding).max(self.confirmed)
    }

    /// Everything sent and not played is dropped.
    pub(crate) fn clear(&mut self, now: Duration) {
        self.confirmed = self.sent;
        self.playout_end = self.playout_end.min(now);
    }

    fn duration(&self, bytes: u64) -> Duration {
        self.format
            .duration_of(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 160;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn plays_in_real_time_from_when_it_is_sent() {
        let mut ledger = Ledger::new(AudioFormat::MULAW_8000);
        ledger.send(5 * FRAME, ms(1000));
        assert_eq!(ledger.buffered(ms(1000)), ms(100));
        assert_eq!(ledger.played(ms(1030)), 240);
        assert_eq!(ledger.played(ms(5000)), 5 * FRAME as u64);
        ledger.send(FRAME, ms(5000));
        assert_eq!(ledger.playout_end(), ms(5020), "a pause is not made up for");
    }

    #[test]
    fn a_mark_corrects_the_clock() {
        let mut ledger = Ledger::new(AudioFormat::MULAW_8000);
        ledger.send(10 * FRAME, ms(0));
        ledger.confirm(5 * FRAME as u64, ms(150));
        assert_eq!(
            ledger.buffered(ms(150)),
            ms(100),
            "the carrier plays 50 ms later than we thought"
        );
        assert!(!ledger.is_settled());
        ledger.confirm(10 * FRAME as u64, ms(300));
        assert!(ledger.is_settled());
        ledger.confirm(5 * FRAME as u64, ms(400));
        assert_eq!(
            ledger.buffered(ms(400)),
            ms(0),
            "an old mark changes nothing"
        );
    }

    #[test]
    fn a_clear_settles() {
        let mut ledger = Ledger::new(AudioFormat::MULAW_8000);
        ledger.send(10 * FRAME, ms(0));
        ledger.clear(ms(50));
        assert!(ledger.is_settled());
        assert_eq!(ledger.buffered(ms(50)), ms(0));
    }
}
