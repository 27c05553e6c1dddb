//! Twilio Programmable Voice for the telephony crates
