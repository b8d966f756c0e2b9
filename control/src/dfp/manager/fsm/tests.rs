//! One test for each row of the manager's tables, under a fake clock.

use std::net::Ipv4Addr;

use super::*;
use crate::dfp::{
    packet::{
        BindEntry, BindId, BindTable, Decoded, FramingError, Host, MessageType, Notes, Protocol,
        SecurityError,
    },
    security::Proof,
};

const JITTER: Duration = Duration::from_millis(300);

fn config(timeout: u16, retries: u16, interval: u16) -> DfpAgent {
    DfpAgent { timeout, retries, interval, ..DfpAgent::new(Ipv4Addr::new(10, 1, 1, 51), 500) }
}

struct Rig {
    peer: Peer,
    now: Nanos,
}

impl Rig {
    /// Not started yet.
    fn idle(config: DfpAgent) -> Self {
        Self { peer: Peer::new(config, JITTER), now: Nanos(5_000_000_000) }
    }

    /// An attempt is under way.
    fn connecting(config: DfpAgent) -> Self {
        let mut rig = Self::idle(config);
        rig.event(Event::Entered(config));
        rig
    }

    /// Open, nothing received.
    fn open(config: DfpAgent) -> Self {
        let mut rig = Self::connecting(config);
        rig.event(Event::Connected);
        rig
    }

    /// Open, a hello received.
    fn proven(config: DfpAgent) -> Self {
        let mut rig = Self::open(config);
        rig.hello();
        rig
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.peer.decide(event, self.now)
    }

    fn message(&mut self, message: Message) -> Vec<Action> {
        let decoded = Decoded { message, proof: Proof::NoPassword, notes: Notes::default() };
        self.event(Event::Received(Received::Message(decoded)))
    }

    fn hello(&mut self) -> Vec<Action> {
        self.message(Message::PreferenceInfo(vec![]))
    }

    fn insecure(&mut self) -> Vec<Action> {
        let error = DecodeError::Security(SecurityError::Mismatch);
        self.event(Event::Received(Received::Discarded(error)))
    }

    fn closed(&mut self, close: Close) -> Vec<Action> {
        self.event(Event::Received(Received::Closed(close)))
    }

    /// Lets time pass up to the deadline, which must be `after` away, and ticks; nothing may happen a moment earlier.
    fn pass(&mut self, after: Duration) -> Vec<Action> {
        let deadline = self.peer.due().expect("something is waited for");
        assert_eq!(deadline.since(self.now), after);
        self.now = Nanos(deadline.0 - 1);
        assert_eq!(self.event(Event::Tick), []);
        self.now = deadline;
        self.event(Event::Tick)
    }

    /// Without the changes of state.
    fn pass_quietly(&mut self, after: Duration) -> Vec<Action> {
        quiet(self.pass(after))
    }

    fn state(&self) -> ConnectionState {
        self.peer.state
    }
}

