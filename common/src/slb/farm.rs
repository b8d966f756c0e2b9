//! x
/// x
#[derive(Debug, Default)]
pub struct FarmLive;
/// x
#[derive(Debug)]
pub struct PickError;
