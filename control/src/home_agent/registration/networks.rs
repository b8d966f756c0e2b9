//! Home networks of nodes with bindings, each once, by a small number.

use std::sync::Arc;

use super::host::Network;

/// Networks by number, with the nodes that are at home there. One that a configuration no longer has stays for them.
#[derive(Debug, Default)]
pub(super) struct Networks {
    known: Vec<(Arc<Network>, u32)>,
}

impl Networks {
    /// One more node; `None`: there are 65 536 networks in use.
    pub fn enter(&mut self, network: &Arc<Network>) -> Option<u16> {
        let same = |known: &Arc<Network>| Arc::ptr_eq(known, network) || known == network;
        let known = self.known.iter().position(|(known, nodes)| *nodes > 0 && same(known));
        let at = known.or_else(|| self.known.iter().position(|(_, nodes)| *nodes == 0));
        let at = at.unwrap_or(self.known.len());
        let number = u16::try_from(at).ok()?;
        match self.known.get_mut(at) {
            Some((_, nodes)) if known.is_some() => *nodes += 1,
            Some(free) => *free = (Arc::clone(network), 1),
            None => self.known.push((Arc::clone(network), 1)),
        }
        Some(number)
    }

    /// One less.
    pub fn leave(&mut self, number: u16) -> Arc<Network> {
        let (network, nodes) = &mut self.known[usize::from(number)];
        *nodes -= 1;
        Arc::clone(network)
    }

    pub fn get(&self, number: u16) -> &Arc<Network> {
        &self.known[usize::from(number)].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_used_again_when_nobody_is_there() {
        let network = |name: &str| Arc::new(Network::Interface(name.into()));
        let mut networks = Networks::default();
        assert_eq!(networks.enter(&network("a")), Some(0));
        assert_eq!(networks.enter(&network("b")), Some(1));
        assert_eq!(networks.enter(&network("a")), Some(0));
        networks.leave(0);
        assert_eq!(networks.enter(&network("c")), Some(2));
        assert_eq!(networks.leave(0), network("a"));
        assert_eq!(networks.enter(&network("d")), Some(0));
        assert_eq!((networks.get(0), networks.known.len()), (&network("d"), 3));
    }
}
