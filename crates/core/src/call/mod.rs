//! The vocabulary of calls: who, which way, in what state, what to do, what happened.
//!
//! ```
//! use telephony_core::{CallStatus, Party};
//!
//! assert_eq!("No-Answer".parse(), Ok(CallStatus::NoAnswer));
//! assert_eq!(format!("{:?}", Party::parse("+14155550100")), "Number(***)");
//! ```

mod answer;
mod document;
mod event;
mod incoming;
mod live;
mod outbound;
mod parameters;
mod party;
mod status;
mod steps;

pub use answer::Answer;
pub use document::Document;
pub use event::{
    AnsweredBy, CallEvent, CallEventKind, DialReport, Gathered, LegReport, LegRole, Recording,
    StatusReport, StreamReport,
};
pub use incoming::IncomingCall;
pub use live::{CallSnapshot, CarrierCall, Dtmf, Handover, RecordingAudio};
pub use outbound::{FailedCall, MachineDetection, OutboundCall, PlacedCall, StatusEvents};
pub use parameters::Parameters;
pub use party::{Party, is_e164};
pub use status::{CallStatus, Direction, Transition, UnknownStatus};
pub use steps::{
    AfterStream, Dial, Gather, Play, Prompt, Redirect, RejectReason, Say, Step, Stream,
};
