//! Who runs the runtime that calls are made on: its I/O thread, or a thread that waits for the only call there is.
//!
//! A blocking call that is made by the I/O thread costs two changes of threads: there, and back. Where such calls follow
//! each other closely and one at a time, as in a loop, the thread that waits does the work itself instead. The I/O thread
//! steps aside for them, and is back as soon as there is a second call, one that takes its time, or none for a while.
//!
//! ```text
//!              blocking calls, alone, in close succession
//!   [I/O thread] ------------------------------------> [caller]
//!        ^                                              |    ^
//!        |     others are under way, or it takes long   |    | the next
//!        +----------------------------------------------+    |
//!        |     another kind of call, or none comes      v    |
//!        +------------------------------------------ [nobody]+
//! ```

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;

use crate::busy_poll::{Awaited, BusyPoll};

/// How close a call has to begin behind the one before it.
const CLOSE: Duration = Duration::from_millis(2);
/// How long a caller keeps its turn at most: what takes longer gains nothing by it.
pub const LONGEST_TURN: Duration = Duration::from_millis(5);
/// How many such calls are made before the I/O thread steps aside.
const IN_A_ROW: u32 = 4;
/// How long nobody may run the runtime before the I/O thread comes back: at least once this, at most twice.
const REST: Duration = Duration::from_millis(10);

/// Says whose turn it is.
#[derive(Debug, Default)]
pub struct Wheel {
    state: Mutex<State>,
    /// Wakes the I/O thread from [`Wheel::rest`].
    called_back: Condvar,
    /// Has the I/O thread step aside.
    aside: Notify,
    /// Nobody has run the runtime for a while.
    behind: AtomicBool,
    busy_poll: BusyPoll,
}

#[derive(Debug, Default)]
struct State {
    hand: Hand,
    /// Calls that are under way.
    calls: usize,
    /// When the last blocking call began that was alone then, and how many of them began close behind each other.
    last: Option<Instant>,
    in_a_row: u32,
    /// Grows with every turn of a caller.
    turns: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hand {
    #[default]
    IoThread,
    Caller,
    Nobody,
}

/// A call is under way, until this is dropped.
#[derive(Debug)]
pub struct UnderWay {
    wheel: Arc<Wheel>,
    /// There was no other when it began.
    alone: bool,
}

/// The turn of a caller, until this is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Wheel);

impl Wheel {
    /// Something begins that needs the I/O thread, unless a caller has its turn: then that does it, and hands it on.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        let mut state = self.lock();
        state.calls += 1;
        state.in_a_row = 0;
        self.call_back(&mut state);
        self.under_way(&state)
    }

    /// A call begins whose thread waits for it. Gives that thread the turn, where it is better off with it.
    pub fn begin_blocking(self: &Arc<Self>) -> (UnderWay, Option<Turn<'_>>) {
        let mut state = self.lock();
        state.calls += 1;
        let turn = self.turn(&mut state);
        if turn.is_none() {
            self.call_back(&mut state);
        }
        (self.under_way(&state), turn)
    }

    fn under_way(self: &Arc<Self>, state: &State) -> UnderWay {
        UnderWay { wheel: Arc::clone(self), alone: state.calls == 1 }
    }

    fn turn(&self, state: &mut State) -> Option<Turn<'_>> {
        // One that has the turn and no call any more is about to hand it on.
        if state.calls > 1 || state.hand == Hand::Caller {
            state.in_a_row = 0;
            return None;
        }
        if state.hand == Hand::IoThread {
            let now = Instant::now();
            let close = state.last.replace(now).is_some_and(|last| now.duration_since(last) < CLOSE);
            state.in_a_row = if close { state.in_a_row + 1 } else { 0 };
            if state.in_a_row < IN_A_ROW {
                return None;
            }
            self.aside.notify_one();
        }
        state.hand = Hand::Caller;
        state.turns += 1;
        Some(Turn(self))
    }

    /// On the runtime, before a call chooses its connection: has everything seen that came while nobody ran it, such as
    /// a server's farewell.
    pub async fn catch_up(&self) {
        if self.behind.load(Relaxed) {
            // The first turn asks the system, in the second whoever is concerned looks at it.
            yield_now().await;
            yield_now().await;
            self.behind.store(false, Relaxed);
        }
    }

    /// Runs on the runtime, which stays awake while an answer is about to come.
    pub async fn stay_awake(&self) {
        self.busy_poll.run().await;
    }

    /// For the I/O thread: ready when it has to step aside.
    pub async fn aside(&self) {
        self.aside.notified().await;
    }

    /// For the I/O thread: stands aside until it is called back, or nobody has been there for a while.
    pub fn rest(&self) {
        let mut state = self.lock();
        let mut turns = state.turns;
        while state.hand != Hand::IoThread {
            let (waited, timed_out) =
                self.called_back.wait_timeout(state, REST).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if timed_out.timed_out() && state.hand == Hand::Nobody && state.turns == turns {
                state.hand = Hand::IoThread;
            }
            turns = state.turns;
        }
        state.in_a_row = 0;
    }

    fn call_back(&self, state: &mut State) {
        if state.hand == Hand::Nobody {
            state.hand = Hand::IoThread;
            self.called_back.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// That by which it is counted.
    pub fn wheel(&self) -> &Wheel {
        &self.wheel
    }

    /// On the runtime: the answer to the call comes next. Has the runtime stay awake for it, where that is worth it,
    /// until what is given is dropped.
    pub fn await_answer(&self) -> Option<Awaited> {
        if self.alone { self.wheel.busy_poll.begin() } else { None }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.wheel.lock().calls -= 1;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.hand = Hand::Nobody;
        self.0.behind.store(true, Relaxed);
        if state.calls > 0 {
            self.0.call_back(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many blocking calls, one after the other; how many of them had the turn.
    fn turns(wheel: &Arc<Wheel>, calls: usize) -> usize {
        (0..calls).filter(|_| wheel.begin_blocking().1.is_some()).count()
    }

    // Time stands still, so that all calls follow closely.
    #[tokio::test(start_paused = true)]
    async fn a_thread_that_calls_in_a_loop_gets_the_turn_and_keeps_it() {
        let wheel = Arc::new(Wheel::default());
        assert_eq!(turns(&wheel, 20), 20 - (IN_A_ROW as usize));
        assert_eq!(wheel.lock().hand, Hand::Nobody);
        assert_eq!(wheel.lock().calls, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_beside_another_has_the_io_thread() {
        let wheel = Arc::new(Wheel::default());
        turns(&wheel, 20);
        let (first, turn) = wheel.begin_blocking();
        assert!(turn.is_some());
        let (second, none) = wheel.begin_blocking();
        assert!(none.is_none());
        // The first hands it on.
        drop(turn);
        assert_eq!(wheel.lock().hand, Hand::IoThread);
        drop((first, second));
        assert_eq!(turns(&wheel, IN_A_ROW as usize - 1), 0, "it starts over");
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_else_begins_calls_the_io_thread_back() {
        let wheel = Arc::new(Wheel::default());
        turns(&wheel, 20);
        let _under_way = wheel.begin();
        assert_eq!(wheel.lock().hand, Hand::IoThread);
        wheel.rest();
    }

    #[tokio::test(start_paused = true)]
    async fn the_io_thread_comes_back_where_nothing_follows() {
        let wheel = Arc::new(Wheel::default());
        turns(&wheel, 20);
        wheel.rest();
        assert_eq!(wheel.lock().hand, Hand::IoThread);
    }
}
