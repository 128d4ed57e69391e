//! Calls by client protocol, method and code.
//!
//! The method is the one label that clients choose. A method gets a line of its own once a server has answered a call to
//! it with anything but "there is no such method", and at most [`MAX_METHODS`] of them do; all others share one line. So
//! no client can make the statistics grow, and the usual way of counting is a hash, a comparison and an addition.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;

use landbridge_wire::{Code, Protocol};

use super::metric::Counter;
use super::snapshot::Snapshot;

/// Most methods told apart, per worker.
pub const MAX_METHODS: usize = 1024;
/// Slots of the table: twice as many, so that searches stay short.
const SLOTS: usize = 2 * MAX_METHODS;
/// Slots looked at before a method counts as one of the others.
const MAX_PROBES: usize = 16;
/// The longest path that gets a line of its own, in bytes.
const MAX_PATH: usize = 256;

/// What the other methods share.
const OTHER: &str = "other";

const PROTOCOLS: [Protocol; 3] = [Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb];

/// How calls ended, by protocol and method.
#[derive(Debug)]
pub struct Calls {
    hasher: RandomState,
    slots: Box<[OnceLock<Box<MethodCalls>>]>,
    methods: Counter,
    other: Outcomes,
}

#[derive(Debug)]
struct MethodCalls {
    path: Box<str>,
    outcomes: Outcomes,
}

/// Counts for each protocol; of each: success, then the codes by number.
#[derive(Debug, Default)]
struct Outcomes([[Counter; 17]; PROTOCOLS.len()]);

impl Default for Calls {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: (0..SLOTS).map(|_| OnceLock::new()).collect(),
            methods: Counter::default(),
            other: Outcomes::default(),
        }
    }
}

impl Calls {
    /// Counts a call that ended. `path` is `/package.Service/Method`, without a query; `code` is `None` for success;
    /// `answered` says that a server answered, so that the code may be its own.
    pub fn record(&self, protocol: Protocol, path: &str, code: Option<Code>, answered: bool) {
        let exists = answered && code != Some(Code::Unimplemented);
        self.outcomes_of(path, exists).of(protocol, code).increment();
    }

    fn outcomes_of(&self, path: &str, exists: bool) -> &Outcomes {
        if path.len() > MAX_PATH {
            return &self.other;
        }
        let start = self.hasher.hash_one(path) as usize;
        for probe in 0..MAX_PROBES {
            let slot = &self.slots[start.wrapping_add(probe) % SLOTS];
            let method = match slot.get() {
                Some(method) => method,
                None if exists && self.methods.value() < MAX_METHODS as u64 => slot.get_or_init(|| {
                    self.methods.increment();
                    let path = path.into();
                    let outcomes = Outcomes::default();
                    Box::new(MethodCalls { path, outcomes })
                }),
                None => return &self.other,
            };
            if *method.path == *path {
                return &method.outcomes;
            }
        }
        &self.other
    }

    pub(super) fn sample(&self, out: &mut Snapshot) {
        let own = self.slots.iter().filter_map(OnceLock::get);
        let own = own.map(|method| (&*method.path, &method.outcomes));
        for (path, outcomes) in own.chain([(OTHER, &self.other)]) {
            for (protocol, counters) in PROTOCOLS.into_iter().zip(&outcomes.0) {
                for (number, counter) in (0..).zip(counters) {
                    let code = Code::from_number(number).map_or("ok", Code::name);
                    match counter.value() {
                        0 => {}
                        count => out.calls(protocol.name(), path, code, count),
                    }
                }
            }
        }
    }
}

impl Outcomes {
    fn of(&self, protocol: Protocol, code: Option<Code>) -> &Counter {
        let row = match protocol {
            Protocol::Connect => &self.0[0],
            Protocol::Grpc => &self.0[1],
            Protocol::GrpcWeb => &self.0[2],
        };
        // Numbers of codes end at 16.
        &row[code.map_or(0, |code| usize::from(code.number()))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(calls: &Calls) -> String {
        let mut snapshot = Snapshot::default();
        calls.sample(&mut snapshot);
        snapshot.to_text()
    }

    #[test]
    fn calls_are_told_apart_by_protocol_method_and_code() {
        let calls = Calls::default();
        calls.record(Protocol::Connect, "/a.B/C", None, true);
        calls.record(Protocol::Connect, "/a.B/C", None, true);
        calls.record(Protocol::Grpc, "/a.B/C", Some(Code::NotFound), true);
        calls.record(Protocol::GrpcWeb, "/a.B/D", Some(Code::Unauthenticated), true);
        let expected = "landbridge.calls.connect./a.B/C.ok: 2\n\
                        landbridge.calls.grpc./a.B/C.not_found: 1\n\
                        landbridge.calls.grpc_web./a.B/D.unauthenticated: 1\n";
        assert_eq!(lines(&calls), expected);
    }

    #[test]
    fn methods_that_do_not_exist_share_a_line() {
        let calls = Calls::default();
        calls.record(Protocol::Grpc, "/no.Such/Method", Some(Code::Unimplemented), true);
        calls.record(Protocol::Grpc, "/nor/this", Some(Code::Unimplemented), true);
        calls.record(Protocol::Grpc, &format!("/{}", "x".repeat(MAX_PATH)), None, true);
        let expected = "landbridge.calls.grpc.other.ok: 1\nlandbridge.calls.grpc.other.unimplemented: 2\n";
        assert_eq!(lines(&calls), expected);
    }

    #[test]
    fn what_no_server_has_answered_makes_no_line() {
        let calls = Calls::default();
        calls.record(Protocol::Grpc, "/made.Up/1", Some(Code::InvalidArgument), false);
        calls.record(Protocol::Grpc, "/made.Up/2", Some(Code::InvalidArgument), false);
        assert_eq!(lines(&calls), "landbridge.calls.grpc.other.invalid_argument: 2\n");
        calls.record(Protocol::Grpc, "/a.B/C", None, true);
        calls.record(Protocol::Grpc, "/a.B/C", Some(Code::Unavailable), false);
        assert!(lines(&calls).contains("landbridge.calls.grpc./a.B/C.unavailable: 1\n"));
    }

    #[test]
    fn a_known_method_keeps_its_line_for_every_code() {
        let calls = Calls::default();
        calls.record(Protocol::Grpc, "/a.B/C", None, true);
        calls.record(Protocol::Grpc, "/a.B/C", Some(Code::Unimplemented), true);
        assert!(lines(&calls).contains("landbridge.calls.grpc./a.B/C.unimplemented: 1\n"));
    }

    #[test]
    fn the_number_of_lines_is_bounded_and_no_call_is_lost() {
        let calls = Calls::default();
        let total = 20 * MAX_METHODS;
        for n in 0..total {
            calls.record(Protocol::Connect, &format!("/s/{n}"), None, true);
        }
        let text = lines(&calls);
        assert!(text.lines().count() <= MAX_METHODS + 1);
        let counted: usize =
            text.lines().filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum();
        assert_eq!(counted, total);
    }
}
