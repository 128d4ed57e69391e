//! When a call is tried again: gRPC's service config (gRPC A6; `service_config.proto`).

use std::collections::HashMap;
use std::time::Duration;

use landbridge_wire::Code;
use serde::Deserialize;

use crate::duration::parse_duration;

/// What a service config says of one method.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// How long a call may take at most; a shorter deadline of the caller holds too.
    pub timeout: Option<Duration>,
    /// Whether calls wait for a server that cannot be reached.
    pub wait_for_ready: Option<bool>,
    /// One attempt after the other.
    pub retrying: Option<Retrying>,
    /// Several attempts at once; never together with `retrying`.
    pub hedging: Option<Hedging>,
}

/// `retryPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrying {
    /// Attempts in all, the first included; at most five.
    pub max_attempts: u32,
    /// The wait before the second attempt, on average.
    pub initial_backoff: Duration,
    /// The longest wait.
    pub max_backoff: Duration,
    /// By how much each wait is longer than the one before.
    pub backoff_multiplier: f64,
    /// The codes that a call is tried again for.
    pub codes: Vec<Code>,
}

/// `hedgingPolicy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hedging {
    /// Attempts in all, the first included; at most five.
    pub max_attempts: u32,
    /// The time from one attempt to the next.
    pub delay: Duration,
    /// The codes that do not end the call while other attempts go on.
    pub codes: Vec<Code>,
}

/// Policies by service and method, and what throttles them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceConfig {
    methods: HashMap<(String, String), Policy>,
    /// `retryThrottling`: the number of tokens, and what of one comes back with a success.
    pub throttling: Option<(u32, f64)>,
    /// Whether `round_robin` is asked for, or `pick_first`; none where nothing is said.
    pub round_robin: Option<bool>,
    /// `healthCheckConfig.serviceName`.
    pub health_check: Option<String>,
}

/// A service config that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service config cannot be used: {0}")]
pub struct ServiceConfigError(String);

impl Retrying {
    /// The wait before the next attempt, after so many: random up to a growing bound.
    pub(crate) fn backoff(&self, attempts: u32) -> Duration {
        let power = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let bound = self.initial_backoff.as_secs_f64() * self.backoff_multiplier.powi(power);
        Duration::from_secs_f64(bound.min(self.max_backoff.as_secs_f64()) * fastrand::f64())
    }
}

impl ServiceConfig {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(json: &str) -> Result<Self, ServiceConfigError> {
        let given: Given = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        let mut config = Self {
            throttling: given.retry_throttling.map(Throttling::checked).transpose()?,
            health_check: given.health_check_config.map(|health| health.service_name),
            round_robin: None,
            methods: HashMap::new(),
        };
        let named = given
            .load_balancing_config
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| one.into_keys().next());
        let named = named.chain(given.load_balancing_policy).map(|name| name.to_ascii_lowercase());
        config.round_robin = named.into_iter().find_map(|name| match name.as_str() {
            "round_robin" => Some(true),
            "pick_first" => Some(false),
            _ => None,
        });
        for method in given.method_config {
            let names = method.name.clone();
            let policy = method.checked()?;
            for Name { service, method } in names {
                if service.is_empty() && !method.is_empty() {
                    return Err(bad(format!("the method {method:?} is named without its service")));
                }
                if config.methods.insert((service.clone(), method.clone()), policy.clone()).is_some() {
                    return Err(bad(format!("{service}/{method} is named twice")));
                }
            }
        }
        Ok(config)
    }

    /// What holds for a method: what is said of it, else of its service, else of all.
    pub fn policy(&self, service: &str, method: &str) -> Policy {
        let named = |service: &str, method: &str| self.methods.get(&(service.to_owned(), method.to_owned()));
        named(service, method)
            .or_else(|| named(service, ""))
            .or_else(|| named("", ""))
            .cloned()
            .unwrap_or_default()
    }
}

