//! `management` and what stands under it.

use super::{Args, CONFIG, ConfigSpec, EditResult, Form, Forms, MANAGEMENT, Position, need};
use crate::{command::ConfigError, protocol::Management, system::SystemConfig};

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
        pattern: "http ~ <address:socket>",
        help: &[
            ("http", "Serve /metrics, /health and /api"),
            ("<address>", "Address and port, such as 127.0.0.1:9434"),
        ],
        forms: Forms::All,
        run: |c, _, args, form| {
            c.management.http = if form.clears() { None } else { Some(need(args.socket("address"))?) };
            Ok(Vec::new())
        },
    },
];

fn enter(c: &mut SystemConfig, position: &mut Position, _: &Args, form: Form) -> EditResult {
    if form.clears() {
        c.management = Management::default();
    } else {
        position.enter(&MANAGEMENT, "");
    }
    Ok(Vec::new())
}

fn socket(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let http = c.management.http;
    let standard = Management { http, ..Management::default() };
    if form.clears() {
        c.management = standard;
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
        http,
    };
    Ok(Vec::new())
}
