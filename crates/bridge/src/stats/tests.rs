//! Names and numbers as those who alert on them know them from Envoy.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use landbridge_net::UpstreamStats;
use landbridge_wire::Protocol;

use super::{Filter, Host, Stats};
use crate::config::{Bootstrap, EndpointAddress, ListenAddress};

/// The names of the seed file: listener on port 8080, `ingress_http`, `service_0`.
fn bootstrap() -> Bootstrap {
    let listen = ListenAddress::Tcp(([127, 0, 0, 1], 8080).into());
    let upstream = EndpointAddress::Ip(([127, 0, 0, 1], 8081).into());
    Bootstrap::simple(listen, upstream)
}

fn host(address: &str, healthy: bool) -> Host {
    Host {
        address: address.to_owned(),
        hostname: String::new(),
        weight: 1,
        healthy,
        stats: Arc::new(UpstreamStats::default()),
    }
}

/// Every name here was read off Envoy 1.40 with the seed file.
#[test]
fn names_are_envoys() {
    let stats = Stats::new(&bootstrap(), 1);
    let snapshot = stats.snapshot();
    for name in [
        "cluster.service_0.membership_change",
        "cluster.service_0.membership_excluded",
        "cluster.service_0.membership_healthy",
        "cluster.service_0.membership_total",
        "cluster.service_0.update_attempt",
        "cluster.service_0.update_failure",
        "cluster.service_0.update_success",
        "cluster.service_0.upstream_cx_active",
        "cluster.service_0.upstream_cx_connect_fail",
        "cluster.service_0.upstream_cx_connect_timeout",
        "cluster.service_0.upstream_cx_destroy",
        "cluster.service_0.upstream_cx_http1_total",
        "cluster.service_0.upstream_cx_http2_total",
        "cluster.service_0.upstream_cx_none_healthy",
        "cluster.service_0.upstream_cx_protocol_error",
        "cluster.service_0.upstream_cx_rx_bytes_total",
        "cluster.service_0.upstream_cx_total",
        "cluster.service_0.upstream_cx_tx_bytes_total",
        "cluster.service_0.upstream_rq_2xx",
        "cluster.service_0.upstream_rq_active",
        "cluster.service_0.upstream_rq_active_overflow",
        "cluster.service_0.upstream_rq_cancelled",
        "cluster.service_0.upstream_rq_completed",
        "cluster.service_0.upstream_rq_max_duration_reached",
        "cluster.service_0.upstream_rq_pending_active",
        "cluster.service_0.upstream_rq_pending_overflow",
        "cluster.service_0.upstream_rq_rx_reset",
        "cluster.service_0.upstream_rq_timeout",
        "cluster.service_0.upstream_rq_total",
        "cluster.service_0.upstream_rq_tx_reset",
        "http.ingress_http.downstream_cx_active",
        "http.ingress_http.downstream_cx_destroy",
        "http.ingress_http.downstream_cx_http1_active",
        "http.ingress_http.downstream_cx_http1_total",
        "http.ingress_http.downstream_cx_http2_active",
        "http.ingress_http.downstream_cx_http2_total",
        "http.ingress_http.downstream_cx_protocol_error",
        "http.ingress_http.downstream_cx_rx_bytes_total",
        "http.ingress_http.downstream_cx_total",
        "http.ingress_http.downstream_cx_tx_bytes_total",
        "http.ingress_http.downstream_rq_1xx",
        "http.ingress_http.downstream_rq_2xx",
        "http.ingress_http.downstream_rq_3xx",
        "http.ingress_http.downstream_rq_4xx",
        "http.ingress_http.downstream_rq_5xx",
        "http.ingress_http.downstream_rq_active",
        "http.ingress_http.downstream_rq_completed",
        "http.ingress_http.downstream_rq_idle_timeout",
        "http.ingress_http.downstream_rq_max_duration_reached",
        "http.ingress_http.downstream_rq_rx_reset",
        "http.ingress_http.downstream_rq_timeout",
        "http.ingress_http.downstream_rq_too_large",
        "http.ingress_http.downstream_rq_total",
        "http.ingress_http.downstream_rq_tx_reset",
        "http.ingress_http.no_route",
        "http.ingress_http.rq_direct_response",
        "http.ingress_http.rq_total",
        "listener.127.0.0.1_8080.downstream_cx_active",
        "listener.127.0.0.1_8080.downstream_cx_destroy",
        "listener.127.0.0.1_8080.downstream_cx_overflow",
        "listener.127.0.0.1_8080.downstream_cx_total",
        "listener.127.0.0.1_8080.http.ingress_http.downstream_rq_2xx",
        "listener.127.0.0.1_8080.http.ingress_http.downstream_rq_completed",
    ] {
        assert_eq!(snapshot.value(name), Some(0), "{name}");
    }
}

