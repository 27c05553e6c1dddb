//! Webhooks and media routes for any phone carrier, on axum.
//!
//! Implement [`CallHandler`], name the accounts, and serve the [router](CallServer::router):
//!
//! ```no_run
//! use std::sync::Arc;
//! use telephony_axum::{BoxError, CallHandler, CallServer};
//! use telephony_core::media::{MediaEvent, Streamer};
//! use telephony_core::{Answer, IncomingCall, PublicUrl, Telephony};
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
//! # async fn run(carrier: Arc<dyn Telephony>) -> Result<(), BoxError> {
//! let server = CallServer::new(PublicUrl::new("https://voice.example.com")?, Echo);
//! server.add_account(carrier);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, server.router()).await?;
//! # Ok(()) }
//! ```
//!
//! # Routes
//! `{account}` is the account's label; every route takes any method, because carriers differ.
//!
//! | route | what the carrier does there |
//! |---|---|
//! | `/{account}/call` | a call comes in |
//! | `/{account}/answer/{key}`, `/{account}/answer` | asks what to do next in a call |
//! | `/{account}/status/{key}`, `/{account}/status` | reports the status of a call, or anything else |
//! | `/{account}/events/{key}`, `/{account}/events` | reports anything |
//! | `/{account}/media/{token}` | opens the media socket |
//! | `/healthz`, `/readyz` | for the load balancer: alive; takes new calls |
//!
//! # Answers that are errors
//! | status | why |
//! |---|---|
//! | 400 | verified, and cannot be read |
//! | 403, empty | not verified |
//! | 404 | no such account, or no such media token |
//! | 408, 413 | the body took too long, or is too large |
//! | 409, 410 | the stream has a socket already; the call is over |
//! | 503 | shutting down |

mod accept;
mod handler;
mod media;
mod proxies;
mod server;
mod service;
mod shutdown;
mod unread;

pub use handler::{BoxError, CallHandler, EventContext};
pub use proxies::TrustedProxies;
pub use server::{CallServer, ServerOptions};
