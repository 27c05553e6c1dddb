//! Calls through the simulated Exotel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod flow;
mod rest;
mod stream;
#[path = "../support/mod.rs"]
mod support;
