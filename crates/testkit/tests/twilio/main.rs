//! Calls through the simulated Twilio.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod documents;
mod rest;
mod steering;
mod stream;
#[path = "../support/mod.rs"]
mod support;
