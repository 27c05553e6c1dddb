//! Cutting a stream of audio into the messages that a carrier wants.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;

use bytes::{Bytes, BytesMut};

/// Makes messages of a carrier's size from chunks of any size, in order and without losing a byte.
///
/// Three ways out, for three moments: [`next_frame`](Self::next_frame) while there is plenty,
/// [`next_available`](Self::next_available) when the carrier is about to run dry, and [`flush`](Self::flush) when the
/// utterance is over. A message that lies within one chunk is a view of it; only what crosses an edge is copied, and
/// chunks under 64 bytes, which are gathered on arrival because keeping each would cost more than its bytes.
///
/// The framer sets no bound: who pushes looks at [`len`](Self::len) first.
///
/// ```
/// use bytes::Bytes;
/// use telephony_audio::{Encoding, FrameRules, Framer};
///
/// # fn main() -> Result<(), telephony_audio::FrameRulesError> {
/// // Multiples of 320 bytes, best 3200, never over 100 000.
/// let mut framer = Framer::new(FrameRules::new(320, 3_200, 100_000)?);
/// framer.push(Bytes::from(vec![1; 4_000]));
///
/// assert_eq!(framer.next_frame().map(|frame| frame.len()), Some(3_200));
/// assert_eq!(framer.next_frame(), None); // 800 left
/// assert_eq!(framer.next_available().map(|frame| frame.len()), Some(640));
/// assert_eq!(framer.next_available(), None); // 160 left: not a unit
/// assert_eq!(framer.flush(Encoding::Pcm16Le.silence()).map(|frame| frame.len()), Some(320));
/// assert_eq!(framer.flush(Encoding::Pcm16Le.silence()), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Framer {
    rules: FrameRules,
    chunks: VecDeque<Bytes>,
    /// Small chunks, which came after all of `chunks`.
    gathered: BytesMut,
    len: usize,
}

/// Chunks below this many bytes are gathered: a queue entry and its own allocation take about as much.
const SMALL_CHUNK: usize = 64;

impl Framer {
    /// An empty framer.
    #[must_use]
    pub fn new(rules: FrameRules) -> Self {
        Self {
            rules,
            chunks: VecDeque::new(),
            gathered: BytesMut::new(),
            len: 0,
        }
    }

    /// The rules that it was made with.
    #[must_use]
    pub fn rules(&self) -> FrameRules {
        self.rules
    }

    /// Queues a chunk of any size.
    pub fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len();
        if chunk.len() < SMALL_CHUNK {
            self.gathered.extend_from_slice(&chunk);
        } else {
            if !self.gathered.is_empty() {
                self.chunks.push_back(self.gathered.split().freeze());
            }
            self.chunks.push_back(chunk);
        }
    }

    /// A message of exactly the preferred size, if as much is queued.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        let preferred = self.rules.preferred_bytes;
        (self.len >= preferred).then(|| self.take(preferred))
    }

    /// A message of as many whole units as are queued, up to the preferred size; `None` below one unit.
    pub fn next_available(&mut self) -> Option<Bytes> {
        let wanted = self.len.min(self.rules.preferred_bytes);
        let whole = wanted - wanted % self.rules.unit_bytes;
        (whole > 0).then(|| self.take(whole))
    }

    /// The next message of an utterance that is over; call it until it returns `None`.
    ///
    /// Messages of the preferred size while there are any, then the rest, padded with the byte `silence` to whole units
    /// (see [`Encoding::silence`](crate::Encoding::silence)).
    pub fn flush(&mut self, silence: u8) -> Option<Bytes> {
        if self.len == 0 {
            return None;
        }
        if self.len >= self.rules.preferred_bytes {
            return self.next_frame();
        }
        match self.padding() {
            0 => Some(self.take(self.len)),
            padding => {
                let padded = self.len + padding;
                let mut message = BytesMut::with_capacity(padded);
                self.copy_into(&mut message, self.len);
                message.resize(padded, silence);
                Some(message.freeze())
            }
        }
    }

    /// Bytes queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of silence that flushing would add to what is queued now: what the carrier will play and nobody said.
    #[must_use]
    pub fn padding(&self) -> usize {
        match self.len % self.rules.unit_bytes {
            0 => 0,
            tail => self.rules.unit_bytes - tail,
        }
    }

    /// Drops all that is queued, for a caller who interrupts. Returns how many bytes that was.
    ///
    /// What is pushed next starts a new stream: not in the middle of a sample.
    pub fn clear(&mut self) -> usize {
        self.chunks.clear();
        self.gathered = BytesMut::new();
        std::mem::take(&mut self.len)
    }

    /// The first `count` bytes; at least as many must be queued.
    fn take(&mut self, count: usize) -> Bytes {
        match self.chunks.front_mut() {
            None => {
                self.len -= count;
                self.gathered.split_to(count).freeze()
            }
            Some(first) if first.len() > count => {
                self.len -= count;
                first.split_to(count)
            }
            Some(first) if first.len() == count => {
                self.len -= count;
                self.chunks.pop_front().unwrap_or_default()
            }
            Some(_) => {
                let mut joined = BytesMut::with_capacity(count);
                self.copy_into(&mut joined, count);
                joined.freeze()
            }
        }
    }

    /// Moves the first `count` bytes to the end of `joined`; at least as many must be queued.
    fn copy_into(&mut self, joined: &mut BytesMut, count: usize) {
        self.len -= count;
        let mut missing = count;
        while let Some(first) = self.chunks.front_mut() {
            if first.len() > missing {
                joined.extend_from_slice(&first.split_to(missing));
                return;
            }
            joined.extend_from_slice(first);
            missing -= first.len();
            self.chunks.pop_front();
        }
        joined.extend_from_slice(&self.gathered.split_to(missing));
    }
}