#[test]
fn workers_are_added_up() {
    let bootstrap = bootstrap();
    let stats = Stats::new(&bootstrap, 2);
    for worker in 0..2 {
        let worker = stats.worker(worker);
        worker.listeners[0].statuses.record(StatusCode::OK);
        worker.listeners[0].statuses.record(StatusCode::NOT_FOUND);
        worker.clusters[0].upstream_rq_timeout.increment();
        worker.calls.record(Protocol::Connect, "/a.B/C", None, true);
    }
    let snapshot = stats.snapshot();
    for (name, value) in [
        ("http.ingress_http.downstream_rq_2xx", 2),
        ("http.ingress_http.downstream_rq_4xx", 2),
        ("http.ingress_http.downstream_rq_completed", 4),
        ("cluster.service_0.upstream_rq_timeout", 2),
        ("landbridge.calls.connect./a.B/C.ok", 2),
    ] {
        assert_eq!(snapshot.value(name), Some(value), "{name}");
    }
}

/// Lines as Envoy 1.40 writes them.
#[test]
fn prometheus_families_and_labels_are_envoys() {
    let stats = Stats::new(&bootstrap(), 1);
    let worker = stats.worker(0);
    worker.listeners[0].statuses.record(StatusCode::OK);
    worker.clusters[0].statuses.record(StatusCode::OK);
    worker.clusters[0].upstream_rq_time.record(Duration::from_millis(3));
    worker.clusters[0].upstream_rq_time.record(Duration::from_micros(44_500));
    worker.calls.record(Protocol::GrpcWeb, "/a.B/C", None, true);
    let mut snapshot = stats.snapshot();
    snapshot.server_gauge("live", 1);
    let text = snapshot.to_prometheus();
    for line in [
        "# TYPE envoy_cluster_upstream_rq_total counter",
        "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"service_0\"} 0",
        "envoy_cluster_upstream_rq{envoy_response_code=\"200\",envoy_cluster_name=\"service_0\"} 1",
        "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"service_0\"} 1",
        "# TYPE envoy_cluster_membership_healthy gauge",
        "envoy_http_downstream_rq_xx{envoy_response_code_class=\"2\",envoy_http_conn_manager_prefix=\"ingress_http\"} 1",
        "envoy_listener_downstream_cx_total{envoy_listener_address=\"127.0.0.1_8080\"} 0",
        "envoy_listener_http_downstream_rq_xx{envoy_response_code_class=\"2\",\
         envoy_http_conn_manager_prefix=\"ingress_http\",envoy_listener_address=\"127.0.0.1_8080\"} 1",
        "envoy_server_live{} 1",
        "# TYPE envoy_cluster_upstream_rq_time histogram",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"service_0\",le=\"0.5\"} 0",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"service_0\",le=\"5\"} 1",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"service_0\",le=\"50\"} 2",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"service_0\",le=\"3600000\"} 2",
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"service_0\",le=\"+Inf\"} 2",
        "envoy_cluster_upstream_rq_time_sum{envoy_cluster_name=\"service_0\"} 47.5",
        "envoy_cluster_upstream_rq_time_count{envoy_cluster_name=\"service_0\"} 2",
        "landbridge_calls{protocol=\"grpc_web\",method=\"/a.B/C\",code=\"ok\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    // A family has one type line.
    let types: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let mut distinct = types.clone();
    distinct.dedup();
    assert_eq!(types, distinct);
}

#[test]
fn text_is_sorted_with_histograms_last() {
    let stats = Stats::new(&bootstrap(), 1);
    stats.worker(0).listeners[0].downstream_rq_time.record(Duration::from_millis(4));
    let text = stats.snapshot().to_text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(": ").next()).collect();
    let numbers = &names[..names.len() - 2];
    assert!(numbers.is_sorted(), "{text}");
    let last: Vec<&str> = text.lines().skip(numbers.len()).collect();
    assert_eq!(last[0], "cluster.service_0.upstream_rq_time: No recorded values");
    assert!(
        last[1].starts_with("http.ingress_http.downstream_rq_time: P0(nan,1) P25(nan,2) P50(nan,3)"),
        "{}",
        last[1]
    );
    assert!(last[1].ends_with("P100(nan,5)"), "{}", last[1]);
}

