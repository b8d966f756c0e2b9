//! What subsystems claim of what all of them share, so that one can see a conflict without knowing the other.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::{
    access_list::{Kind, Name},
    command::ConfigError,
};

/// All claims of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    subnets: Vec<Ipv4Net>,
    access_lists: Vec<(Name, Kind)>,
    needed: Vec<Needed>,
}

/// An access list that a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Needed {
    whose: &'static str,
    list: Name,
    kind: Kind,
}

impl Claims {
    /// An interface has this address on this subnet.
    pub fn interface_address(&mut self, address: Ipv4Net) {
        self.subnets.push(address);
    }

    /// Addresses of interfaces with their subnets, in the order of the configuration.
    pub fn subnets(&self) -> &[Ipv4Net] {
        &self.subnets
    }

    /// True if an interface has this address.
    pub fn is_interface_address(&self, address: Ipv4Addr) -> bool {
        self.subnets.iter().any(|subnet| subnet.addr() == address)
    }

    /// There is an access list of this name.
    pub fn access_list(&mut self, name: Name, kind: Kind) {
        self.access_lists.push((name, kind));
    }

    /// A line of `whose` names an access list, which must be of this kind.
    pub fn needs_access_list(&mut self, whose: &'static str, list: Name, kind: Kind) {
        self.needed.push(Needed { whose, list, kind });
    }

    /// What is named and is not there.
    pub fn gaps(&self) -> impl Iterator<Item = ConfigError> {
        self.needed.iter().filter_map(|Needed { whose, list, kind }| {
            let known = self.access_lists.iter().find(|(name, _)| name == list);
            let wrong = match known {
                None => "does not exist",
                Some((_, known)) if known != kind => match kind {
                    Kind::Standard => "is not a standard one",
                    Kind::Extended => "is not an extended one",
                },
                Some(_) => return None,
            };
            Some(ConfigError::new(format!("{whose}: access list {list} {wrong}")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_named_must_be_there_and_of_its_kind() {
        let name = |text| Name::parse(text, Kind::Standard).unwrap();
        let mut claims = Claims::default();
        for list in ["10", "AWAY", "NETS"] {
            claims.needs_access_list("IP Mobile", name(list), Kind::Standard);
        }
        claims.access_list(name("10"), Kind::Standard);
        claims.access_list(name("NETS"), Kind::Extended);
        let gaps: Vec<_> = claims.gaps().map(|gap| gap.to_string()).collect();
        assert_eq!(
            gaps,
            [
                "% IP Mobile: access list AWAY does not exist",
                "% IP Mobile: access list NETS is not a standard one"
            ]
        );
    }
}
