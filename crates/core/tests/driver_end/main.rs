//! How a stream ends: who ends it, with what reason, how soon, and what is still played.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hanging_up;
mod letting_go;
mod others;
#[path = "../support/mod.rs"]
mod support;