#[test]
fn json_has_envoys_shape() {
    let stats = Stats::new(&bootstrap(), 1);
    let json = stats.snapshot().to_json();
    let list = json["stats"].as_array().unwrap();
    assert!(list.contains(&serde_json::json!({ "name": "cluster.service_0.upstream_rq_total", "value": 0 })));
    let histograms = &list.last().unwrap()["histograms"];
    assert_eq!(histograms["supported_quantiles"].as_array().unwrap().len(), 10);
    let first = &histograms["computed_quantiles"][0];
    assert_eq!(first["name"], "cluster.service_0.upstream_rq_time");
    assert_eq!(first["values"][0], serde_json::json!({ "interval": null, "cumulative": null }));
}

#[test]
fn filters_choose_by_name_and_by_use() {
    let stats = Stats::new(&bootstrap(), 1);
    stats.worker(0).listeners[0].no_route.increment();
    let used = Filter { name: None, used_only: true };
    assert_eq!(stats.snapshot().filtered(&used).to_text(), "http.ingress_http.no_route: 1\n");
    let named = Filter { name: Some(regex::Regex::new("membership_t").unwrap()), used_only: false };
    assert_eq!(stats.snapshot().filtered(&named).to_text(), "cluster.service_0.membership_total: 0\n");
}

#[test]
fn a_reset_lets_counters_start_again_and_leaves_gauges() {
    let bootstrap = bootstrap();
    let cluster = bootstrap.listeners[0].http.routes.virtual_hosts()[0].routes[0].clone();
    let crate::config::Action::Forward(forward) = cluster.action else { panic!("forwards") };
    let stats = Stats::new(&bootstrap, 1);
    let worker = stats.worker(0);
    worker.listeners[0].no_route.add(5);
    worker.listeners[0].downstream_rq_time.record(Duration::from_millis(1));
    stats.set_hosts(forward.targets.all()[0].cluster, 0, vec![host("127.0.0.1:8081", true)]);
    stats.reset_counters();
    let snapshot = stats.snapshot();
    assert_eq!(snapshot.value("http.ingress_http.no_route"), Some(0));
    assert_eq!(snapshot.value("cluster.service_0.membership_total"), Some(1));
    assert!(snapshot.to_text().contains("http.ingress_http.downstream_rq_time: No recorded values"));
    worker.listeners[0].no_route.increment();
    assert_eq!(stats.snapshot().value("http.ingress_http.no_route"), Some(1));
}

#[test]
fn hosts_are_counted_once_however_many_workers_have_them() {
    let bootstrap = bootstrap();
    let cluster = bootstrap.cluster_ids().next().unwrap();
    let stats = Stats::new(&bootstrap, 2);
    stats.set_hosts(cluster, 0, vec![host("10.0.0.1:80", true), host("10.0.0.2:80", true)]);
    stats.set_hosts(cluster, 1, vec![host("10.0.0.1:80", true), host("10.0.0.2:80", false)]);
    let snapshot = stats.snapshot();
    assert_eq!(snapshot.value("cluster.service_0.membership_total"), Some(2));
    assert_eq!(snapshot.value("cluster.service_0.membership_healthy"), Some(1));
    assert_eq!(snapshot.value("cluster.service_0.membership_excluded"), Some(1));
    stats.set_hosts(cluster, 0, Vec::new());
    stats.set_hosts(cluster, 1, Vec::new());
    assert_eq!(stats.snapshot().value("cluster.service_0.membership_total"), Some(0));
}
