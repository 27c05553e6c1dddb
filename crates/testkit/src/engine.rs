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
mod media;
mod playout;
pub mod random;
mod recorder;
mod socket;
mod wire;

pub use self::address::{UrlParts, resolve};
pub use self::call::{Call, DialResult, Gathered, Keypad, Method};
pub use self::callbacks::{CallbackDelivery, ReplyCheck};
pub use self::clock::Tempo;
pub use self::ending::{Ended, Ending};
pub use self::http::{Webhook, WebhookFailure, WebhookReply};
pub use self::media::StreamEnd;
pub use self::playout::{Capacity, MarksOnClear, PlayoutRules};
pub use self::socket::{MediaSocket, Upgrade, UpgradeFailure};
pub use self::wire::{AppCommand, MediaWire, Received, StopReason, WireMessage};

pub(crate) use self::address::AddressBook;
pub(crate) use self::call::Plan;
pub(crate) use self::callbacks::{OUTBOX, deliver};
pub(crate) use self::http::HttpPort;
pub(crate) use self::line::{Line, Person};
pub(crate) use self::recorder::{Record, Recorder};
