//! Ports that do as they are told: an HTTP client, a media socket, a clock and a random source for tests of a carrier.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//! use telephony_core::{Clock as _, Ports};
//! use telephony_testkit::scripted::{FakeClock, ScriptedHttp};
//!
//! let clock = FakeClock::at(UNIX_EPOCH + Duration::from_secs(1_780_000_000));
//! let http = ScriptedHttp::new().answer(201, r#"{"request_uuid": "one"}"#);
//! let ports = Ports::default().with_http(http.port()).with_clock(clock.port());
//!
//! clock.advance(Duration::from_secs(1));
//! assert_eq!(ports.clock.now(), UNIX_EPOCH + Duration::from_secs(1_780_000_001));
//! assert!(http.requests().is_empty());
//! ```

mod clock;
mod http;
mod random;
mod socket;

pub use self::clock::FakeClock;
pub use self::http::ScriptedHttp;
pub use self::random::CountedRandom;
pub use self::socket::{Heard, ScriptedPeer, scripted_socket};
