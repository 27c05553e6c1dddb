//! Phone calls in Rust: one API for every carrier.
//!
//! A voice app is written once; the carrier is a name in its configuration. Calls come in and are answered, media streams
//! are live audio both ways, and nobody needs to see TwiML, NCCO, base64 or µ-law.
//!
//! ```no_run
//! use telephony::media::{MediaEvent, Streamer};
//! use telephony::{Answer, BoxError, CallHandler, CallServer, IncomingCall, PublicUrl};
//!
//! #[derive(Debug)]
//! struct Echo;
//!
//! #[async_trait::async_trait]
//! impl CallHandler for Echo {
//!     async fn on_call(&self, _call: IncomingCall) -> Result<Answer, BoxError> {
//!         Ok(Answer::stream())
//!     }
//!
//!     async fn on_stream(&self, mut stream: Box<dyn Streamer>) {
//!         while let Some(event) = stream.recv().await {
//!             if let MediaEvent::Audio(frame) = event {
//!                 let _ = stream.send(frame.payload).await;
//!             }
//!         }
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let server = CallServer::new(PublicUrl::new("https://voice.example.com")?, Echo);
//!     for account in telephony::from_env(&telephony::ports()?)? {
//!         server.add_account(account);
//!     }
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     server.serve(listener, std::future::pending()).await?;
//!     Ok(())
//! }
//! ```
//!
//! # What is where
//! | what you want | where |
//! |---|---|
//! | the carriers, by name | [`Provider`], [`registry`], [`from_env`], [`from_file`] |
//! | what to do with a call | [`Answer`] |
//! | live audio | [`media`] |
//! | what carriers report | [`CallEvent`] |
//! | a server | [`CallServer`], feature `axum` |
//! | placing and steering calls | [`Calls`], [`OutboundCall`]; an HTTP client: [`ports`](fn@ports), feature `reqwest` |
//! | many nodes | `RedisStore`, feature `redis`; a store of your own: [`CallStore`] |
//! | a carrier of your own | [`Telephony`], [`media::MediaCodec`], [`Registry`] |
//!
//! # Features
//! On by default: `twilio`, `vonage`, `exotel`, `plivo` (one carrier each), `axum` (the server), `reqwest` (an HTTP client for
//! placing and steering calls), `file` (accounts from a TOML or JSON file).
//!
//! Off by default: `redis` (the call store of many nodes), with `redis-tls` and `redis-cluster`.

mod open;
mod provider;

#[cfg(feature = "reqwest")]
pub use open::ports;
pub use open::{from_env, from_env_with, registry};
#[cfg(feature = "file")]
pub use open::{from_file, from_file_with};
pub use provider::Provider;

pub use telephony_core::*;

#[cfg(feature = "axum")]
pub use telephony_axum::{
    BoxError, CallHandler, CallServer, EventContext, ServerOptions, TrustedProxies,
};
#[cfg(feature = "exotel")]
pub use telephony_exotel as exotel;
#[cfg(feature = "plivo")]
pub use telephony_plivo as plivo;
#[cfg(feature = "redis")]
pub use telephony_redis as redis;
#[cfg(feature = "reqwest")]
pub use telephony_reqwest as reqwest;
#[cfg(feature = "twilio")]
pub use telephony_twilio as twilio;
#[cfg(feature = "vonage")]
pub use telephony_vonage as vonage;
#[cfg(feature = "axum")]
pub use telephony_ws as ws;

/// The code in the README and the guides is compiled with the tests.
#[cfg(all(doctest, feature = "axum", feature = "reqwest", feature = "twilio"))]
mod guides {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/answer-a-call.md")]
    struct AnswerACall;
    #[doc = include_str!("../../../docs/make-and-steer-calls.md")]
    struct MakeAndSteerCalls;
    #[doc = include_str!("../../../docs/audio.md")]
    struct Audio;
    #[doc = include_str!("../../../docs/carriers.md")]
    struct Carriers;
    #[doc = include_str!("../../../docs/operate.md")]
    struct Operate;
    #[cfg(feature = "redis")]
    #[doc = include_str!("../../../docs/run-many-nodes.md")]
    struct RunManyNodes;
    #[doc = include_str!("../../../docs/security.md")]
    struct Security;
    #[doc = include_str!("../../../docs/test-without-a-phone.md")]
    struct TestWithoutAPhone;
}
