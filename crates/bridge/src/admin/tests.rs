//! Each answer as those who ask Envoy know it.

use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use landbridge_net::UpstreamStats;
use serde_json::{Value, json};

use super::{
    Admin, AdminResponse, BoundListener, Command, Launch, LogLevel, LogLevels, Phase, ServerState,
    UnknownLogger,
};
use crate::config::{Bootstrap, ListenAddress};
use crate::stats::{Host, Stats};

struct OneLogger(Mutex<LogLevel>);

impl LogLevels for OneLogger {
    fn levels(&self) -> Vec<(String, LogLevel)> {
        vec![("landbridge".to_owned(), *self.0.lock().unwrap())]
    }

    fn set(&self, logger: Option<&str>, level: LogLevel) -> Result<(), UnknownLogger> {
        match logger {
            None | Some("landbridge") => {
                *self.0.lock().unwrap() = level;
                Ok(())
            }
            Some(_) => Err(UnknownLogger),
        }
    }
}

struct Running {
    admin: Admin,
    state: Arc<ServerState>,
    stats: Arc<Stats>,
    config: Arc<Bootstrap>,
}

const FILE: &str = r#"
node: { id: bridge-1, cluster: edge }
static_resources:
  listeners:
    - name: listener_0
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - transport_socket:
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                tls_certificates:
                  - { certificate_chain: { filename: a.pem }, private_key: { inline_string: TOPSECRET } }
          filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress_http
                route_config: {}
                http_filters:
                  - name: router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: service_0
      load_assignment:
        cluster_name: service_0
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 18081 } } } }] }]
"#;

fn running() -> Running {
    let config = Arc::new(Bootstrap::from_yaml(FILE).unwrap());
    let stats = Arc::new(Stats::new(&config, 1));
    let launch = Launch {
        version: "1.2.3".to_owned(),
        config_path: "envoy.yaml".to_owned(),
        log_level: "info".to_owned(),
        ..Launch::default()
    };
    let state = Arc::new(ServerState::new(launch));
    state.set_phase(Phase::Live);
    state.set_listeners(vec![BoundListener {
        name: "listener_0".to_owned(),
        address: ListenAddress::Tcp(([127, 0, 0, 1], 18080).into()),
    }]);
    let host = Host {
        address: "127.0.0.1:18081".to_owned(),
        hostname: "127.0.0.1".to_owned(),
        weight: 1,
        healthy: true,
        stats: Arc::new(UpstreamStats::default()),
    };
    for cluster in config.cluster_ids() {
        stats.set_hosts(cluster, 0, vec![host.clone()]);
    }
    let logs = Box::new(OneLogger(Mutex::new(LogLevel::Info)));
    let admin = Admin::new(Arc::clone(&config), Arc::clone(&stats), Arc::clone(&state), logs);
    Running { admin, state, stats, config }
}

impl Running {
    fn get(&self, target: &str) -> AdminResponse {
        self.admin.answer(&Method::GET, target)
    }

    fn post(&self, target: &str) -> AdminResponse {
        self.admin.answer(&Method::POST, target)
    }
}

fn text(response: &AdminResponse) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

fn parsed(response: &AdminResponse) -> Value {
    assert_eq!(response.content_type, "application/json");
    serde_json::from_slice(&response.body).unwrap()
}

#[test]
fn ready_is_200_only_while_calls_are_welcome() {
    let running = running();
    for (phase, status, word) in [
        (Phase::PreInitializing, 503, "PRE_INITIALIZING\n"),
        (Phase::Initializing, 503, "INITIALIZING\n"),
        (Phase::Live, 200, "LIVE\n"),
        (Phase::Draining, 503, "DRAINING\n"),
    ] {
        running.state.set_phase(phase);
        let response = running.get("/ready");
        assert_eq!((response.status.as_u16(), text(&response)), (status, word));
        assert_eq!(response.content_type, "text/plain; charset=UTF-8");
    }
}

#[test]
fn a_failed_health_check_takes_the_bridge_out_and_ok_brings_it_back() {
    let running = running();
    assert_eq!(text(&running.post("/healthcheck/fail")), "OK\n");
    assert_eq!(text(&running.get("/ready")), "DRAINING\n");
    assert!(text(&running.get("/stats?filter=server.live")).contains("server.live: 0\n"));
    assert!(text(&running.get("/stats?filter=server.state")).contains("server.state: 1\n"));
    assert_eq!(text(&running.post("/healthcheck/ok")), "OK\n");
    assert_eq!(text(&running.get("/ready")), "LIVE\n");
    // It does not bring a bridge back that is ending.
    running.state.set_phase(Phase::Draining);
    assert_eq!(running.post("/healthcheck/ok").status, StatusCode::OK);
    assert_eq!(text(&running.get("/ready")), "DRAINING\n");
}