fn quiet(actions: Vec<Action>) -> Vec<Action> {
    actions.into_iter().filter(|action| !matches!(action, Action::State { .. })).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn parameters(seconds: u32) -> Action {
    Action::Send(Message::Parameters { keep_alive: Some(seconds) })
}

fn change(from: ConnectionState, to: ConnectionState) -> Action {
    Action::State { from, to }
}

fn lost(loss: Loss) -> Vec<Action> {
    vec![Action::Close, Action::WeightsLost, Action::Lost(loss)]
}

fn load(weight: u16) -> Load {
    let host = Host { address: Ipv4Addr::new(10, 1, 1, 51), bind_id: BindId::ANY, weight };
    Load { port: 434, protocol: Protocol::UDP, hosts: vec![host] }
}

const VERSION: Close = Close::Framing(FramingError::Version(2));

use ConnectionState::{Connecting, Failed, NotOpen, Open, SecurityError as Insecure, Trying};

#[test]
fn not_open_with_a_complete_block_connects() {
    let mut rig = Rig::idle(config(0, 0, 180));
    assert_eq!((rig.state(), rig.peer.due()), (NotOpen, None));
    let actions = rig.event(Event::Entered(config(0, 0, 180)));
    assert_eq!(actions, [change(NotOpen, Connecting), Action::Connect]);
}

#[test]
fn connecting_and_connected_opens_and_sends_parameters_also_without_timeout() {
    for timeout in [0, 30] {
        let mut rig = Rig::connecting(config(timeout, 0, 180));
        let actions = rig.event(Event::Connected);
        assert_eq!(actions, [change(Connecting, Open), Action::Opened, parameters(timeout.into())]);
        let silence = (timeout > 0).then(|| rig.now.after(seconds(31)));
        assert_eq!(rig.peer.due(), silence);
    }
}

#[test]
fn connecting_and_refused_waits_the_interval() {
    let mut rig = Rig::connecting(config(0, 0, 20));
    assert_eq!(rig.event(Event::ConnectFailed), [change(Connecting, Trying)]);
    assert_eq!(rig.pass(seconds(20)), [change(Trying, Connecting), Action::Connect]);
}

#[test]
fn connecting_without_answer_is_given_up_after_ten_seconds() {
    let mut rig = Rig::connecting(config(0, 0, 20));
    assert_eq!(rig.pass(seconds(10)), [Action::Close, change(Connecting, Trying)]);
    assert_eq!(rig.pass_quietly(seconds(20)), [Action::Connect]);
}

#[test]
fn three_retries_are_four_attempts() {
    let mut rig = Rig::connecting(config(0, 3, 7));
    for _ in 0..3 {
        assert_eq!(rig.event(Event::ConnectFailed), [change(Connecting, Trying)]);
        assert_eq!(rig.pass_quietly(seconds(7)), [Action::Connect]);
    }
    let actions = rig.event(Event::ConnectFailed);
    assert_eq!(actions, [change(Connecting, Failed), Action::GaveUp { attempts: 4 }]);
    assert_eq!(rig.peer.due(), None, "no further attempt");
    rig.now = rig.now.after(seconds(100_000));
    assert_eq!(rig.event(Event::Tick), []);
}

#[test]
fn no_limit_of_retries_never_ends() {
    let mut rig = Rig::connecting(config(0, 0, 1));
    for _ in 0..1000 {
        rig.event(Event::ConnectFailed);
        assert_eq!(rig.pass_quietly(seconds(1)), [Action::Connect]);
    }
}

#[test]
fn trying_and_the_timer_connects() {
    let mut rig = Rig::proven(config(0, 0, 60));
    rig.event(Event::Ended);
    assert_eq!(rig.state(), Trying);
    assert_eq!(rig.pass(JITTER), [change(Trying, Connecting), Action::Connect]);
}

#[test]
fn a_valid_message_resets_the_attempts() {
    let mut rig = Rig::connecting(config(0, 1, 5));
    rig.event(Event::ConnectFailed);
    rig.pass(seconds(5));
    rig.event(Event::Connected);
    assert_eq!(rig.hello(), []);
    rig.event(Event::Ended);
    rig.pass(JITTER);
    assert_eq!(rig.event(Event::ConnectFailed), [change(Connecting, Trying)], "the first one of a new row");
}

#[test]
fn a_connection_without_a_message_resets_nothing() {
    let mut rig = Rig::connecting(config(0, 1, 5));
    rig.event(Event::ConnectFailed);
    rig.pass(seconds(5));
    rig.event(Event::Connected);
    rig.event(Event::Ended);
    assert_eq!(
        rig.pass_quietly(JITTER),
        [Action::Connect],
        "the agent may have held the connection of the process before"
    );
    rig.event(Event::Connected);
    rig.event(Event::Ended);
    assert_eq!(rig.pass_quietly(seconds(5)), [Action::Connect], "not the quick one again");
    rig.event(Event::ConnectFailed);
    assert_eq!(rig.state(), Failed);
}

#[test]
fn a_valid_message_restarts_the_liveness_timer() {
    let mut rig = Rig::open(config(5, 0, 180));
    for _ in 0..20 {
        rig.now = rig.now.after(seconds(5));
        assert_eq!(rig.hello(), []);
        assert_eq!(rig.peer.due(), Some(rig.now.after(seconds(6))));
    }
}

#[test]
fn a_report_is_processed_and_a_hello_changes_no_weight() {
    let mut rig = Rig::open(config(0, 0, 180));
    let loads = vec![load(25)];
    assert_eq!(rig.message(Message::PreferenceInfo(loads.clone())), [Action::Weights(loads)]);
    assert_eq!(rig.hello(), []);
    assert_eq!(rig.message(Message::PreferenceInfo(vec![Load { hosts: vec![], ..load(1) }])), []);
}

#[test]
fn a_security_error_shows_and_does_not_restart_the_liveness_timer() {
    let mut rig = Rig::open(config(10, 0, 180));
    let end = rig.peer.due();
    rig.now = rig.now.after(seconds(3));
    assert_eq!(rig.insecure(), [change(Open, Insecure)]);
    assert_eq!(rig.insecure(), []);
    assert_eq!(rig.peer.due(), end);
    assert_eq!(rig.hello(), [change(Insecure, Open)]);
}

#[test]
fn the_fifth_security_error_in_a_row_closes_and_waits_the_interval() {
    let mut rig = Rig::proven(config(0, 0, 40));
    rig.insecure();
    let close = Close::Security(SecurityError::Mismatch);
    let actions = rig.closed(close);
    assert_eq!(quiet(actions), lost(Loss::Closed(close)));
    assert_eq!(rig.state(), Trying);
    assert_eq!(rig.pass_quietly(seconds(40)), [Action::Connect], "though a valid message had come");
}

#[test]
fn silence_closes_a_second_after_the_timeout() {
    for insecure in [false, true] {
        let mut rig = Rig::proven(config(5, 0, 180));
        if insecure {
            rig.insecure();
        }
        let actions = rig.pass(seconds(6));
        assert_eq!(quiet(actions), lost(Loss::Silent));
        assert_eq!(rig.state(), Trying);
        assert_eq!(rig.pass_quietly(JITTER), [Action::Connect]);
    }
}

#[test]
fn without_timeout_silence_is_borne() {
    assert_eq!(Rig::proven(config(0, 0, 180)).peer.due(), None);
}

#[test]
fn the_end_of_the_connection_loses_the_weights() {
    for insecure in [false, true] {
        let mut rig = Rig::proven(config(0, 0, 180));
        if insecure {
            rig.insecure();
        }
        assert_eq!(quiet(rig.event(Event::Ended)), lost(Loss::Ended));
        assert_eq!(rig.state(), Trying);
        assert_eq!(rig.event(Event::Ended), [], "once");
    }
}

#[test]
fn a_framing_error_shows_failed_until_the_next_attempt() {
    for insecure in [false, true] {
        let mut rig = Rig::proven(config(0, 0, 180));
        if insecure {
            rig.insecure();
        }
        assert_eq!(quiet(rig.closed(VERSION)), lost(Loss::Closed(VERSION)));
        assert_eq!(rig.state(), Failed);
        assert_eq!(rig.pass(JITTER), [change(Failed, Connecting), Action::Connect]);
    }
}

#[test]
fn an_agent_that_does_not_read_is_lost() {
    let mut rig = Rig::proven(config(0, 0, 180));
    assert_eq!(quiet(rig.event(Event::Stalled)), lost(Loss::Stalled));
    assert_eq!(rig.state(), Trying);
}

#[test]
fn entered_with_another_timeout_it_sends_parameters_and_counts_from_now() {
    let mut rig = Rig::proven(config(0, 0, 180));
    rig.now = rig.now.after(seconds(1000));
    assert_eq!(rig.event(Event::Entered(config(5, 0, 180))), [parameters(5)]);
    assert_eq!(rig.event(Event::Entered(config(5, 3, 20))), [], "the same timeout");
    assert_eq!(quiet(rig.pass(seconds(6))), lost(Loss::Silent));
    assert_eq!(rig.event(Event::Entered(config(6, 3, 20))), [], "no connection");
    assert_eq!(rig.pass_quietly(JITTER), [Action::Connect]);
    assert_eq!(rig.event(Event::Entered(config(7, 3, 20))), [], "not connected yet");
    assert_eq!(quiet(rig.event(Event::Connected)), [Action::Opened, parameters(7)]);
}

#[test]
fn a_shorter_interval_acts_at_once() {
    let mut rig = Rig::connecting(config(0, 0, 180));
    rig.event(Event::ConnectFailed);
    rig.event(Event::Entered(config(0, 0, 300)));
    assert_eq!(rig.peer.due(), Some(rig.now.after(seconds(180))));
    rig.event(Event::Entered(config(0, 0, 2)));
    assert_eq!(rig.pass_quietly(seconds(2)), [Action::Connect]);
}

#[test]
fn retries_used_up_and_entered_again_it_connects_with_all_its_attempts() {
    let mut rig = Rig::connecting(config(0, 1, 5));
    let again = |rig: &mut Rig| {
        rig.event(Event::ConnectFailed);
        rig.pass(seconds(5));
        rig.event(Event::ConnectFailed);
        assert_eq!((rig.state(), rig.peer.due()), (Failed, None));
    };
    again(&mut rig);
    let actions = rig.event(Event::Entered(config(0, 1, 5)));
    assert_eq!(actions, [change(Failed, Connecting), Action::Connect]);
    again(&mut rig);
}

#[test]
fn removed_it_closes_in_every_state() {
    let mut rig = Rig::proven(config(5, 0, 180));
    assert_eq!(quiet(rig.event(Event::Removed)), lost(Loss::Removed));
    assert_eq!((rig.state(), rig.peer.due()), (NotOpen, None));

    let mut rig = Rig::connecting(config(5, 0, 180));
    assert_eq!(quiet(rig.event(Event::Removed)), [Action::Close]);
    assert_eq!((rig.state(), rig.peer.due()), (NotOpen, None));
    assert_eq!(rig.event(Event::Connected), [], "too late");

    let mut rig = Rig::connecting(config(5, 0, 180));
    rig.event(Event::ConnectFailed);
    assert_eq!(quiet(rig.event(Event::Removed)), []);
    assert_eq!((rig.state(), rig.peer.due()), (NotOpen, None));
}

#[test]
fn one_quick_reconnect_in_an_interval() {
    let mut rig = Rig::proven(config(0, 0, 30));
    rig.event(Event::Ended);
    rig.pass(JITTER);
    rig.event(Event::Connected);
    rig.hello();
    rig.now = rig.now.after(seconds(20));
    rig.event(Event::Ended);
    assert_eq!(rig.pass_quietly(seconds(30)), [Action::Connect], "within the interval of the last");
    rig.event(Event::Connected);
    rig.hello();
    rig.event(Event::Ended);
    assert_eq!(rig.pass_quietly(JITTER), [Action::Connect], "50 s after the last");
}

#[test]
fn an_agent_that_accepts_and_closes_at_once_is_tried_by_the_interval() {
    let mut rig = Rig::connecting(config(0, 0, 30));
    for attempt in 0..10 {
        rig.event(Event::Connected);
        rig.event(Event::Ended);
        // Once it may be that it still holds the connection of the process before.
        let wait = if attempt == 0 { JITTER } else { seconds(30) };
        assert_eq!(rig.pass_quietly(wait), [Action::Connect]);
    }
}

#[test]
fn what_is_discarded_for_other_reasons_is_no_sign_of_life() {
    let mut rig = Rig::open(config(5, 0, 180));
    let end = rig.peer.due();
    rig.now = rig.now.after(seconds(2));
    for discard in [
        DecodeError::TooManyHosts,
        DecodeError::UnknownType(MessageType(0x0601)),
        DecodeError::WrongDirection(MessageType::PARAMETERS),
        DecodeError::Unsolicited,
    ] {
        assert_eq!(rig.event(Event::Received(Received::Discarded(discard))), []);
    }
    assert_eq!((rig.state(), rig.peer.due()), (Open, end));
}

#[test]
fn server_states_go_out_while_connected() {
    let told = || Event::ServerState(vec![load(0)]);
    let sent = [Action::Send(Message::ServerState(vec![load(0)]))];
    let mut rig = Rig::connecting(config(0, 0, 180));
    assert_eq!(rig.event(told()), []);
    rig.event(Event::Connected);
    assert_eq!(rig.event(told()), sent);
    rig.insecure();
    assert_eq!(rig.event(told()), sent, "it may well trust us");
    rig.event(Event::Ended);
    assert_eq!(rig.event(told()), []);
}

fn table(last: u8) -> BindTable {
    let entry = BindEntry { bind_id: BindId(7), client: Ipv4Addr::UNSPECIFIED, mask: Ipv4Addr::UNSPECIFIED };
    BindTable {
        server: Ipv4Addr::new(10, 1, 1, last),
        port: 434,
        protocol: Protocol::UDP,
        entries: vec![entry],
    }
}

const REQUEST: [Action; 1] = [Action::Send(Message::BindIdRequest)];

#[test]
fn bind_ids_are_asked_for_only_while_a_farm_has_one() {
    let mut rig = Rig::open(config(0, 0, 180));
    assert_eq!(rig.message(Message::BindIdChangeNotify), []);
    assert_eq!(rig.event(Event::BindIds(true)), REQUEST);
    rig.event(Event::BindIds(false));
    assert_eq!(rig.message(Message::BindIdChangeNotify), []);
    assert_eq!(rig.peer.due(), None);

    let mut rig = Rig::connecting(config(0, 0, 180));
    assert_eq!(rig.event(Event::BindIds(true)), []);
    let actions = quiet(rig.event(Event::Connected));
    assert_eq!(actions, [vec![Action::Opened, parameters(0)], REQUEST.to_vec()].concat());
}

#[test]
fn bind_ids_are_asked_for_once_each_time_that_a_first_farm_has_one() {
    let mut rig = Rig::open(config(0, 0, 180));
    assert_eq!(rig.event(Event::BindIds(true)), REQUEST);
    // As after any other change of the configuration.
    assert_eq!(rig.event(Event::BindIds(true)), []);
    assert_eq!(rig.peer.due(), None);
    rig.now = rig.now.after(seconds(10));
    // What was said while nobody wanted it may be old.
    rig.event(Event::BindIds(false));
    assert_eq!(rig.event(Event::BindIds(true)), REQUEST);
}

#[test]
fn bind_ids_are_asked_for_again_after_a_change_at_most_every_ten_seconds() {
    let mut rig = Rig::open(config(0, 0, 180));
    assert_eq!(rig.event(Event::BindIds(true)), REQUEST);
    assert_eq!(rig.message(Message::BindIdChangeNotify), []);
    assert_eq!(rig.message(Message::BindIdChangeNotify), []);
    assert_eq!(rig.pass(seconds(10)), REQUEST);
    assert_eq!(rig.peer.due(), None);
    rig.now = rig.now.after(seconds(11));
    assert_eq!(rig.message(Message::BindIdChangeNotify), REQUEST);
    // A new connection does not hurry it.
    rig.hello();
    rig.event(Event::Ended);
    rig.pass(JITTER);
    assert_eq!(quiet(rig.event(Event::Connected)), [Action::Opened, parameters(0)]);
    assert_eq!(rig.pass(seconds(10).saturating_sub(JITTER)), REQUEST);
}

#[test]
fn an_answer_counts_when_it_is_complete_and_ends_with_its_connection() {
    let mut rig = Rig::open(config(0, 0, 180));
    rig.event(Event::BindIds(true));
    rig.message(Message::BindIdReport(table(51)));
    rig.message(Message::BindIdReport(table(52)));
    assert_eq!(rig.peer.bind_ids.tables[..], []);
    rig.message(Message::BindIdReport(BindTable::END));
    assert_eq!(rig.peer.bind_ids.tables[..], [table(51), table(52)]);

    rig.message(Message::BindIdChangeNotify);
    rig.pass(seconds(10));
    rig.message(Message::BindIdReport(table(53)));
    assert_eq!(rig.peer.bind_ids.tables[..], [table(51), table(52)], "the former one stands");
    rig.message(Message::BindIdReport(BindTable::END));
    assert_eq!(rig.peer.bind_ids.tables[..], [table(53)]);

    rig.event(Event::Ended);
    assert_eq!(rig.peer.bind_ids.tables[..], []);
}

#[test]
fn events_out_of_place_do_nothing() {
    let mut rig = Rig::idle(config(5, 0, 180));
    for event in [Event::Connected, Event::ConnectFailed, Event::Ended, Event::Stalled, Event::Tick] {
        assert_eq!(rig.event(event), []);
    }
    assert_eq!(rig.hello(), []);
    assert_eq!((rig.state(), rig.peer.due()), (NotOpen, None));
    let mut rig = Rig::open(config(0, 0, 180));
    for event in [Event::Connected, Event::ConnectFailed, Event::Tick] {
        assert_eq!(rig.event(event), []);
    }
    assert_eq!(rig.state(), Open);
}
