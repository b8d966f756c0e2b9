//! x
/// x
#[derive(Debug, Default)]
pub struct RealLive;
/// x
#[derive(Debug)]
pub struct RealState;
