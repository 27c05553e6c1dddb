// NOTE for whoever works on the testkit engine/Twilio/Vonage personas: the Exotel persona is being written by a second person right now; leave this file and persona/exotel/ alone.
//! x
use crate::engine::Call;
use crate::persona::Persona;
use async_trait::async_trait;
/// x
#[derive(Clone, Debug)]
pub struct ExotelAccount {}
/// x
#[derive(Clone, Debug)]
pub struct Exotel;
impl Exotel {
    /// x
    pub fn new(_a: ExotelAccount) -> Self {
        Self
    }
}
#[async_trait]
impl Persona for Exotel {
    fn name(&self) -> &str {
        "exotel"
    }
    async fn run(&self, _call: &Call) {}
}