/// Shows sizes, not the caller's voice.
impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer")
            .field("rules", &self.rules)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The sizes of message that a carrier takes, in bytes of encoded audio (before base64).
///
/// A carrier that wants messages of exactly one size has all three the same; one that takes any size has a unit of one
/// sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRules {
    unit_bytes: usize,
    preferred_bytes: usize,
    max_bytes: usize,
}

impl FrameRules {
    /// Messages are whole multiples of `unit_bytes`, normally `preferred_bytes`, and never over `max_bytes`.
    ///
    /// The unit should be whole samples of the encoding, or a message may end within one.
    ///
    /// # Errors
    ///
    /// If the unit is zero, the preferred size is not one or more whole units, or it is over the maximum.
    pub const fn new(
        unit_bytes: usize,
        preferred_bytes: usize,
        max_bytes: usize,
    ) -> Result<Self, FrameRulesError> {
        if unit_bytes == 0 {
            return Err(FrameRulesError::NoUnit);
        }
        if preferred_bytes == 0 || !preferred_bytes.is_multiple_of(unit_bytes) {
            return Err(FrameRulesError::NotWholeUnits {
                unit_bytes,
                preferred_bytes,
            });
        }
        if preferred_bytes > max_bytes {
            return Err(FrameRulesError::OverMaximum {
                preferred_bytes,
                max_bytes,
            });
        }
        Ok(Self {
            unit_bytes,
            preferred_bytes,
            max_bytes,
        })
    }

    /// The same carrier's rules with another preferred size, as a user may configure it.
    ///
    /// # Errors
    ///
    /// If the size is not one or more whole units, or it is over the maximum.
    pub const fn with_preferred(self, preferred_bytes: usize) -> Result<Self, FrameRulesError> {
        Self::new(self.unit_bytes, preferred_bytes, self.max_bytes)
    }

    /// Every message is a multiple of this.
    #[must_use]
    pub const fn unit_bytes(self) -> usize {
        self.unit_bytes
    }

    /// The size of message to send while there is enough audio.
    #[must_use]
    pub const fn preferred_bytes(self) -> usize {
        self.preferred_bytes
    }

    /// The largest message that the carrier takes.
    #[must_use]
    pub const fn max_bytes(self) -> usize {
        self.max_bytes
    }
}

/// Why sizes of message do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameRulesError {
    /// The unit is zero bytes.
    NoUnit,
    /// The preferred size is not one or more whole units.
    NotWholeUnits {
        /// The unit.
        unit_bytes: usize,
        /// The preferred size.
        preferred_bytes: usize,
    },
    /// The preferred size is over the maximum.
    OverMaximum {
        /// The preferred size.
        preferred_bytes: usize,
        /// The maximum.
        max_bytes: usize,
    },
}

impl fmt::Display for FrameRulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUnit => f.write_str("the unit of a message is zero bytes"),
            Self::NotWholeUnits {
                unit_bytes,
                preferred_bytes,
            } => {
                write!(
                    f,
                    "a message of {preferred_bytes} bytes is not one or more units of {unit_bytes} bytes"
                )
            }
            Self::OverMaximum {
                preferred_bytes,
                max_bytes,
            } => {
                write!(
                    f,
                    "a message of {preferred_bytes} bytes is over the maximum of {max_bytes} bytes"
                )
            }
        }
    }
}

impl Error for FrameRulesError {}
