//! What the shows of the machine part print: plain views in, text out; the same views are the JSON.

pub mod access_list;
pub mod arp;
pub mod dataplane;
pub mod duplicates;
pub mod interface;
pub mod memory;
pub mod route;
pub mod system;

#[cfg(test)]
mod tests;
