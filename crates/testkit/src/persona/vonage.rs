//! x
use crate::engine::Call;
use crate::persona::Persona;
use async_trait::async_trait;
/// x
#[derive(Clone, Debug)]
pub struct VonageAccount {}
/// x
#[derive(Clone, Debug)]
pub struct Vonage;
impl Vonage {
    /// x
    pub fn new(_a: VonageAccount) -> Self {
        Self
    }
}
#[async_trait]
impl Persona for Vonage {
    fn name(&self) -> &str {
        "vonage"
    }
    async fn run(&self, _call: &Call) {}
}
