//! What the bridge is doing, for probes and for people.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::ListenAddress;

/// Where a bridge stands in its life. Envoy's states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Live,
    /// It ends, or an operator has taken it out of service.
    Draining,
    /// Names are still being looked up for the first time.
    PreInitializing,
    /// Listeners are being opened.
    Initializing,
}

impl Phase {
    /// Envoy's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
            Self::Initializing => "INITIALIZING",
        }
    }

    /// The value of `server.state`.
    pub(super) fn number(self) -> u64 {
        u64::from(self as u8)
    }

    const ALL: [Self; 4] = [Self::Live, Self::Draining, Self::PreInitializing, Self::Initializing];
}

/// How the bridge was started: for `/server_info`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Launch {
    /// The version of the program.
    pub version: String,
    /// `--config-path`; empty without one.
    pub config_path: String,
    /// `--config-yaml`; never shown, as it may hold keys, only whether there was one.
    pub config_yaml: bool,
    /// `--drain-time-s`.
    pub drain_time: Duration,
    /// `--log-level`.
    pub log_level: String,
}

/// A listener that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundListener {
    /// Its name.
    pub name: String,
    /// Where it really listens: the port the system picked, in place of 0.
    pub address: ListenAddress,
}

/// What the bridge is doing. The bridge writes, the admin server reads; and the health check is the operator's.
#[derive(Debug)]
pub struct ServerState {
    phase: AtomicU8,
    /// `/healthcheck/fail` was asked for, and `/healthcheck/ok` not since.
    failing: AtomicBool,
    started: Instant,
    launch: Launch,
    listeners: Mutex<Vec<BoundListener>>,
}

impl ServerState {
    /// A bridge that starts now.
    #[must_use]
    pub fn new(launch: Launch) -> Self {
        Self {
            phase: AtomicU8::new(Phase::PreInitializing as u8),
            failing: AtomicBool::new(false),
            started: Instant::now(),
            launch,
            listeners: Mutex::default(),
        }
    }

    /// What the bridge is doing now; one that serves and is to fail its health check is draining, as in Envoy.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let phase = Phase::ALL[usize::from(self.phase.load(SeqCst)) % Phase::ALL.len()];
        match phase {
            Phase::Live if self.failing.load(SeqCst) => Phase::Draining,
            phase => phase,
        }
    }

    /// Goes on to another phase.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, SeqCst);
    }

    /// Says where the listeners listen now.
    pub fn set_listeners(&self, listeners: Vec<BoundListener>) {
        *self.listeners.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
    }

    /// Time since the start.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn fail_health_check(&self, fail: bool) {
        self.failing.store(fail, SeqCst);
    }

    pub(super) fn launch(&self) -> &Launch {
        &self.launch
    }

    pub(super) fn listeners(&self) -> Vec<BoundListener> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
