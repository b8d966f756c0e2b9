//! Bytes to types: security first, then direction, then every TLV, and only then an effect.

use common::time::Nanos;

use super::{BindTable, DecodeError, Header, Load, MAX_HOSTS, Message, MessageType, Role, be16, be32, tlv};
use crate::dfp::security::{Keyring, Proof};

/// What was accepted in a message though no sound peer sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Reserved or Flags bytes are set.
    pub reserved: bool,
    /// The Key ID of the Security TLV, if that was checked and is not 0.
    pub key_id: Option<u32>,
    /// TLVs skipped: unknown, or without a meaning in this message.
    pub skipped: u16,
}

/// A message taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub message: Message,
    /// How it was secured.
    pub proof: Proof,
    pub notes: Notes,
}

impl Message {
    /// Reads one whole message, as [`Header`] delimits it, that `role` has received at `now`.
    ///
    /// An error discards the message whole; `DecodeError::class` says what else follows.
    pub fn decode(bytes: &[u8], role: Role, keys: &Keyring, now: Nanos) -> Result<Decoded, DecodeError> {
        let header = bytes.first_chunk().ok_or(DecodeError::Frame)?;
        let header = Header::read(header, role).map_err(|_| DecodeError::Frame)?;
        if header.length != bytes.len() {
            return Err(DecodeError::Frame);
        }
        let proof = keys.check(bytes, now)?;
        match header.message_type.receiver() {
            None => return Err(DecodeError::UnknownType(header.message_type)),
            Some(receiver) if receiver != role => {
                return Err(DecodeError::WrongDirection(header.message_type));
            }
            Some(_) => {}
        }
        let mut walk = Walk::new(header.message_type, proof);
        walk.notes.reserved = header.reserved != 0;
        walk.notes.key_id = proof.is_verified().then(|| be32(bytes, 16)).filter(|id| *id != 0);
        let body = &bytes[Header::SIZE..];
        if header.message_type == MessageType::BIND_ID_REPORT && *body == REFERENCE_END {
            walk.table = Some(BindTable::END);
        } else {
            walk.run(body)?;
        }
        Ok(Decoded { message: walk.message(), proof, notes: walk.notes })
    }
}

/// The body of the end marker from Cisco's reference agent, which leaves Type and Length of the TLV zero.
const REFERENCE_END: [u8; 16] = [0; 16];

/// What the TLVs of a message hold.
struct Walk {
    message_type: MessageType,
    proof: Proof,
    notes: Notes,
    loads: Vec<Load>,
    hosts: usize,
    keep_alive: Option<u32>,
    table: Option<BindTable>,
}

impl Walk {
    fn new(message_type: MessageType, proof: Proof) -> Self {
        let notes = Notes::default();
        Self { message_type, proof, notes, loads: Vec::new(), hosts: 0, keep_alive: None, table: None }
    }

    fn run(&mut self, mut rest: &[u8]) -> Result<(), DecodeError> {
        let mut first = true;
        while !rest.is_empty() {
            if rest.len() < tlv::HEADER {
                return Err(DecodeError::TlvHeader { left: rest.len() });
            }
            let (kind, length) = (be16(rest, 0), be16(rest, 2));
            let malformed = DecodeError::TlvLength { tlv: kind, length };
            if usize::from(length) < tlv::HEADER {
                return Err(malformed);
            }
            let (whole, after) = rest.split_at_checked(usize::from(length)).ok_or(malformed)?;
            self.tlv(kind, whole, first)?;
            rest = after;
            first = false;
        }
        Ok(())
    }

    /// Takes one TLV; `whole` has its header and as many bytes as that says.
    fn tlv(&mut self, kind: u16, whole: &[u8], first: bool) -> Result<(), DecodeError> {
        match (kind, self.message_type) {
            (tlv::SECURITY, _) if first => {}
            (tlv::SECURITY, _) if self.proof.is_verified() => return Err(DecodeError::SecondSecurity),
            (tlv::LOAD, MessageType::PREFERENCE_INFO | MessageType::SERVER_STATE) => {
                let (load, odd) = Load::decode(whole)?;
                self.hosts += load.hosts.len();
                if self.hosts > MAX_HOSTS {
                    return Err(DecodeError::TooManyHosts);
                }
                self.notes.reserved |= odd;
                self.loads.push(load);
            }
            // Of several the last one counts.
            (tlv::KEEP_ALIVE, MessageType::PARAMETERS) => {
                if whole.len() != 8 {
                    return Err(DecodeError::TlvSize { tlv: "Keep-Alive", length: whole.len() });
                }
                self.keep_alive = Some(be32(whole, 4));
            }
            // A report holds one table: further ones have no meaning, but must be sound.
            (tlv::BIND_TABLE, MessageType::BIND_ID_REPORT) => {
                let (table, odd) = BindTable::decode(whole)?;
                self.notes.reserved |= odd;
                if self.table.is_some() {
                    self.skip();
                } else {
                    self.table = Some(table);
                }
            }
            _ => self.skip(),
        }
        Ok(())
    }

    fn skip(&mut self) {
        self.notes.skipped = self.notes.skipped.saturating_add(1);
    }

    fn message(&mut self) -> Message {
        match self.message_type {
            MessageType::PREFERENCE_INFO => Message::PreferenceInfo(std::mem::take(&mut self.loads)),
            MessageType::SERVER_STATE => Message::ServerState(std::mem::take(&mut self.loads)),
            MessageType::PARAMETERS => Message::Parameters { keep_alive: self.keep_alive },
            MessageType::BIND_ID_REQUEST => Message::BindIdRequest,
            // The drafts print this type for the Change Notify too, which has no table.
            MessageType::BIND_ID_REPORT => {
                self.table.take().map_or(Message::BindIdChangeNotify, Message::BindIdReport)
            }
            // The types without a receiver have been refused, so this is the Change Notify.
            _ => Message::BindIdChangeNotify,
        }
    }
}
