//! The password of a manager or an agent, as its line says it.

use std::fmt::{self, Write as _};

use crate::{
    command::{Args, ConfigError, ConfigWriter},
    secret::Secret,
};

/// `password [0|7] SECRET [TIMEOUT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DfpPassword {
    /// The key.
    pub secret: Secret,
    /// Seconds during which the old key is accepted beside a new one.
    pub timeout: u16,
}

impl DfpPassword {
    /// `TIMEOUT` without the argument.
    pub const DEFAULT_TIMEOUT: u16 = 180;

    /// What a command of the pattern `<secret:secret> [<timeout:0-65535>]` was given.
    ///
    /// # Errors
    /// The secret is none.
    pub fn from_args(args: &Args) -> Result<Self, ConfigError> {
        let secret = args.secret("secret", "DFP password")?;
        Ok(Self { secret, timeout: args.int("timeout").unwrap_or(Self::DEFAULT_TIMEOUT) })
    }

    /// Writes ` password` and what its command reads behind it, without the default.
    ///
    /// # Errors
    /// None; the result is that of other writing.
    pub fn print(&self, out: &mut ConfigWriter) -> fmt::Result {
        out.write_str(" password ")?;
        out.secret(&self.secret)?;
        match self.timeout {
            Self::DEFAULT_TIMEOUT => Ok(()),
            timeout => write!(out, " {timeout}"),
        }
    }
}
