//! Phone calls in Rust: one API for every carrier
