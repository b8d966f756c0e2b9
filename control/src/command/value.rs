//! Argument types of patterns, the values they read, and `Args`, what a command is given.

use std::net::{Ipv4Addr, SocketAddrV4};

use common::mac::MacAddr;

use super::{
    error::{ConfigError, ExecError},
    interface_name::{InterfaceKind, InterfaceName},
};
use crate::secret::{ParseSecretError, Secret};

/// Longest name of a configured object.
pub const NAME_LENGTH: usize = 15;

/// Port names of `virtual`; output always prints numbers.
pub const PORT_NAMES: &[(&str, u16)] = &[
    ("dns", 53),
    ("ftp", 21),
    ("https", 443),
    ("mobile-ip", 434),
    ("nntp", 119),
    ("pop2", 109),
    ("pop3", 110),
    ("smtp", 25),
    ("telnet", 23),
    ("wsp", 9200),
    ("wsp-wtls", 9202),
    ("wsp-wtp", 9201),
    ("wsp-wtp-wtls", 9203),
    ("www", 80),
    ("xot", 1998),
];

/// The type of a `<name:type>` argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `<n:1-255>`: a decimal number in a range.
    Int(u64, u64),
    /// `ip`: a dotted IPv4 address.
    Ip,
    /// `mask`: a contiguous dotted mask.
    Mask,
    /// `mac`: `H.H.H` or colon notation.
    Mac,
    /// `name`: the name of a configured object, folded to upper case.
    Name,
    /// `word`: anything without blanks.
    Word,
    /// `other`: as `word`, where help names what is meant and this is only to say what is wrong.
    Other,
    /// `host`: 1..63 letters, digits and hyphens, no hyphen at either end.
    Host,
    /// `line`: the rest of the line.
    Line,
    /// `hex`: an even number of hexadecimal digits.
    Hex,
    /// `octal`: file permissions, up to 0777.
    Octal,
    /// `port`: 0..65535 or a name of [`PORT_NAMES`].
    Port,
    /// `socket`: `A.B.C.D:PORT`.
    Socket,
    /// `cpus`: a list such as `2-3,6`.
    Cpus,
    /// `interface`: a name, in one word or two.
    Interface,
    /// First of an interface's two words.
    InterfaceType,
    /// Second of an interface's two words.
    InterfaceNumber,
    /// `secret`: a secret in clear text, of type 0; a pattern takes its optional type with it.
    Secret,
    /// A secret in type 7 notation.
    Type7,
    /// Whatever follows a `no` that needs no arguments.
    Ignored,
}

/// A value read from the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Int`], [`Kind::Port`] and [`Kind::Octal`].
    Int(u64),
    /// Of [`Kind::Ip`] and [`Kind::Mask`].
    Ip(Ipv4Addr),
    /// Of [`Kind::Mac`].
    Mac(MacAddr),
    /// Of [`Kind::Name`], [`Kind::Word`], [`Kind::Other`], [`Kind::Host`] and [`Kind::Line`].
    Text(String),
    /// Of [`Kind::Hex`].
    Bytes(Vec<u8>),
    /// Of [`Kind::Socket`].
    Socket(SocketAddrV4),
    /// Of [`Kind::Cpus`], ascending.
    Cpus(Vec<u16>),
    /// Of [`Kind::Interface`].
    Interface(InterfaceName),
    /// The first word of an interface's two.
    InterfaceType(InterfaceKind),
    /// Of [`Kind::Secret`], or why it is none. Never shown by `Debug`.
    Secret(Result<Secret, ParseSecretError>),
}

impl Kind {
    /// The type that a pattern names.
    pub(super) fn from_pattern(text: &str) -> Option<Self> {
        Some(match text {
            "ip" => Self::Ip,
            "mask" => Self::Mask,
            "mac" => Self::Mac,
            "name" => Self::Name,
            "word" => Self::Word,
            "other" => Self::Other,
            "host" => Self::Host,
            "line" => Self::Line,
            "hex" => Self::Hex,
            "octal" => Self::Octal,
            "port" => Self::Port,
            "socket" => Self::Socket,
            "cpus" => Self::Cpus,
            "interface" => Self::Interface,
            "secret" => Self::Secret,
            range => {
                let (low, high) = range.split_once('-')?;
                let (low, high) = (low.parse().ok()?, high.parse().ok()?);
                if low > high {
                    return None;
                }
                Self::Int(low, high)
            }
        })
    }

    /// True for the types that take the rest of the line.
    pub(super) fn takes_rest(self) -> bool {
        matches!(self, Self::Line | Self::Ignored)
    }

