//! The thread that writes, and the queue to it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::sink::Sink;
use crate::stats::AccessLogStats;

/// Lines that may wait to be written.
const MOST_LINES: usize = 16 << 10;
/// Bytes of lines that may wait to be written.
const MOST_BYTES: i64 = 16 << 20;
/// Lines taken from the queue at once.
const BATCH: usize = 512;
/// How long what is queued may take to be written at the end. A stream that nobody reads from would take for ever.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A line, and the place of its sink.
type Queued = (usize, String);

/// The way to the writer. Clones are one queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    lines: mpsc::Sender<Queued>,
    stats: Arc<AccessLogStats>,
}

impl Queue {
    /// Adds a line. Never waits: where there is no room, the line is dropped and counted.
    pub(super) fn push(&self, sink: usize, line: String) {
        let bytes = size(&line);
        let room = self.stats.waiting_bytes.add(bytes) <= MOST_BYTES;
        if room && self.lines.try_send((sink, line)).is_ok() {
            self.stats.write_buffered.increment();
        } else {
            self.stats.waiting_bytes.add(-bytes);
            self.stats.dropped.increment();
        }
    }
}

/// Its bytes; nothing in memory is longer than the largest `i64`.
fn size(line: &str) -> i64 {
    i64::try_from(line.len()).unwrap_or(i64::MAX)
}

/// The writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Queue,
    finish: oneshot::Sender<()>,
    /// Disconnected once the thread has ended.
    running: std::sync::mpsc::Receiver<()>,
}

impl Writer {
    /// Starts the thread. SIGUSR1 makes it open its files anew from now on.
    ///
    /// # Errors
    /// The system gives no thread or signal.
    pub(super) fn start(sinks: Vec<Sink>, stats: Arc<AccessLogStats>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let rotate = signal(SignalKind::user_defined1())?;
        drop(entered);
        let (sender, lines) = mpsc::channel(MOST_LINES);
        let (finish, finished) = oneshot::channel();
        let (ending, running) = std::sync::mpsc::channel();
        let queue = Queue { lines: sender, stats: Arc::clone(&stats) };
        let thread = Thread { sinks, lines, rotate, finished, stats };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            thread.run(&runtime);
            drop::<std::sync::mpsc::Sender<()>>(ending);
        })?;
        Ok(Self { queue, finish, running })
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Waits until everything is written that is queued by now.
    pub(super) fn finish(self) {
        // The thread may have ended before only by a panic, which was reported.
        let _told = self.finish.send(());
        if self.running.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("the access log takes too long to be written; its last lines are lost");
        }
    }
}

struct Thread {
    sinks: Vec<Sink>,
    lines: mpsc::Receiver<Queued>,
    rotate: Signal,
    finished: oneshot::Receiver<()>,
    stats: Arc<AccessLogStats>,
}

impl Thread {
    fn run(mut self, runtime: &Runtime) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let event = runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = self.rotate.recv() => Event::Rotate,
                    taken = self.lines.recv_many(&mut batch, BATCH) => Event::Lines(taken),
                    // Last, so that what was queued before is written.
                    _ = &mut self.finished => Event::Lines(0),
                }
            });
            match event {
                Event::Rotate => self.reopen(),
                Event::Lines(0) => return,
                Event::Lines(_) => self.write(&mut batch),
            }
        }
    }

    fn write(&mut self, batch: &mut Vec<Queued>) {
        for (sink, line) in batch.drain(..) {
            self.stats.waiting_bytes.add(-size(&line));
            self.sinks[sink].add(&line);
        }
        for written in self.sinks.iter_mut().filter_map(Sink::flush) {
            match written {
                Ok(()) => self.stats.write_completed.increment(),
                Err(_reported) => self.stats.write_failed.increment(),
            }
        }
    }

    fn reopen(&mut self) {
        for sink in &mut self.sinks {
            if let Err(error) = sink.reopen() {
                tracing::error!(log = %sink, %error, "the access log cannot be opened anew; the old file is kept");
                self.stats.reopen_failed.increment();
            }
        }
    }
}

enum Event {
    Rotate,
    /// Taken from the queue; none at the end.
    Lines(usize),
}
