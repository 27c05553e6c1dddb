//! x
use async_trait::async_trait;
use crate::engine::Call;
use crate::persona::Persona;
/// x
#[derive(Clone, Debug)]
pub struct ExotelAccount {}
/// x
#[derive(Clone, Debug)]
pub struct Exotel;
impl Exotel { /// x
pub fn new(_a: ExotelAccount) -> Self { Self } }
#[async_trait]
impl Persona for Exotel { fn name(&self) -> &str { "exotel" } async fn run(&self, _call: &Call) {} }
