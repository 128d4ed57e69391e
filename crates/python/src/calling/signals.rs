//! Which threads have to look now and then whether a signal has come.

use std::cell::Cell;
use std::time::Duration;

use pyo3::intern;
use pyo3::prelude::*;

use super::io_thread::generation;

/// How long a thread that has to look waits before it does.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

thread_local! {
    /// What was found out in which process.
    static HAS_TO_LOOK: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
}

/// How long this thread may wait at once. Only the main thread of Python handles signals; all others need no timer.
pub(super) fn longest_wait(py: Python<'_>) -> Option<Duration> {
    let has_to_look = match HAS_TO_LOOK.get() {
        Some((process, known)) if process == generation() => known,
        _ => {
            let found = is_main(py).unwrap_or(true);
            HAS_TO_LOOK.set(Some((generation(), found)));
            found
        }
    };
    has_to_look.then_some(BETWEEN_LOOKS)
}

fn is_main(py: Python<'_>) -> PyResult<bool> {
    if is_main_of_the_process() {
        // Python may be mistaken about it: for `threading` it is whichever thread imported that first.
        return Ok(true);
    }
    let threading = py.import(intern!(py, "threading"))?;
    let main = threading.call_method0(intern!(py, "main_thread"))?.getattr(intern!(py, "ident"))?;
    main.eq(threading.call_method0(intern!(py, "get_ident"))?)
}

#[cfg(target_os = "linux")]
fn is_main_of_the_process() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}

#[cfg(not(target_os = "linux"))]
fn is_main_of_the_process() -> bool {
    false
}
