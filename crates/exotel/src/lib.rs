//! Exotel Voice for the telephony crates
