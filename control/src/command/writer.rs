//! The text of a configuration, put together from what each subsystem writes of itself.

use std::fmt;

use crate::secret::{Secret, Secrets};

/// Where a piece stands in the text, in the order of IOS. Of one rank, pieces stand as they were written.
pub mod rank {
    /// Host name, and what else belongs to the whole.
    pub const GLOBAL: u16 = 1000;
    /// `service ...`
    pub const SERVICES: u16 = 2000;
    /// `logging ...`
    pub const LOGGING: u16 = 3000;
    /// Workers, tables and memory.
    pub const DATAPLANE: u16 = 4000;
    /// `interface ...`
    pub const INTERFACES: u16 = 5000;
    /// `ip route ...`
    pub const ROUTES: u16 = 6000;
    /// `arp ...`
    pub const ARP: u16 = 7000;
    /// `ip access-list ...` with its entries.
    pub const NAMED_ACCESS_LISTS: u16 = 7050;
    /// `access-list ...`
    pub const ACCESS_LISTS: u16 = 7060;
    /// `router mobile`
    pub const MOBILE: u16 = 7100;
    /// `ip local pool ...`
    pub const LOCAL_POOLS: u16 = 7200;
    /// `ip mobile ...`
    pub const HOME_AGENT: u16 = 7300;
    /// What is asked of servers, to see that they are alive.
    pub const PROBES: u16 = 7500;
    /// Groups of servers.
    pub const SERVER_FARMS: u16 = 8000;
    /// What balances over them.
    pub const VIRTUAL_SERVERS: u16 = 9000;
    /// What learns their load.
    pub const FEEDBACK: u16 = 10_000;
    /// What tells our load to others.
    pub const FEEDBACK_AGENTS: u16 = 10_500;
    /// The shell's socket and HTTP; last.
    pub const MANAGEMENT: u16 = 60_000;
}

#[derive(Debug)]
struct Piece {
    rank: u16,
    /// Others of the same rank write on here.
    shared: bool,
    text: String,
}

/// Collects the text of a configuration; what is written goes to the piece that was begun last.
///
/// ```
/// use std::fmt::Write as _;
/// use control::command::{ConfigWriter, Secrets, rank};
///
/// let mut out = ConfigWriter::new(Secrets::Clear);
/// out.block(rank::INTERFACES);
/// out.write_str("interface Ethernet0\n shutdown\n")?;
/// out.lines(rank::GLOBAL);
/// out.write_str("hostname Router\n")?;
/// assert_eq!(out.finish(), "hostname Router\n!\ninterface Ethernet0\n shutdown\n!\n");
/// # Ok::<(), std::fmt::Error>(())
/// ```
#[derive(Debug)]
pub struct ConfigWriter {
    secrets: Secrets,
    pieces: Vec<Piece>,
    current: usize,
}

impl ConfigWriter {
    /// Nothing is written yet.
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets, pieces: Vec::new(), current: 0 }
    }

    /// Begins a piece that a line `!` closes by itself: a mode with its lines.
    pub fn block(&mut self, rank: u16) {
        self.pieces.push(Piece { rank, shared: false, text: String::new() });
        self.current = self.pieces.len() - 1;
    }

    /// Goes on with the single lines of that rank, which one `!` closes, whoever writes them.
    pub fn lines(&mut self, rank: u16) {
        if let Some(at) = self.pieces.iter().position(|piece| piece.shared && piece.rank == rank) {
            self.current = at;
        } else {
            self.block(rank);
            self.pieces[self.current].shared = true;
        }
    }

    /// Writes a secret as its command reads it, with its type if it needs one.
    ///
    /// # Errors
    /// None; the result is that of other writing.
    pub fn secret(&mut self, secret: &Secret) -> fmt::Result {
        let notation = secret.notation(self.secrets);
        fmt::Write::write_str(self, &notation)
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        self.pieces.sort_by_key(|piece| piece.rank);
        let written = self.pieces.iter().filter(|piece| !piece.text.is_empty());
        written.fold(String::new(), |out, piece| out + &piece.text + "!\n")
    }
}

impl fmt::Write for ConfigWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.pieces.is_empty() {
            self.lines(rank::GLOBAL);
        }
        self.pieces[self.current].text.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn pieces_stand_by_rank_and_lines_of_a_rank_together() {
        let mut out = ConfigWriter::new(Secrets::Clear);
        out.block(rank::SERVER_FARMS);
        out.write_str("farm A\n").unwrap();
        out.lines(rank::SERVICES);
        out.write_str("service one\n").unwrap();
        out.block(rank::INTERFACES);
        out.block(rank::SERVER_FARMS);
        out.write_str("farm B\n").unwrap();
        out.lines(rank::SERVICES);
        out.write_str("service two\n").unwrap();
        assert_eq!(out.finish(), "service one\nservice two\n!\nfarm A\n!\nfarm B\n!\n");
    }

    #[test]
    fn secrets_are_written_as_was_said() {
        let secret = Secret::clear("cisco").unwrap();
        for (secrets, text) in [
            (Secrets::Clear, "cisco!\n"),
            (Secrets::Type7, "7 05080F1C2243!\n"),
            (Secrets::Hidden, "********!\n"),
        ] {
            let mut out = ConfigWriter::new(secrets);
            out.secret(&secret).unwrap();
            assert_eq!(out.finish(), text);
        }
    }
}
