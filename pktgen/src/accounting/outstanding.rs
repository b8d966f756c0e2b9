//! The last requests, by serial number.

/// Requests that are remembered, at least and at most.
const LEAST: usize = 1 << 12;
const MOST: usize = 1 << 20;

/// A request, as far as what comes back is judged by it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    pub serial: u32,
    /// Whose, from 0.
    pub node: u32,
    /// Nanoseconds since the start.
    pub sent: u64,
    /// The step of the measurement that it was sent in.
    pub step: u32,
    /// How often the request was sent before because no answer came.
    pub attempt: u8,
    /// The node may have another home agent from here on.
    pub may_move: bool,
    pub state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No request has had this slot yet.
    #[default]
    Unused,
    Waiting,
    /// Sent again under another serial; may still be answered.
    Superseded,
    Answered,
    /// Given up.
    Lost,
}

/// A ring of requests. A new one takes the slot of the oldest.
#[derive(Clone, Debug)]
pub struct Outstanding {
    ring: Vec<Request>,
    /// Never 0.
    next: u32,
    /// No request in front of this one is waiting for its expiry.
    unexpired: u32,
    /// No request in front of this one becomes due for a retransmission.
    due: u32,
    waiting: u64,
}

fn after(serial: u32) -> u32 {
    serial.checked_add(1).unwrap_or(1)
}

impl Outstanding {
    /// Room for about so many requests on their way.
    pub fn new(requests: u64) -> Self {
        let slots = usize::try_from(requests).unwrap_or(MOST).clamp(LEAST, MOST).next_power_of_two();
        Self { ring: vec![Request::default(); slots], next: 1, unexpired: 1, due: 1, waiting: 0 }
    }

    fn slot(&mut self, serial: u32) -> &mut Request {
        let mask = self.ring.len() - 1;
        &mut self.ring[serial as usize & mask]
    }

    /// The serial of the next request.
    pub fn next_serial(&self) -> u32 {
        self.next
    }

    /// Requests that wait for their answers.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// The next request was sent; serial and state are filled in. Returns the one that was still waiting in its place.
    pub fn push(&mut self, request: Request) -> Option<Request> {
        let serial = self.next;
        self.next = after(serial);
        let old = std::mem::replace(self.slot(serial), Request { serial, state: State::Waiting, ..request });
        let pushed_out = old.state == State::Waiting;
        self.waiting += u64::from(!pushed_out);
        pushed_out.then_some(old)
    }

    /// The request of that serial, if it is remembered.
    pub fn get(&self, serial: u32) -> Option<Request> {
        let request = self.ring[serial as usize & (self.ring.len() - 1)];
        (request.serial == serial && request.state != State::Unused).then_some(request)
    }

    /// A remembered request waits no more.
    pub fn set(&mut self, serial: u32, state: State) {
        let request = self.slot(serial);
        let waited = std::mem::replace(&mut request.state, state) == State::Waiting;
        self.waiting -= u64::from(waited);
    }

    /// Gives up the oldest request that waits and was sent at `horizon` or earlier.
    pub fn expire(&mut self, horizon: u64) -> Option<Request> {
        self.catch_up();
        while self.unexpired != self.next {
            let serial = self.unexpired;
            let request = self.get(serial).filter(|request| request.state == State::Waiting);
            if request.is_some_and(|request| request.sent > horizon) {
                return None;
            }
            self.unexpired = after(serial);
            if request.is_some() {
                self.set(serial, State::Lost);
                return request;
            }
        }
        None
    }

    /// The oldest request that has no answer and was sent at `horizon` or earlier. Each comes up once.
    pub fn due(&mut self, horizon: u64) -> Option<Request> {
        self.catch_up();
        while self.due != self.next {
            let unanswered = |request: &Request| matches!(request.state, State::Waiting | State::Lost);
            let request = self.get(self.due).filter(unanswered);
            if request.is_some_and(|request| request.sent > horizon) {
                return None;
            }
            self.due = after(self.due);
            if request.is_some() {
                return request;
            }
        }
        None
    }

    /// Takes back the last [`Outstanding::due`], of this serial: it waits and comes up again.
    pub fn postpone(&mut self, serial: u32) {
        let request = self.slot(serial);
        if request.serial == serial && request.state == State::Superseded {
            request.state = State::Waiting;
            self.waiting += 1;
            self.due = serial;
        }
    }

    /// What left the ring is skipped.
    fn catch_up(&mut self) {
        let size = self.ring.len() as u32;
        let oldest = self.next.wrapping_sub(size).max(1);
        for cursor in [&mut self.unexpired, &mut self.due] {
            if self.next.wrapping_sub(*cursor) > size {
                *cursor = oldest;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_go_on_behind_the_highest_one_without_a_zero() {
        let mut outstanding = Outstanding::new(0);
        outstanding.next = u32::MAX;
        (outstanding.unexpired, outstanding.due) = (u32::MAX, u32::MAX);
        for node in 0..3 {
            assert!(outstanding.push(Request { node, ..Request::default() }).is_none());
        }
        let node = |serial| outstanding.get(serial).map(|request| request.node);
        assert_eq!([u32::MAX, 0, 1, 2, 3].map(node), [Some(0), None, Some(1), Some(2), None]);
        let due: Vec<u32> = std::iter::from_fn(|| outstanding.due(0)).map(|request| request.node).collect();
        let lost: Vec<u32> =
            std::iter::from_fn(|| outstanding.expire(0)).map(|request| request.node).collect();
        assert_eq!((due, lost, outstanding.waiting()), (vec![0, 1, 2], vec![0, 1, 2], 0));
    }
}
