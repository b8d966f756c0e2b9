//! `management` and what stands under it.

use std::time::Duration;

use super::{Args, CONFIG, ConfigSpec, EditResult, Form, Forms, MANAGEMENT, Position, need};
use crate::{
    command::ConfigError,
    health::HealthSettings,
    manage::{connections::ConnectionLimits, http_access::HttpAccess},
    protocol::Management,
    system::SystemConfig,
};

/// Longest path of a Unix socket in bytes (`sun_path` less its final zero).
const PATH: usize = 107;

pub(super) const SPECS: &[ConfigSpec<SystemConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "management",
        help: &[("management", "The shell's socket and HTTP")],
        forms: Forms::All,
        run: enter,
    },
    ConfigSpec {
        modes: &[&MANAGEMENT],
        pattern: "socket ~ <path:word> [group <group:word>] [mode <mode:octal>]",
        help: &[
            ("socket", "The socket that shells connect to"),
            ("<path>", "Absolute path"),
            ("group", "Group that owns it"),
            ("<group>", "Group's name"),
            ("mode", "Its permissions"),
            ("<mode>", "Octal, such as 0660"),
        ],
        forms: Forms::All,
        run: socket,
    },
    ConfigSpec {
        modes: &[&MANAGEMENT],
        pattern: "http ~ <address:socket> [token <file:word>] [unsafe]",
        help: &[
            ("http", "Serve /metrics, /health and /api"),
            ("<address>", "Address and port, such as 127.0.0.1:9434"),
            ("token", "Who sends a token may read"),
            ("<file>", "File with the token, not readable by everybody"),
            ("unsafe", "Whoever reaches the address may read"),
        ],
        forms: Forms::All,
        run: http,
    },
    ConfigSpec {
        modes: &[&MANAGEMENT],
        pattern: "http max-connections ~ <total:1-65535> [per-source <source:1-65535>]",
        help: &[
            ("http", "Serve /metrics, /health and /api"),
            ("max-connections", "Connections held at once"),
            ("<total>", "In all (default 256)"),
            ("per-source", "Connections of one address"),
            ("<source>", "Connections (default 64)"),
        ],
        forms: Forms::All,
        run: |c, _, args, form| {
            let standard = ConnectionLimits::default();
            c.management.http_connections = if form.clears() {
                standard
            } else {
                let total = need(args.int("total"))?;
                let per_source = args.int("source").unwrap_or(standard.per_source.min(total));
                if per_source > total {
                    return Err(ConfigError::new(format!(
                        "{per_source} of one address are more than {total} in all"
                    )));
                }
                ConnectionLimits { total, per_source }
            };
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&MANAGEMENT],
        pattern: "exec-timeout ~ <minutes:0-35791> [<seconds:0-59>]",
        help: &[
            ("exec-timeout", "Close shells that ask nothing"),
            ("<minutes>", "Minutes (default 10); 0 0: never"),
            ("<seconds>", "And seconds"),
        ],
        forms: Forms::All,
        run: |c, _, args, form| {
            c.management.exec_timeout = if form.clears() {
                Management::DEFAULT_EXEC_TIMEOUT
            } else {
                let minutes: u64 = need(args.int("minutes"))?;
                Duration::from_secs(minutes * 60 + args.int("seconds").unwrap_or(0_u64))
            };
            Ok(Vec::new())
        },
    },
];

fn enter(c: &mut SystemConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    if form.clears() {
        (c.management, c.health) = (Management::default(), HealthSettings::default());
    } else {
        position.enter(&MANAGEMENT, "");
    }
    Ok(Vec::new())
}

fn http(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    if form.clears() {
        (c.management.http, c.management.http_access) = (None, HttpAccess::default());
        return Ok(Vec::new());
    }
    let address = need(args.socket("address"))?;
    let access = match (args.text("file"), args.has("unsafe")) {
        (Some(_), true) => return Err(ConfigError::new("http: either a token or unsafe")),
        (Some(file), false) if file.starts_with('/') => HttpAccess::Token(file.into()),
        (Some(_), false) => return Err(ConfigError::new("http: token needs an absolute path")),
        (None, true) => HttpAccess::Unsafe,
        (None, false) if address.ip().is_loopback() => HttpAccess::Local,
        (None, false) => {
            let why =
                format!("http {address}: whoever reaches it reads every show: add `token FILE`, or `unsafe`");
            return Err(ConfigError::new(why));
        }
    };
    (c.management.http, c.management.http_access) = (Some(address), access);
    Ok(Vec::new())
}

fn socket(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let standard = Management::default();
    if form.clears() {
        let Management { socket, group, mode, .. } = standard;
        c.management = Management { socket, group, mode, ..c.management.clone() };
        return Ok(Vec::new());
    }
    let path = need(args.text("path"))?;
    if !path.starts_with('/') || path.len() > PATH {
        return Err(ConfigError::new(format!("socket needs an absolute path of at most {PATH} bytes")));
    }
    c.management = Management {
        socket: path.into(),
        group: args.text("group").map(str::to_owned),
        mode: args.int("mode").unwrap_or(standard.mode),
        ..c.management.clone()
    };
    Ok(Vec::new())
}