    /// How `?` and error messages write the argument.
    pub fn placeholder(self) -> String {
        match self {
            Self::Int(low, high) => return format!("<{low}-{high}>"),
            Self::Ip | Self::Mask => "A.B.C.D",
            Self::Mac => "H.H.H",
            Self::Name | Self::Word | Self::Other | Self::Host | Self::Secret | Self::Type7 => "WORD",
            Self::Line => "LINE",
            Self::Hex => "HEX",
            Self::Octal => "OCTAL",
            Self::Port => "<0-65535>",
            Self::Socket => "A.B.C.D:PORT",
            Self::Cpus => "LIST",
            Self::Interface | Self::InterfaceType => "INTERFACE",
            Self::InterfaceNumber => "<number>",
            Self::Ignored => "",
        }
        .to_owned()
    }

    /// Reads one word (or the rest of the line); `None`: it is not of this type.
    pub(super) fn read(self, text: &str, before: Option<&Value>) -> Option<Value> {
        match self {
            Self::Int(low, high) => integer(text).filter(|n| (low..=high).contains(n)).map(Value::Int),
            Self::Ip => text.parse().ok().map(Value::Ip),
            Self::Mask => {
                let mask: Ipv4Addr = text.parse().ok()?;
                (mask.to_bits().leading_ones() == mask.to_bits().count_ones()).then_some(Value::Ip(mask))
            }
            Self::Mac => text.parse().ok().map(Value::Mac),
            Self::Name => object_name(text).map(Value::Text),
            Self::Word | Self::Other | Self::Line => {
                let clean = !text.chars().any(char::is_control);
                clean.then(|| Value::Text(text.to_owned()))
            }
            Self::Host => {
                let fits = (1..=63).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    && !text.starts_with('-')
                    && !text.ends_with('-');
                fits.then(|| Value::Text(text.to_owned()))
            }
            Self::Hex => bytes(text).map(Value::Bytes),
            Self::Octal => {
                let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
                let mode = digits.then(|| u64::from_str_radix(text, 8).ok()).flatten()?;
                (mode <= 0o777).then_some(Value::Int(mode))
            }
            Self::Port => match PORT_NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
                Some((_, port)) => Some(Value::Int(u64::from(*port))),
                None => integer(text).filter(|n| *n <= 65535).map(Value::Int),
            },
            Self::Socket => text.parse().ok().filter(|s: &SocketAddrV4| s.port() != 0).map(Value::Socket),
            Self::Cpus => cpu_list(text).map(Value::Cpus),
            Self::Interface => text.parse().ok().map(Value::Interface),
            Self::InterfaceType => InterfaceKind::from_abbreviation(text).map(Value::InterfaceType),
            Self::InterfaceNumber => match before {
                Some(Value::InterfaceType(kind)) => {
                    InterfaceName::from_parts(*kind, text).ok().map(Value::Interface)
                }
                _ => None,
            },
            Self::Secret | Self::Type7 if text.chars().any(char::is_control) => None,
            Self::Secret => Some(Value::Secret(Secret::clear(text))),
            Self::Type7 => Some(Value::Secret(Secret::type7(text))),
            Self::Ignored => Some(Value::Text(String::new())),
        }
    }
}

/// A plain decimal number: digits only, no sign.
fn integer(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn object_name(text: &str) -> Option<String> {
    let fits = (1..=NAME_LENGTH).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    fits.then(|| text.to_ascii_uppercase())
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// Reads `2-3,6`; at most 1024 CPUs, none twice.
fn cpu_list(text: &str) -> Option<Vec<u16>> {
    let mut cpus = std::collections::BTreeSet::new();
    for part in text.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high) = (integer(low)?, integer(high)?);
        if low > high || high > 1023 {
            return None;
        }
        for cpu in low..=high {
            if !cpus.insert(u16::try_from(cpu).ok()?) {
                return None;
            }
        }
    }
    Some(cpus.into_iter().collect())
}

/// Writes a CPU list as `2-3,6`.
pub fn print_cpus(cpus: &[u16]) -> String {
    let mut parts: Vec<(u16, u16)> = Vec::new();
    for &cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => parts.push((cpu, cpu)),
        }
    }
    let text: Vec<String> = parts
        .iter()
        .map(|(low, high)| if low == high { low.to_string() } else { format!("{low}-{high}") })
        .collect();
    text.join(",")
}

/// What the line said: the keywords it matched (in full) and the arguments by their names in the pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    pub(super) words: Vec<&'static str>,
    pub(super) values: Vec<(&'static str, Value)>,
}

/// A command asked for an argument that its pattern did not give: a slip in our own tables, reported and not a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing;

impl From<Missing> for ConfigError {
    fn from(_: Missing) -> Self {
        Self::new("Internal error: a command without its argument")
    }
}

impl From<Missing> for ExecError {
    fn from(_: Missing) -> Self {
        Self::new("Internal error: a command without its argument")
    }
}

/// Turns an argument that the pattern always gives into a value: `need(args.int("weight"))?`.
pub fn need<T>(value: Option<T>) -> Result<T, Missing> {
    value.ok_or(Missing)
}

