//! The schemas of clusters: from a descriptor set when the bridge starts, or from the server's own reflection when a
//! call first needs one.

mod reflection;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use landbridge_schema::{Method, Schema};

use crate::cluster::{Cluster, Unopened};
use crate::config::{Bootstrap, ClusterId, SchemaSource};

/// How long a server's word is believed: what its schema lacks, or that it has none, is not asked for again before.
const SETTLED: Duration = Duration::from_secs(5);

/// All schemas of one configuration: a cluster has one for each source that its routes name.
#[derive(Debug)]
pub(crate) struct Schemas {
    /// By the cluster's place in the file.
    of: Vec<Vec<(SchemaSource, Arc<SchemaCache>)>>,
    none: Arc<SchemaCache>,
}

impl Schemas {
    /// Reads the descriptor sets that the configuration names.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub(crate) fn load(bootstrap: &Bootstrap) -> Result<Self, SchemaSetupError> {
        let of = bootstrap.clusters().iter().map(|_| Vec::new()).collect();
        let mut schemas = Self { of, none: Arc::new(SchemaCache::none()) };
        for target in bootstrap.targets() {
            let caches = &mut schemas.of[target.cluster.index()];
            if caches.iter().all(|(source, _)| *source != target.settings.schema) {
                let cache = SchemaCache::load(&target.settings.schema)?;
                caches.push((target.settings.schema.clone(), Arc::new(cache)));
            }
        }
        Ok(schemas)
    }

    /// The schema of a cluster, by one of the sources that its routes name.
    pub(crate) fn of(&self, cluster: ClusterId, source: &SchemaSource) -> &Arc<SchemaCache> {
        let caches = &self.of[cluster.index()];
        caches.iter().find(|(own, _)| own == source).map_or(&self.none, |(_, cache)| cache)
    }

    /// All schemas of a cluster.
    pub(crate) fn of_cluster(&self, cluster: ClusterId) -> Vec<Arc<SchemaCache>> {
        self.of[cluster.index()].iter().map(|(_, cache)| Arc::clone(cache)).collect()
    }
}

/// Why a descriptor set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaSetupError {
    /// The file cannot be read.
    #[error("descriptor_set {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no usable descriptor set.
    #[error("descriptor_set {path}: {source}")]
    Schema {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: landbridge_schema::SchemaError,
    },
}

/// Why a method's schema is not to be had.
#[derive(Clone, Debug)]
pub(crate) enum NoSchema {
    /// There is none, for people: so it is settled, or the server has said so.
    Refused(String),
    /// No server could be asked.
    Unreachable(Unopened),
    /// The server could be reached and did not answer to the end, for people.
    Unanswered(String),
}

impl NoSchema {
    /// Whether the next try may well come to another end.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unanswered(_))
    }

    fn text(&self) -> &str {
        match self {
            Self::Refused(problem) | Self::Unanswered(problem) => problem,
            Self::Unreachable(unopened) => &unopened.error.message,
        }
    }
}

/// The schema of one cluster, shared by all workers.
///
/// Loaded by reflection it is loaded again when a method is missing from it, or when the server has come back since:
/// the old one stays in use for as long as there is no new one.
#[derive(Debug)]
pub(crate) struct SchemaCache {
    source: Source,
    state: Mutex<State>,
    /// Held by whoever loads; the others wait for what comes of it.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
enum Source {
    /// A descriptor set, loaded at start.
    Given,
    Reflection,
    /// Neither is set: there is no schema.
    None,
}

#[derive(Debug, Default)]
struct State {
    schema: Option<Schema>,
    /// Why the last attempt to load it failed.
    problem: Option<NoSchema>,
    tried: Option<Instant>,
    /// How many attempts have ended.
    attempts: u64,
    /// When a failure was last put into the log.
    told: Option<Instant>,
    /// The server may have been replaced by one with another schema.
    stale: bool,
}

impl SchemaCache {
    fn load(source: &SchemaSource) -> Result<Self, SchemaSetupError> {
        let Some(file) = &source.descriptor_set else {
            let source = if source.reflection { Source::Reflection } else { Source::None };
            return Ok(Self::new(source, State::default()));
        };
        let path = || file.display().to_string();
        let bytes = std::fs::read(file).map_err(|source| SchemaSetupError::Read { path: path(), source })?;
        let schema = Schema::from_descriptor_set(&bytes)
            .map_err(|source| SchemaSetupError::Schema { path: path(), source })?;
        let state = State { schema: Some(schema), ..State::default() };
        // With both, the server is asked for what the file lacks.
        Ok(Self::new(if source.reflection { Source::Reflection } else { Source::Given }, state))
    }