fn bad(problem: impl Into<String>) -> ServiceConfigError {
    ServiceConfigError(problem.into())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    #[serde(default)]
    method_config: Vec<MethodConfig>,
    retry_throttling: Option<Throttling>,
    load_balancing_policy: Option<String>,
    load_balancing_config: Option<Vec<HashMap<String, serde_json::Value>>>,
    health_check_config: Option<HealthCheck>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthCheck {
    #[serde(default)]
    service_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    max_tokens: f64,
    token_ratio: f64,
}

impl Throttling {
    fn checked(self) -> Result<(u32, f64), ServiceConfigError> {
        if !(1.0..=1000.0).contains(&self.max_tokens) || !is_above_zero(self.token_ratio) {
            return Err(bad("`retryThrottling` needs `maxTokens` from 1 to 1000 and a `tokenRatio` above 0"));
        }
        Ok((self.max_tokens as u32, self.token_ratio))
    }
}

#[derive(Clone, Deserialize)]
struct Name {
    #[serde(default)]
    service: String,
    #[serde(default)]
    method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MethodConfig {
    #[serde(default)]
    name: Vec<Name>,
    wait_for_ready: Option<bool>,
    timeout: Option<String>,
    retry_policy: Option<RetryPolicy>,
    hedging_policy: Option<HedgingPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryPolicy {
    max_attempts: u32,
    initial_backoff: String,
    max_backoff: String,
    backoff_multiplier: f64,
    retryable_status_codes: Vec<GivenCode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HedgingPolicy {
    max_attempts: u32,
    hedging_delay: Option<String>,
    #[serde(default)]
    non_fatal_status_codes: Vec<GivenCode>,
}

/// By name or number.
#[derive(Deserialize)]
#[serde(untagged)]
enum GivenCode {
    Name(String),
    Number(u32),
}

/// What gRPC allows at most.
const MOST_ATTEMPTS: u32 = 5;

impl MethodConfig {
    fn checked(self) -> Result<Policy, ServiceConfigError> {
        if self.retry_policy.is_some() && self.hedging_policy.is_some() {
            return Err(bad("a method has either a `retryPolicy` or a `hedgingPolicy`"));
        }
        Ok(Policy {
            timeout: self.timeout.as_deref().map(|text| duration("timeout", text)).transpose()?,
            wait_for_ready: self.wait_for_ready,
            retrying: self.retry_policy.map(RetryPolicy::checked).transpose()?,
            hedging: self.hedging_policy.map(HedgingPolicy::checked).transpose()?,
        })
    }
}

impl RetryPolicy {
    fn checked(self) -> Result<Retrying, ServiceConfigError> {
        let initial_backoff = duration("initialBackoff", &self.initial_backoff)?;
        let max_backoff = duration("maxBackoff", &self.max_backoff)?;
        if initial_backoff.is_zero() || max_backoff.is_zero() || !is_above_zero(self.backoff_multiplier) {
            return Err(bad("`initialBackoff`, `maxBackoff` and `backoffMultiplier` have to be above 0"));
        }
        let codes = codes(&self.retryable_status_codes)?;
        if codes.is_empty() {
            return Err(bad("`retryableStatusCodes` names no code"));
        }
        Ok(Retrying {
            max_attempts: attempts(self.max_attempts)?,
            initial_backoff,
            max_backoff,
            backoff_multiplier: self.backoff_multiplier,
            codes,
        })
    }
}

impl HedgingPolicy {
    fn checked(self) -> Result<Hedging, ServiceConfigError> {
        let delay = self.hedging_delay.as_deref().map(|text| duration("hedgingDelay", text)).transpose()?;
        Ok(Hedging {
            max_attempts: attempts(self.max_attempts)?,
            delay: delay.unwrap_or_default(),
            codes: codes(&self.non_fatal_status_codes)?,
        })
    }
}

fn attempts(number: u32) -> Result<u32, ServiceConfigError> {
    if number < 2 {
        return Err(bad("`maxAttempts` has to be at least 2"));
    }
    Ok(number.min(MOST_ATTEMPTS))
}

fn codes(given: &[GivenCode]) -> Result<Vec<Code>, ServiceConfigError> {
    let code = |given: &GivenCode| {
        let known = match given {
            GivenCode::Number(number) => Code::from_number(*number),
            GivenCode::Name(name) if name.eq_ignore_ascii_case("cancelled") => Some(Code::Canceled),
            GivenCode::Name(name) => Code::from_name(&name.to_ascii_lowercase()),
        };
        known.ok_or_else(|| match given {
            GivenCode::Number(number) => bad(format!("{number} is no status code of an error")),
            GivenCode::Name(name) => bad(format!("{name:?} is no status code of an error")),
        })
    };
    given.iter().map(code).collect()
}

fn is_above_zero(number: f64) -> bool {
    number.is_finite() && number > 0.0
}

fn duration(name: &str, text: &str) -> Result<Duration, ServiceConfigError> {
    parse_duration(text)
        .ok_or_else(|| bad(format!("`{name}` is {text:?}: it has to be seconds, such as \"0.1s\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {"name": [{}], "timeout": "10s"},
            {"name": [{"service": "a.S"}], "waitForReady": true,
             "retryPolicy": {"maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "1s",
                             "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE", 10, "CANCELLED"]}},
            {"name": [{"service": "a.S", "method": "H"}],
             "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.5s", "nonFatalStatusCodes": ["INTERNAL"]}}
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
    }"#;

    #[test]
    fn the_most_specific_name_holds() {
        let config = ServiceConfig::parse(CONFIG).unwrap();
        assert_eq!(config.round_robin, Some(true));
        assert_eq!(config.throttling, Some((10, 0.1)));
        assert_eq!(config.policy("b.S", "M").timeout, Some(Duration::from_secs(10)));
        let policy = config.policy("a.S", "M");
        assert_eq!(policy.timeout, None);
        assert_eq!(policy.wait_for_ready, Some(true));
        let retrying = policy.retrying.unwrap();
        assert_eq!(retrying.max_attempts, 5);
        assert_eq!(retrying.codes, [Code::Unavailable, Code::Aborted, Code::Canceled]);
        let hedging = config.policy("a.S", "H").hedging.unwrap();
        assert_eq!(hedging.delay, Duration::from_millis(500));
        assert_eq!(hedging.codes, [Code::Internal]);
    }

    #[test]
    fn waits_grow_up_to_their_bound() {
        let retrying = Retrying {
            max_attempts: 5,
            initial_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_millis(300),
            backoff_multiplier: 2.0,
            codes: vec![Code::Unavailable],
        };
        for (attempts, bound) in [(1, 100), (2, 200), (3, 300), (4, 300)] {
            assert!(retrying.backoff(attempts) <= Duration::from_millis(bound));
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_to_be_so() {
        for (json, problem) in [
            ("{", "EOF"),
            (r#"{"retryThrottling": {"maxTokens": 0, "tokenRatio": 1}}"#, "maxTokens"),
            (r#"{"methodConfig": [{"name": [{"method": "M"}]}]}"#, "without its service"),
            (r#"{"methodConfig": [{"name": [{}], "timeout": "1"}]}"#, "timeout"),
            (r#"{"methodConfig": [{"name": [{}], "hedgingPolicy": {"maxAttempts": 1}}]}"#, "maxAttempts"),
            (
                r#"{"methodConfig": [{"name": [{}], "hedgingPolicy": {"maxAttempts": 2, "nonFatalStatusCodes": ["NO"]}}]}"#,
                "NO",
            ),
            (r#"{"methodConfig": [{"name": [{}], "timeout": "1e3s"}]}"#, r#"`timeout` is "1e3s""#),
            (r#"{"methodConfig": [{"name": [{}], "timeout": "+1s"}]}"#, r#"`timeout` is "+1s""#),
            (r#"{"methodConfig": [{"name": [{}], "timeout": "infs"}]}"#, r#"`timeout` is "infs""#),
            (
                r#"{"methodConfig": [{"name": [{}], "hedgingPolicy": {"maxAttempts": 2, "hedgingDelay": ".5s"}}]}"#,
                r#"`hedgingDelay` is ".5s""#,
            ),
        ] {
            let error = ServiceConfig::parse(json).unwrap_err().to_string();
            assert!(error.contains(problem), "{json}: {error}");
        }
    }
}