#[test]
fn what_changes_something_takes_post_only() {
    let running = running();
    for path in [
        "/healthcheck/fail",
        "/healthcheck/ok",
        "/drain_listeners",
        "/quitquitquit",
        "/reset_counters",
        "/logging?level=debug",
    ] {
        let response = running.get(path);
        assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(text(&response), "Method GET not allowed, POST required.", "{path}");
        assert_eq!(response.command, None, "{path}");
        assert_eq!(running.post(path).status, StatusCode::OK, "{path}");
    }
    assert_eq!(running.post("/ready").status, StatusCode::OK);
    assert_eq!(running.admin.answer(&Method::DELETE, "/ready").status, StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn draining_and_quitting_are_the_callers_to_do() {
    let running = running();
    let drain = |inbound_only| Some(Command::DrainListeners { inbound_only });
    assert_eq!(running.post("/drain_listeners").command, drain(false));
    assert_eq!(running.post("/drain_listeners?graceful").command, drain(false));
    assert_eq!(running.post("/drain_listeners?inboundonly").command, drain(true));
    assert_eq!(running.post("/drain_listeners?graceful&skip_exit").status, StatusCode::BAD_REQUEST);
    assert_eq!(running.post("/quitquitquit").command, Some(Command::Quit));
}

#[test]
fn an_unknown_path_is_404_with_the_list_of_paths() {
    let response = running().get("/nope");
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert!(text(&response).starts_with("invalid path. admin commands are:\n  /: "), "{}", text(&response));
    assert!(text(&response).contains("\n  /quitquitquit (POST): "));
}

#[test]
fn the_index_leads_to_every_path() {
    let running = running();
    let page = running.get("/");
    assert_eq!(page.content_type, "text/html; charset=UTF-8");
    for path in ["/stats/prometheus", "/clusters", "/server_info", "/healthcheck/fail"] {
        assert!(text(&page).contains(&format!(">{path}<")), "{path}");
        assert!(text(&running.get("/help")).contains(&format!("  {path}")), "{path}");
    }
}

#[test]
fn stats_come_as_text_json_and_prometheus() {
    let running = running();
    running.stats.worker(0).listeners[0].no_route.increment();
    let response = running.get("/stats");
    assert!(text(&response).contains("http.ingress_http.no_route: 1\n"));
    assert!(text(&response).contains("server.live: 1\n"));
    assert!(text(&response).contains("server.concurrency: 1\n"));
    assert_eq!(text(&running.get("/stats?filter=no_route")), "http.ingress_http.no_route: 1\n");
    let encoded = running.get("/stats?filter=%5Ehttp%5C.ingress_http%5C.no_route%24&usedonly");
    assert_eq!(text(&encoded), "http.ingress_http.no_route: 1\n");
    let expected = json!({ "stats": [{ "name": "http.ingress_http.no_route", "value": 1 }] });
    assert_eq!(parsed(&running.get("/stats?format=json&filter=no_route")), expected);
    let line = "envoy_http_no_route{envoy_http_conn_manager_prefix=\"ingress_http\"} 1\n";
    for path in ["/stats/prometheus?usedonly", "/stats?format=prometheus"] {
        assert!(text(&running.get(path)).contains(line), "{path}");
    }
    for wrong in ["/stats?filter=(", "/stats?format=xml"] {
        assert_eq!(running.get(wrong).status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(text(&running.post("/reset_counters")), "OK\n");
    assert_eq!(text(&running.get("/stats?filter=no_route")), "http.ingress_http.no_route: 0\n");
}

/// Line for line what Envoy 1.40 says, without the counts of outcomes that only its health checks need.
#[test]
fn clusters_as_text() {
    let expected = "\
service_0::observability_name::service_0
service_0::default_priority::max_connections::1024
service_0::default_priority::max_pending_requests::1024
service_0::default_priority::max_requests::1024
service_0::default_priority::max_retries::3
service_0::high_priority::max_connections::1024
service_0::high_priority::max_pending_requests::1024
service_0::high_priority::max_requests::1024
service_0::high_priority::max_retries::3
service_0::added_via_api::false
service_0::127.0.0.1:18081::cx_connect_fail::0
service_0::127.0.0.1:18081::cx_total::0
service_0::127.0.0.1:18081::rq_error::0
service_0::127.0.0.1:18081::rq_total::0
service_0::127.0.0.1:18081::cx_active::0
service_0::127.0.0.1:18081::rq_active::0
service_0::127.0.0.1:18081::rq_pending_active::0
service_0::127.0.0.1:18081::hostname::127.0.0.1
service_0::127.0.0.1:18081::health_flags::healthy
service_0::127.0.0.1:18081::weight::1
service_0::127.0.0.1:18081::region::
service_0::127.0.0.1:18081::zone::
service_0::127.0.0.1:18081::sub_zone::
service_0::127.0.0.1:18081::canary::false
service_0::127.0.0.1:18081::priority::0
service_0::127.0.0.1:18081::success_rate::-1
service_0::127.0.0.1:18081::local_origin_success_rate::-1
";
    let running = running();
    assert_eq!(text(&running.get("/clusters")), expected);
    assert_eq!(text(&running.get("/clusters?filter=other")), "");
}

#[test]
fn clusters_as_json() {
    let json = parsed(&running().get("/clusters?format=json"));
    let cluster = &json["cluster_statuses"][0];
    assert_eq!(cluster["name"], "service_0");
    let host = &cluster["host_statuses"][0];
    let socket = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 18081 } });
    assert_eq!(host["address"], socket);
    assert_eq!(host["health_status"], json!({ "eds_health_status": "HEALTHY" }));
    assert!(host["stats"].as_array().unwrap().contains(&json!({ "name": "cx_total" })));
    assert!(host["stats"].as_array().unwrap().contains(&json!({ "type": "GAUGE", "name": "rq_active" })));
    assert_eq!(cluster["circuit_breakers"]["thresholds"][1]["priority"], "HIGH");
}

#[test]
fn listeners_show_the_port_the_system_picked() {
    let running = running();
    assert_eq!(text(&running.get("/listeners")), "listener_0::127.0.0.1:18080\n");
    let expected = json!({ "listener_statuses": [{
        "name": "listener_0",
        "local_address": { "socket_address": { "address": "127.0.0.1", "port_value": 18080 } },
    }] });
    assert_eq!(parsed(&running.get("/listeners?format=json")), expected);
}

#[test]
fn a_config_dump_holds_the_file_and_no_secret() {
    let running = running();
    let response = running.get("/config_dump");
    assert!(!text(&response).contains("TOPSECRET"));
    let json = parsed(&response);
    assert_eq!(json["configs"][0]["bootstrap"], *running.config.to_json());
    assert_eq!(json["configs"][1]["static_clusters"][0]["cluster"]["name"], "service_0");
    let listener = &json["configs"][2]["static_listeners"][0]["listener"];
    assert_eq!(listener["name"], "listener_0");
    assert_eq!(listener["@type"], "type.googleapis.com/envoy.config.listener.v3.Listener");
}

#[test]
fn server_info_says_what_runs_and_how() {
    let json = parsed(&running().get("/server_info"));
    assert_eq!(json["version"], "landbridge/1.2.3");
    assert_eq!(json["state"], "LIVE");
    assert_eq!(json["command_line_options"]["config_path"], "envoy.yaml");
    assert_eq!(json["command_line_options"]["concurrency"], 1);
    assert_eq!(json["node"]["id"], "bridge-1");
}

#[test]
fn log_levels_are_shown_and_changed() {
    let running = running();
    assert_eq!(text(&running.get("/logging")), "active loggers:\n  landbridge: info\n\n");
    for (target, level) in [
        ("/logging?level=debug", "debug"),
        ("/logging?paths=landbridge:trace", "trace"),
        ("/logging?landbridge=warn", "warning"),
        ("/logging", "warning"),
    ] {
        let expected = format!("active loggers:\n  landbridge: {level}\n\n");
        assert_eq!(text(&running.post(target)), expected, "{target}");
    }
    for wrong in
        ["/logging?level=loud", "/logging?paths=landbridge", "/logging?paths=landbridge:off,other:info2"]
    {
        assert_eq!(running.post(wrong).status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(text(&running.get("/logging")).contains("warning"), "{wrong}");
    }
    let unknown = running.post("/logging?other=info");
    assert_eq!(text(&unknown), "there is no logger `other`; there are: landbridge\n");
}
