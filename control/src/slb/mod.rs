//! Server load balancing for Mobile IP, as the operator sees it: settings and their commands, checks, the control
//! half of the state machines, `show` and `debug`.

pub mod adjacency;
pub mod check;
pub mod command;
pub mod config;
pub mod debug;
pub mod fsm;
pub mod plan;
pub mod show;
pub mod slots;
pub mod state;
