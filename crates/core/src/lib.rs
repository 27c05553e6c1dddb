//! One API for every phone carrier: the vocabulary, the traits, the pure machinery and the media driver.
//!
//! Apps depend on the `telephony` crate, which brings the carriers; this crate is what carriers, transports, servers and
//! stores are written against. It knows no carrier, no HTTP server and no WebSocket library.
//!
//! A webhook is [verified](verify), [read](Telephony::accept_call) and [answered](Telephony::incoming_call):
//!
//! ```
//! use telephony_core::{Answer, Answered, CallLinks, Result, Telephony, WebhookRequest, verify};
//!
//! fn on_webhook(carrier: &dyn Telephony, request: WebhookRequest, links: &CallLinks) -> Result<Answered> {
//!     let request = verify(carrier, request)?;
//!     let call = carrier.accept_call(&request)?;
//!     carrier.incoming_call(&call, &Answer::stream(), links)
//! }
//! ```
//!
//! The carrier then opens a media socket, which becomes a [`Streamer`](media::Streamer): see [`media`].

mod calls;
mod capabilities;
mod end;
mod error;
mod ids;
mod links;
mod ports;
mod registry;
mod report;
mod rest;
mod settings;
mod telephony;

pub mod call;
pub mod media;
pub mod meter;
pub mod redact;
pub mod store;
pub mod webhook;

pub use call::{
    AfterStream, Answer, AnsweredBy, CallEvent, CallEventKind, CallSnapshot, CallStatus,
    CarrierCall, Dial, DialReport, Direction, Document, Dtmf, FailedCall, Gather, Gathered,
    Handover, IncomingCall, LegReport, LegRole, MachineDetection, OutboundCall, Parameters, Party,
    PlacedCall, Play, Prompt, Recording, RecordingAudio, Redirect, RejectReason, Say, StatusEvents,
    StatusReport, Step, Stream, StreamReport, Transition, UnknownStatus, is_e164,
};
pub use calls::{Calls, CallsOptions};
pub use capabilities::{Capabilities, Clear, DtmfOut, HangUpBy, Marks, Operation, Verb};
pub use end::EndReason;
pub use error::{Error, ErrorKind, Result, Retry};
pub use ids::{AccountLabel, CallId, CallKey, MediaToken, ProviderName, RecordingId, StreamId};
pub use links::{CallLinks, PublicUrl};
pub use ports::{Clock, HttpClient, NoHttpClient, OsRandom, Ports, RandomSource, SystemClock};
pub use redact::Secret;
pub use registry::{CarrierEntry, OpenAccount, Registry};
pub use report::{Metadata, Metric, Report, ReportEvent, metadata};
pub use rest::{Limiter, Repeat, RestClient, RetryOptions};
pub use settings::{ConfigKey, Settings, de};
pub use store::{
    AccountLimits, CallRate, CallRecord, CallStore, Claim, ClaimedStream, Expired, FirstTime,
    KeptAnswer, MediaGrant, MemoryStore, MemoryStoreOptions, NewCall, NodeId, RequestName,
    StatusUpdate, StorePolicy, TransferOutcome, Turn,
};
pub use telephony::Telephony;
pub use telephony_audio as audio;
pub use webhook::{Answered, Authenticated, Verified, WebhookKind, WebhookRequest, verify};
