//! Inputs with a structure: frames and what else happens to a director, as bytes that a fuzzer keeps and changes.
//!
//! Random bytes hardly ever make a UDP datagram to a virtual address with right checksums. So an input is a list of steps
//! ([`steps`]), new ones are made of what the parsers know ([`frames`]), and what was changed gets its lengths and checksums
//! mended most of the time ([`mend`]).

pub mod core;
pub mod frames;
pub mod mend;
pub mod mutate;
pub mod registrations;
pub mod steps;
