//! What the whole process heeds of the configuration, whichever subsystem's line it is.

use std::{net::SocketAddrV4, path::PathBuf, time::Duration};

use crate::{
    command::{CONFIG, Mode},
    health::HealthSettings,
    manage::{connections::ConnectionLimits, http_access::HttpAccess},
};

/// `(config-management)`, in which more than one has lines.
pub static MANAGEMENT: Mode = Mode { name: "management", tag: "(config-management)", parent: Some(&CONFIG) };

/// `logging level`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoggingLevel {
    /// Errors only.
    Error,
    /// Warnings too.
    Warning,
    /// What happens, too.
    #[default]
    Informational,
    /// Debugging lines too.
    Debugging,
}

impl LoggingLevel {
    /// Every level with its keyword.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("error", Self::Error),
        ("warning", Self::Warning),
        ("informational", Self::Informational),
        ("debugging", Self::Debugging),
    ];
}

/// `management`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Management {
    /// The socket that shells connect to.
    pub socket: PathBuf,
    /// Group that owns it.
    pub group: Option<String>,
    /// Permission bits of the socket.
    pub mode: u32,
    /// Where HTTP is served.
    pub http: Option<SocketAddrV4>,
    /// Who may read there.
    pub http_access: HttpAccess,
    /// Most connections to HTTP at once.
    pub http_connections: ConnectionLimits,
    /// A shell that asks nothing for so long is closed; zero: never.
    pub exec_timeout: Duration,
}

impl Management {
    /// The socket of a process that was given none.
    pub const DEFAULT_SOCKET: &str = "/run/homeward/homeward.sock";
    /// Permission bits of a socket that was given none.
    pub const DEFAULT_MODE: u32 = 0o660;
    /// How long a shell may ask nothing unless the configuration says otherwise, as in IOS.
    pub const DEFAULT_EXEC_TIMEOUT: Duration = Duration::from_mins(10);
}

impl Default for Management {
    fn default() -> Self {
        Self {
            socket: PathBuf::from(Self::DEFAULT_SOCKET),
            group: None,
            mode: Self::DEFAULT_MODE,
            http: None,
            http_access: HttpAccess::default(),
            http_connections: ConnectionLimits::default(),
            exec_timeout: Self::DEFAULT_EXEC_TIMEOUT,
        }
    }
}

/// Settings of the process as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The saved file has no clear secret.
    pub password_encryption: bool,
    /// Debug lines carry milliseconds.
    pub debug_milliseconds: bool,
    /// What is logged.
    pub logging_level: LoggingLevel,
    /// Lines that `show logging` keeps.
    pub logging_lines: usize,
    /// The shell's socket and HTTP.
    pub management: Management,
    /// When conditions count, and which make the director not ready.
    pub health: HealthSettings,
}

impl Settings {
    /// Name of a director that was given none.
    pub const DEFAULT_HOSTNAME: &str = "homeward";
    /// Lines of the log that are kept unless the configuration says otherwise.
    pub const DEFAULT_LINES: u32 = 4096;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            password_encryption: false,
            debug_milliseconds: false,
            logging_level: LoggingLevel::default(),
            logging_lines: Self::DEFAULT_LINES as usize,
            management: Management::default(),
            health: HealthSettings::default(),
        }
    }
}