    fn none() -> Self {
        Self::new(Source::None, State::default())
    }

    fn new(source: Source, state: State) -> Self {
        Self { source, state: Mutex::new(state), loading: tokio::sync::Mutex::new(()) }
    }

    /// The method at this path, if its schema happens to be here.
    pub(crate) fn known_method(&self, path: &str) -> Option<Method> {
        self.lock().schema.as_ref()?.method(path).cloned()
    }

    /// Whether there is a schema here, and this path is not in it.
    pub(crate) fn is_unknown(&self, path: &str) -> bool {
        self.lock().schema.as_ref().is_some_and(|schema| schema.method(path).is_none())
    }

    /// The server came back after all connections to it were gone.
    pub(crate) fn server_came_back(&self) {
        self.lock().stale = true;
    }

    /// The method at this path; none if the schema has no such method.
    ///
    /// # Errors
    /// Why there is no schema, or why nobody can tell whether it has such a method.
    pub(crate) async fn method(&self, path: &str, cluster: &Cluster) -> Result<Option<Method>, NoSchema> {
        if let Some(method) = self.current(path) {
            return Ok(Some(method));
        }
        match self.source {
            Source::Given => return Ok(None),
            Source::None => {
                let problem = "reflection is switched off, and no descriptor set is given";
                return Err(NoSchema::Refused(problem.to_owned()));
            }
            Source::Reflection => {}
        }
        self.ask(cluster).await;
        let state = self.lock();
        let method = state.schema.as_ref().and_then(|schema| schema.method(path)).cloned();
        match &state.problem {
            Some(problem) if method.is_none() && (state.schema.is_none() || problem.may_pass()) => {
                Err(problem.clone())
            }
            _ => Ok(method),
        }
    }

    /// The method, unless the server should be asked first.
    fn current(&self, path: &str) -> Option<Method> {
        let state = self.lock();
        let fresh = !state.stale || state.tried.is_some_and(|tried| tried.elapsed() < SETTLED);
        state.schema.as_ref().filter(|_| fresh)?.method(path).cloned()
    }

    /// Asks the server, unless somebody has just done so. One asks at a time, and those who came meanwhile take what
    /// comes of that.
    async fn ask(&self, cluster: &Cluster) {
        let before = self.lock().attempts;
        let _turn = self.loading.lock().await;
        {
            let state = self.lock();
            let recent = state.tried.is_some_and(|tried| tried.elapsed() < SETTLED);
            let settled = recent && !state.problem.as_ref().is_some_and(NoSchema::may_pass);
            if settled || state.attempts != before {
                return;
            }
        }
        let loaded = reflection::load(cluster).await;
        let mut state = self.lock();
        let now = Instant::now();
        state.tried = Some(now);
        state.attempts += 1;
        match loaded {
            Ok(loaded) => {
                for failure in &loaded.failures {
                    tracing::warn!(
                        cluster = cluster.name(),
                        service = failure.service,
                        reason = failure.reason,
                        "the server's reflection does not describe a service"
                    );
                }
                let services = loaded.schema.services().count();
                tracing::info!(cluster = cluster.name(), services, "schema loaded by reflection");
                state.schema = Some(loaded.schema);
                state.problem = None;
                state.stale = false;
                state.told = None;
            }
            Err(problem) => {
                // Calls that come while the server is away cause many attempts.
                if state.told.is_none_or(|told| now.duration_since(told) >= SETTLED) {
                    let problem = problem.text();
                    tracing::warn!(
                        cluster = cluster.name(),
                        problem,
                        "schema could not be loaded by reflection"
                    );
                    state.told = Some(now);
                }
                state.problem = Some(problem);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change under the lock is a plain assignment, so what a panicking holder leaves is sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
