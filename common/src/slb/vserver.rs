//! Counters of virtual servers and of the whole balancer (`ios-slb` sections 7.1 and 9.5).

/// x
#[derive(Debug, Default)]
pub struct VserverLive;
/// x
#[derive(Debug, Default)]
pub struct SlbStats;
