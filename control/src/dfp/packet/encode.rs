//! Types to bytes.

use super::{EncodeError, Header, Load, MAX_HOSTS, Message, Role, tlv};
use crate::dfp::security::{self, Key};

impl Message {
    /// Appends the message, with a Security TLV made with `key` if there is one. On an error `out` is as it was.
    ///
    /// The caller hands what one call appends to TCP in one write: some managers take nothing else.
    pub fn encode(&self, out: &mut Vec<u8>, key: Option<&Key>) -> Result<(), EncodeError> {
        let start = out.len();
        let result = self.append(out, key);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn append(&self, out: &mut Vec<u8>, key: Option<&Key>) -> Result<(), EncodeError> {
        let start = out.len();
        let message_type = self.message_type();
        out.extend([Header::VERSION, 0]);
        out.extend(message_type.0.to_be_bytes());
        out.extend([0; 4]);
        if key.is_some() {
            out.extend(security::EMPTY_TLV);
        }
        self.append_tlvs(out)?;

        let length = out.len() - start;
        let limit = message_type.limit(Role::Manager);
        let field = u32::try_from(length).ok().filter(|_| length <= limit);
        let field = field.ok_or(EncodeError::Length(length))?;
        out[start + 4..start + 8].copy_from_slice(&field.to_be_bytes());
        if let Some(key) = key {
            key.sign(&mut out[start..]);
        }
        Ok(())
    }

    fn append_tlvs(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::PreferenceInfo(loads) | Self::ServerState(loads) => append_loads(loads, out),
            Self::Parameters { keep_alive } => {
                if let Some(seconds) = keep_alive {
                    out.extend(tlv::KEEP_ALIVE.to_be_bytes());
                    out.extend(8_u16.to_be_bytes());
                    out.extend(seconds.to_be_bytes());
                }
                Ok(())
            }
            Self::BindIdReport(table) => table.encode(out),
            Self::BindIdRequest | Self::BindIdChangeNotify => Ok(()),
        }
    }
}

fn append_loads(loads: &[Load], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let hosts = loads.iter().map(|load| load.hosts.len()).sum();
    if hosts > MAX_HOSTS {
        return Err(EncodeError::Hosts(hosts));
    }
    loads.iter().try_for_each(|load| load.encode(out))
}
