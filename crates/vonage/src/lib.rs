//! Vonage Voice for the telephony crates
