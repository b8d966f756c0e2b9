//! `show ip slb sessions ipmobile nai STRING`: where a subscriber goes, and why.

use std::{fmt::Write as _, net::Ipv4Addr};

use serde::Serialize;

use super::{NaiHash, SessionView};

/// The answer for one virtual server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceView {
    /// The NAI that was asked for, escaped as in debug lines.
    pub nai: String,
    /// Its displayed hash.
    pub nai_hash: NaiHash,
    /// Virtual server.
    pub vserver: String,
    /// The virtual server's state.
    pub vserver_state: &'static str,
    /// The session, if one lives.
    pub session: Option<SessionView>,
    /// State of the session's real.
    pub real_state: Option<String>,
    /// Where a new session would go; `None`: no real can take it.
    pub next: Option<Ipv4Addr>,
    /// The farm of `next`.
    pub next_farm: Option<String>,
    /// `next` is of the backup farm.
    pub next_is_backup: bool,
    /// Every real that could be asked, in order, and why it can take a session or not.
    pub candidates: Vec<CandidateView>,
}

/// A real that a new session might go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CandidateView {
    /// Address of the real.
    pub real: Ipv4Addr,
    /// Name of its farm.
    pub farm: String,
    /// State's name.
    pub state: String,
    /// Operational weight.
    pub weight: u32,
    /// Used of the weight in this cycle, if the cursor is at this real.
    pub used: Option<u32>,
    /// Can take a new session.
    pub eligible: bool,
    /// Why, or why not.
    pub reason: String,
}

impl TraceView {
    /// As the shell prints it.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "NAI {}, NAI hash {}", self.nai, self.nai_hash)?;
        writeln!(out, "virtual server {}, state = {}", self.vserver, self.vserver_state)?;
        if let Some(session) = &self.session {
            let state = self.real_state.as_deref().unwrap_or("unknown");
            let reassign = session.reassign.map_or_else(|| "never".to_owned(), |retries| retries.to_string());
            writeln!(
                out,
                "  session: {}, client = {}:{}",
                session.state, session.client, session.client_port
            )?;
            writeln!(
                out,
                "  goes to {} ({}), state = {state}, because the session is on it",
                session.real, session.farm
            )?;
            writeln!(
                out,
                "  retry = {}, reassign = {reassign}, remaining = {}",
                session.retry, session.remaining
            )?;
            write!(out, "  if moved: ")?;
        } else {
            write!(out, "  no session; a request would go to ")?;
        }
        match (&self.next, &self.next_farm) {
            (Some(real), Some(farm)) => {
                let backup = if self.next_is_backup { ", the backup farm" } else { "" };
                writeln!(out, "{real} ({farm}{backup})")?;
            }
            _ => writeln!(out, "nobody: no real can take it")?,
        }
        for candidate in &self.candidates {
            let mark = if candidate.eligible { "+" } else { "-" };
            let used =
                candidate.used.map_or_else(String::new, |used| format!(", used = {used} in this turn"));
            writeln!(
                out,
                "  {mark} {} ({}), state = {}, weight = {}{used}: {}",
                candidate.real, candidate.farm, candidate.state, candidate.weight, candidate.reason
            )?;
        }
        Ok(())
    }
}
