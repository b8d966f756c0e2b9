//! Headers, checksums and Mobile IP messages: recorded vectors, an independent implementation, and properties.

#![allow(clippy::unwrap_used)]

mod auth;
mod header;
mod message;
mod vector;
mod walk;
