//! What wakes an HTTP/1.1 connection, and keeps one needless wake-up from it.
//!
//! hyper wakes the connection each time that content is taken out of it, because there may be more to read. Behind the
//! last of it there is not: then everything on the connection would be polled for nothing, once in every request.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Wake, Waker};

thread_local! {
    static RINGS: Cell<Rings> = const { Cell::new(Rings::Through) };
}

/// What becomes of a wake-up on this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rings {
    Through,
    /// It is kept back.
    Nowhere,
    /// One was.
    KeptBack,
}

/// Wakes the task of one connection.
struct Bell {
    task: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match RINGS.get() {
            Rings::Through => self.task.wake_by_ref(),
            Rings::Nowhere | Rings::KeptBack => RINGS.set(Rings::KeptBack),
        }
    }
}

/// What a connection is to be polled with, in the place of its task's own waker.
pub(super) fn hang(task: &Waker) -> Waker {
    Waker::from(Arc::new(Bell { task: task.clone() }))
}

/// Takes something from a connection, which is not woken by that. Says whether it would have been.
pub(crate) fn quietly<T>(take: impl FnOnce() -> T) -> (T, bool) {
    let quiet = Quiet { before: RINGS.replace(Rings::Nowhere) };
    let taken = take();
    let kept_back = RINGS.get() == Rings::KeptBack;
    drop(quiet);
    (taken, kept_back)
}

/// Ends with the taking, also where that panics: other connections have this thread too.
struct Quiet {
    before: Rings,
}

impl Drop for Quiet {
    fn drop(&mut self) {
        RINGS.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_wake_up_is_kept_back_only_for_as_long_as_something_is_taken_and_told_of() {
        let task = Arc::<Task>::default();
        let bell = hang(&Waker::from(Arc::clone(&task)));
        assert_eq!(quietly(|| 7), (7, false));
        assert_eq!(quietly(|| bell.wake_by_ref()), ((), true));
        assert_eq!(task.0.load(Relaxed), 0);
        bell.wake();
        assert_eq!(task.0.load(Relaxed), 1);
    }

    #[test]
    fn a_panic_leaves_no_bell_mute() {
        let task = Arc::<Task>::default();
        let bell = hang(&Waker::from(Arc::clone(&task)));
        std::panic::catch_unwind(|| quietly(|| panic!("while something is taken"))).unwrap_err();
        bell.wake();
        assert_eq!(task.0.load(Relaxed), 1);
    }
}
