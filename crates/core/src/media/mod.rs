//! Live audio: the codec that a carrier writes, the socket that a transport fills, and the stream that an app talks to.
//!
//! A carrier gives a [`MediaCodec`], a transport a [`MediaSocket`]; [`drive`] makes a [`Streamer`] of the two. All rules
//! (framing, pacing, marks, clears, the playback ledger) are in [`MediaSession`], which knows neither clock nor socket.
//!
//! ```
//! use telephony_core::media::{MediaEvent, Streamer};
//!
//! /// Says back whatever the caller says.
//! async fn echo(mut stream: Box<dyn Streamer>) {
//!     while let Some(event) = stream.recv().await {
//!         if let MediaEvent::Audio(frame) = event {
//!             if stream.send(frame.payload).await.is_err() {
//!                 break;
//!             }
//!         }
//!     }
//! }
//! ```

mod codec;
mod conversion;
mod driver;
mod events;
mod halves;
mod inbound;
mod io;
mod ledger;
mod options;
mod outbound;
mod output;
mod playback;
mod session;
mod socket;
mod sources;
mod stats;
mod streamer;
mod ticket;

pub use codec::{CodecEvent, Decoded, MediaCodec, MediaCommand, StreamStart};
pub use driver::drive;
pub use options::{AppFormat, StreamOptions, VoiceDetectors, VoiceOptions};
pub use playback::{Heard, Playback, PlaybackCommand};
pub use session::MediaSession;
pub use socket::{MediaSocket, SocketError, WireMessage};
pub use stats::StreamStats;
pub use streamer::{AudioFrame, MarkOutcome, MediaEvent, StreamReceiver, StreamSender, Streamer};
pub use ticket::{EndSignal, EndTrigger, StreamContext, StreamTicket};
