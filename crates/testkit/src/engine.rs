//! The engine: everything about a simulated call that no carrier owns.
//!
//! A [`Persona`](crate::Persona) is handed a [`Call`] and drives it with these building blocks: webhooks, callbacks,
//! media sockets, digits, the passing of time, and complaints. The engine keeps the caller's line, the playout buffer,
//! the record and the clock.

mod address;
mod call;
mod callbacks;
pub mod clock;
mod ending;
mod http;
mod line;
mod live;
mod media;
mod meter;
mod play;
mod playout;
pub mod random;
mod recorder;
mod recording;
mod rest;
mod socket;
mod wire;

pub use self::address::{UrlParts, resolve};
pub use self::call::{Call, DialResult, Gathered, Keypad, Method, OnDial};
pub use self::callbacks::{CallbackDelivery, ReplyCheck};
pub use self::clock::Tempo;
pub use self::ending::{Ended, Ending};
pub use self::http::{Webhook, WebhookFailure, WebhookReply};
pub use self::live::{CallDirection, Diversion, LiveCall, NewDocument};
pub use self::media::StreamEnd;
pub use self::play::{Flow, beside};
pub use self::playout::{Capacity, MarksOnClear, PlayoutRules};
pub use self::recording::Recording;
pub use self::rest::{
    Application, Fault, Operation, Placement, RateLimit, RestApi, RestExchange, RestFailure,
    RestRequest, RestResponse, Switchboard,
};
pub use self::socket::{MediaSocket, Upgrade, UpgradeFailure};
pub use self::wire::{AppCommand, MediaWire, Received, StopReason, WireMessage};

pub(crate) use self::call::Plan;
pub(crate) use self::live::Birth;
pub(crate) use self::play::{AbortOnDrop, Incoming, assemble, play};
pub(crate) use self::recorder::{Keep, Recorder};
pub(crate) use self::rest::serve;
