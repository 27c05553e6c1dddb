//! Calls through the simulated Vonage.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod calls;
mod key;
mod rest;
mod steering;
#[path = "../support/mod.rs"]
mod support;