impl Args {
    /// True when the line contains `word`, or an abbreviation of it.
    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// The first of `words` that the line contains.
    pub fn which<'w>(&self, words: &[&'w str]) -> Option<&'w str> {
        words.iter().copied().find(|word| self.has(word))
    }

    /// An argument as it was read.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// A number (also of `port` and `octal`), if it fits in `T`.
    pub fn int<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        match self.get(name)? {
            Value::Int(n) => T::try_from(*n).ok(),
            _ => None,
        }
    }

    /// An address or a mask.
    pub fn ip(&self, name: &str) -> Option<Ipv4Addr> {
        match self.get(name)? {
            Value::Ip(ip) => Some(*ip),
            _ => None,
        }
    }

    /// An Ethernet address.
    pub fn mac(&self, name: &str) -> Option<MacAddr> {
        match self.get(name)? {
            Value::Mac(mac) => Some(*mac),
            _ => None,
        }
    }

    /// A name (in upper case), word, host name or line.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes of a hexadecimal argument.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// An address with its port.
    pub fn socket(&self, name: &str) -> Option<SocketAddrV4> {
        match self.get(name)? {
            Value::Socket(socket) => Some(*socket),
            _ => None,
        }
    }

    /// CPUs in ascending order.
    pub fn cpus(&self, name: &str) -> Option<&[u16]> {
        match self.get(name)? {
            Value::Cpus(cpus) => Some(cpus),
            _ => None,
        }
    }

    /// An interface's name.
    pub fn interface(&self, name: &str) -> Option<&InterfaceName> {
        match self.get(name)? {
            Value::Interface(interface) => Some(interface),
            _ => None,
        }
    }

    /// A secret, from clear text or from type 7.
    ///
    /// # Errors
    /// The operator's line, which begins with `whose` (`DFP password`) and does not repeat the secret.
    pub fn secret(&self, name: &str, whose: &str) -> Result<Secret, ConfigError> {
        match need(self.get(name))? {
            Value::Secret(Ok(secret)) => Ok(secret.clone()),
            Value::Secret(Err(error @ ParseSecretError::Text)) => {
                Err(ConfigError::new(format!("{whose} {error}")))
            }
            Value::Secret(Err(error @ ParseSecretError::Type7)) => Err(ConfigError::new(error.to_string())),
            _ => Err(Missing.into()),
        }
    }

    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        match self.values.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = value,
            None => self.values.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(kind: &str, text: &str) -> Option<Value> {
        Kind::from_pattern(kind).unwrap().read(text, None)
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(reads("1-255", "255"), Some(Value::Int(255)));
        assert_eq!(reads("0-4294967295", "4294967295"), Some(Value::Int(4294967295)));
        assert_eq!(reads("0-18446744073709551615", "18446744073709551615"), Some(Value::Int(u64::MAX)));
        for bad in ["0", "256", "+1", "-1", "1x", "", "0x1", "99999999999999999999999"] {
            assert_eq!(reads("1-255", bad), None, "{bad}");
        }
    }

    #[test]
    fn names_fold_to_upper_case_and_stop_at_fifteen() {
        assert_eq!(reads("name", "mipslb"), Some(Value::Text("MIPSLB".into())));
        assert!(reads("name", "A.b_c-123456789").is_some());
        assert_eq!(reads("name", "A234567890123456"), None);
        assert_eq!(reads("name", "a+b"), None);
    }

    #[test]
    fn masks_are_contiguous() {
        assert!(reads("mask", "255.255.254.0").is_some());
        assert!(reads("mask", "0.0.0.0").is_some());
        assert_eq!(reads("mask", "255.0.255.0"), None);
    }

    #[test]
    fn cpu_lists_read_and_print() {
        assert_eq!(reads("cpus", "6,2-3"), Some(Value::Cpus(vec![2, 3, 6])));
        assert_eq!(print_cpus(&[2, 3, 6]), "2-3,6");
        for bad in ["", "1,", "3-2", "1,1", "0-1024", "a"] {
            assert_eq!(reads("cpus", bad), None, "{bad}");
        }
    }

    #[test]
    fn ports_have_names() {
        assert_eq!(reads("port", "mobile-ip"), Some(Value::Int(434)));
        assert_eq!(reads("port", "65536"), None);
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Kind::Secret.read("Cookies", None).unwrap();
        let args = Args { words: vec!["password"], values: vec![("secret", secret)] };
        assert!(!format!("{args:?}").contains("Cookies"), "{args:?}");
        assert_eq!(args.secret("secret", "My").unwrap().expose(), "Cookies");
        assert_eq!(Kind::Type7.read("094F471A1A0A", None), Some(Value::Secret(Secret::clear("cisco"))));
        assert_eq!(reads("secret", "a\u{7}b"), None);
        let bad = Args { words: vec![], values: vec![("secret", reads("secret", "Käse").unwrap())] };
        let error = bad.secret("secret", "My password").unwrap_err().to_string();
        assert_eq!(error, "% My password must be 1 to 64 printable characters");
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(reads("octal", "0660"), Some(Value::Int(0o660)));
        assert_eq!(reads("octal", "0668"), None);
        assert_eq!(reads("octal", "1777"), None);
    }
}
