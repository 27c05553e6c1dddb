//! What a stream has done, in numbers.

use std::time::Duration;

/// What a stream has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// Audio messages received.
    pub frames_in: u64,
    /// Bytes of audio received, as the carrier sent them.
    pub bytes_in: u64,
    /// Audio messages sent.
    pub frames_out: u64,
    /// Bytes of audio sent, padding included.
    pub bytes_out: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Messages that we do not know.
    pub ignored: u64,
    /// Audio messages that went out after the carrier had run dry although they were there in time.
    pub late: u64,
    /// Interruptions that stopped something.
    pub interruptions: u64,
    /// Gaps in what came in.
    pub gaps: u64,
    /// How much silence was put into gaps.
    pub filled: Duration,
    /// Audio messages that came twice; the second was dropped.
    pub duplicates: u64,
    /// Audio messages that came after later ones and were put where they belong.
    pub reordered: u64,
    /// Audio messages that came after their place was filled, and were dropped.
    pub late_in: u64,
    /// Audio messages that a slow app lost.
    pub lost: u64,
    /// Other events that a very slow app lost, of which more than 4,096 waited: keys, marks.
    pub lost_events: u64,
    /// How often the caller began to speak.
    pub speeches: u64,
    /// How often that cleared what was played.
    pub barge_ins: u64,
}
