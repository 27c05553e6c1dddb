//! Simulated phone carriers for testing voice applications
//!
//! TODO docs

pub mod complaint;
pub mod document;
pub mod engine;
pub mod outcome;
pub mod persona;
pub mod script;
mod simulator;
mod speech;
pub mod trace;

pub use self::complaint::{Complaint, Finding, Severity};
pub use self::document::{Document, Instruction};
pub use self::engine::{CallbackDelivery, DialResult, Method};
pub use self::outcome::{EndedBy, Interrupted, Outcome, StreamSummary, Traffic, WebhookAnswer};
pub use self::persona::Persona;
pub use self::persona::exotel::ExotelAccount;
pub use self::persona::twilio::TwilioAccount;
pub use self::persona::vonage::VonageAccount;
pub use self::script::Script;
pub use self::simulator::{CallHandle, RunningCall, SimulatedCall, Simulator};
pub use self::speech::{Speech, SpeechError};
pub use self::trace::{TraceEntry, TraceKind, Way};
