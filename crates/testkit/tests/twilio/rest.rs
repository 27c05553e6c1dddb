//! The simulated Twilio places calls for the app.

mod placing;
mod requests;
