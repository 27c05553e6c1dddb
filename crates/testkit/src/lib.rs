//! Simulated phone carriers for testing voice applications.
//!
//! A simulated carrier calls a voice app as the real one does: it sends the signed webhook, reads the answer document,
//! opens the media socket, streams the caller's voice, presses keys, plays what the app sends in real time, returns
//! marks when their audio has been heard, obeys clear, hangs up and sends status callbacks. The app may be written in
//! any language: all that is needed is its URL. Whatever the carrier would refuse, warn about or lose comes back as
//! [`Complaint`]s, with the carrier's own codes where it has some.
//!
//! ```
//! use std::time::Duration;
//! use telephony_testkit::{EndedBy, Script, Simulator, Speech, TwilioAccount};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let outcome = Simulator::twilio(TwilioAccount::new("AC00000000000000000000000000000001", "auth token"))
//!     // Nobody listens here, and that is what the carrier complains of.
//!     .answer_url("http://127.0.0.1:1/twilio/call")
//!     .public_url("https://voice.example.com")
//!     .script(
//!         Script::new()
//!             .speak(Speech::tone(440.0, Duration::from_millis(500)))
//!             .wait_to_hear(Duration::from_millis(400), Duration::from_secs(5))
//!             .hang_up(),
//!     )
//!     .call()
//!     .await;
//!
//! assert!(!outcome.ok() && !outcome.answered);
//! assert_eq!(outcome.ended_by, EndedBy::Carrier);
//! assert_eq!(outcome.complaints[0].code, "11205");
//! # }
//! ```
//!
//! # How it is built
//! The [`engine`] is what no carrier owns: the caller's line, the playout buffer, sockets, HTTP, the clock, the record
//! of everything. A [`Persona`] is one carrier: it drives one call with the engine's building blocks. Strangers write
//! personas in the same way and hand them to [`Simulator::carrier`]. Nothing here is shared with the libraries that
//! talk to the real carriers, not even µ-law: or both could be wrong together.
//!
//! # Calls that the app places
//! [`SimulatedCall::serve`] opens the carrier's REST API on loopback, with the same settings as the pattern of the calls
//! to come. The app places calls there as at the real carrier, and the [`SimulatedCarrier`] calls a person, calls the app
//! back, lets it steer the call, and keeps requests and outcomes. [`OnDial`] says who answers, [`Fault`] what goes wrong.
//!
//! | | place | hang up | new document | keys | recording | look up |
//! |---|---|---|---|---|---|---|
//! | Twilio | TwiML, URL or application; Basic with token or API key; one new call per second | `Status` | `Url`, `Twiml` | `<Play digits>`, `SendDigits` | start, pause, stop, fetch | fetch, list |
//! | Vonage | NCCO or URL; RS256 token; 3 calls and 15 requests per second | `hangup`, also of the socket's leg | `transfer` | `dtmf` | fetch | fetch, list |
//! | Exotel | two numbers, flow or stream; Basic; 200 requests per minute | – | – | – | fetch | fetch, list |
//! | Plivo | answer URL; Basic; one new call per second | `DELETE`, also of a request that waits | `aleg_url`, after the stream | `DTMF` | – | – |
//!
//! # Call stores
//! [`store`] is something else: the rules that every call store keeps, for people who bring their own.
//!
//! # Time
//! [`SimulatedCall::speed`] makes call time run faster: speech, silence, prompts and playout. Deadlines and latencies
//! are wall time, because the app does not get faster.
//!
//! # A carrier crate that proves itself
//! [`conformance!`](crate::conformance!) makes one test of each rule that a carrier's crate has to obey; see
//! [`conformance`](mod@conformance). [`scripted`] has an HTTP client, a media socket and a clock that do as they are told.
//!
//! # What is not simulated
//! TLS (the server under test and the REST APIs are on loopback, whatever their public URLs say), speech recognition,
//! one-way streams, Vonage's calls to sockets. A document that uses such a thing gets a complaint of severity [`Severity::Note`].

mod carrier;
pub mod complaint;
pub mod conformance;
pub mod document;
pub mod engine;
pub mod outcome;
pub mod persona;
pub mod script;
pub mod scripted;
mod simulator;
mod speech;
pub mod store;
pub mod trace;

pub use self::carrier::{ServeError, SimulatedCarrier};
pub use self::complaint::{Complaint, Finding, Severity};
pub use self::conformance::Conformance;
pub use self::document::{Document, Instruction};
pub use self::engine::{
    CallbackDelivery, DialResult, Fault, LiveCall, Method, OnDial, Operation, RestExchange,
};
pub use self::outcome::{EndedBy, Interrupted, Outcome, StreamSummary, Traffic, WebhookAnswer};
pub use self::persona::Persona;
pub use self::persona::exotel::ExotelAccount;
pub use self::persona::plivo::PlivoAccount;
pub use self::persona::twilio::TwilioAccount;
pub use self::persona::vonage::VonageAccount;
pub use self::script::Script;
pub use self::simulator::{CallHandle, RunningCall, SimulatedCall, Simulator};
pub use self::speech::{Speech, SpeechError};
pub use self::trace::{TraceEntry, TraceKind, Way};

/// Keeps the example of the README compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
