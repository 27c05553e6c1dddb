//! Randomness that is the same every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use telephony_core::{RandomSource, Result};

/// Gives 1, 2, 3, … as bytes: keys and tokens are different, and the same in every run.
#[derive(Debug, Default)]
pub struct CountedRandom(AtomicU8);

impl CountedRandom {
    /// Begins with 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// As a port.
    pub fn port(self) -> Arc<dyn RandomSource> {
        Arc::new(self)
    }
}

impl RandomSource for CountedRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        for byte in bytes {
            *byte = self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        }
        Ok(())
    }
}
