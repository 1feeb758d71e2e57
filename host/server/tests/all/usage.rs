//! What can be seen of a running server: usage of sandboxes, and figures for Prometheus.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hyper::Method;
use palisade_server::Role;
use serde_json::{Value, json};

use crate::client::{ECHO, Running, SOON};

fn call(function: &str, arguments: &Value) -> Value {
    json!({"tool": "echo", "function": function, "arguments": arguments})
}

/// A sandbox in which one call returned and one trapped.
async fn used(server: &Running) -> String {
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let sandbox = server.sandbox().await;
    let at = format!("/v1/sandboxes/{sandbox}/call");
    server.post(&at, call("twice", &json!({"number": 2}))).await.expect(200);
    server.post(&at, call("trap", &json!({}))).await.expect(200);
    sandbox
}

/// The samples of an exposition, each by its name with its labels; fails where it is not in the form of OpenMetrics.
fn parse(text: &str) -> HashMap<String, f64> {
    let (mut families, mut samples) = (HashMap::new(), HashMap::new());
    let lines = text.strip_suffix("# EOF\n").unwrap().lines();
    let mut helped = String::new();
    for line in lines {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && name.starts_with("palisade_"), "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "{line}");
            assert!(families.insert(name, kind).is_none(), "{line}");
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(name == helped && name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let (labelled, value) = line.rsplit_once(' ').unwrap();
            let name = labelled.split('{').next().unwrap();
            let suffix = name
                .strip_prefix(&helped)
                .unwrap_or_else(|| panic!("{line}: of {helped}"));
            let expected: &[&str] = match families[helped.as_str()] {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(expected.contains(&suffix), "{line}");
            let value = value.parse().unwrap();
            assert!(samples.insert(labelled.to_owned(), value).is_none(), "{line}");
        }
    }
    samples
}

async fn metrics(server: &Running) -> HashMap<String, f64> {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let media = answer.headers["content-type"].to_str().unwrap();
    assert!(
        media.starts_with("application/openmetrics-text; version=1.0.0"),
        "{media}"
    );
    parse(std::str::from_utf8(&answer.body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_has_a_point_of_now_and_totals() {
    let server = Running::start().await;
    let sandbox = used(&server).await;
    server
        .host
        .sandbox(sandbox.parse().unwrap())
        .unwrap()
        .workspace()
        .write("/a", b"12345")
        .unwrap();
    let one = server.get(&format!("/v1/sandboxes/{sandbox}/usage")).await.expect(200);
    assert_eq!(one["interval_seconds"], 5);
    let point = one["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&point["disk_bytes"], &point["processes"]), (&json!(5), &json!(0)));
    assert!(
        point["cpu_cores"].is_f64() && point["at"].as_str().unwrap().ends_with('Z'),
        "{point}"
    );
    assert!(
        point["read_bytes_per_second"].is_u64() && point.get("sandboxes").is_none(),
        "{point}"
    );
    let totals = &one["totals"];
    assert_eq!(
        (&totals["processes_ended"], &totals["limits_hit"]),
        (&json!(2), &json!(0))
    );
    assert!(
        totals["cpu_seconds"].as_f64().unwrap() > 0.0 && totals["fuel"].as_u64().unwrap() > 0,
        "{totals}"
    );

    let all = server.get("/v1/usage").await.expect(200);
    assert_eq!(
        (&all["totals"], &all["history"][0]["sandboxes"]),
        (totals, &json!(1)),
        "{all}"
    );
    server
        .ask(&server.admin, Method::DELETE, &format!("/v1/sandboxes/{sandbox}"), None)
        .await
        .expect(204);
    server.get(&format!("/v1/sandboxes/{sandbox}/usage")).await.expect(404);
    let gone = server.get("/v1/usage").await.expect(200);
    let point = gone["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&gone["totals"], &point["sandboxes"]), (totals, &json!(0)), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_uses_is_seen_while_it_goes_on() {
    let server = Running::start().await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let sandbox = server.sandbox().await;
    let at = format!("/v1/sandboxes/{sandbox}/call");
    let (spin, usage) = (call("spin", &json!({})), format!("/v1/sandboxes/{sandbox}/usage"));
    let spins = server.post(&at, spin);
    let seen = async {
        let started = Instant::now();
        loop {
            let told = server.get(&usage).await.expect(200);
            let point = told["history"].as_array().unwrap().last().unwrap().clone();
            if point["cpu_cores"].as_f64() > Some(0.0) {
                assert_eq!(
                    (&point["processes"], &told["totals"]["processes_ended"]),
                    (&json!(1), &json!(0))
                );
                return;
            }
            assert!(started.elapsed() < SOON, "{told}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        answer = spins => panic!("{answer:?}"),
        () = seen => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_told_in_the_form_of_open_metrics() {
    let server = Running::start().await;
    let sandbox = used(&server).await;
    server.get("/no-such-path").await.expect(404);
    let (_follower, _driver) = server
        .follow(
            server
                .request(Method::GET, "/v1/events")
                .header("x-api-key", &server.admin)
                .body(http_body_util::Full::default())
                .unwrap(),
        )
        .await;
    let told = metrics(&server).await;
    for (name, value) in [
        ("palisade_sandboxes{state=\"ready\"}", 1.0),
        ("palisade_sandboxes{state=\"running\"}", 0.0),
        ("palisade_processes", 0.0),
        ("palisade_instances", 0.0),
        ("palisade_instances_max", 1000.0),
        ("palisade_processes_ended_total{ending=\"success\"}", 1.0),
        ("palisade_processes_ended_total{ending=\"trapped\"}", 1.0),
        ("palisade_processes_ended_total{ending=\"killed\"}", 0.0),
        ("palisade_limits_hit_total{limit=\"memory\"}", 0.0),
        ("palisade_denials_total", 0.0),
        ("palisade_connections_max", 1024.0),
        ("palisade_event_clients", 1.0),
        ("palisade_events_lost_total", 0.0),
        (
            "palisade_http_requests_total{method=\"POST\",route=\"/v1/sandboxes/{id}/call\",status=\"2xx\"}",
            2.0,
        ),
        (
            "palisade_http_requests_total{method=\"none\",route=\"none\",status=\"4xx\"}",
            1.0,
        ),
        (
            "palisade_http_request_duration_seconds_bucket{le=\"+Inf\",method=\"POST\",route=\"/v1/sandboxes/{id}/call\"}",
            2.0,
        ),
        (
            "palisade_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/sandboxes/{id}/call\"}",
            2.0,
        ),
    ] {
        assert_eq!(told.get(name), Some(&value), "{name}: {told:#?}");
    }
    for name in [
        "palisade_cpu_seconds_total",
        "palisade_fuel_total",
        "palisade_connections",
    ] {
        assert!(told[name] > 0.0, "{name}");
    }
    for name in ["palisade_read_bytes_total", "palisade_written_bytes_total"] {
        assert!(told.contains_key(name), "{name}");
    }
    // Nobody can make it longer.
    assert!(
        !told
            .keys()
            .any(|name| name.contains(&sandbox) || name.contains("no-such-path"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_figures_and_who_has_no_key_does_not() {
    let server = Running::start().await;
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    for path in ["/metrics", "/v1/usage"] {
        assert_eq!(server.ask(&reader, Method::GET, path, None).await.status, 200, "{path}");
        assert_eq!(server.ask("", Method::GET, path, None).await.status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_which_is_gone_is_counted_no_longer() {
    let server = Running::start().await;
    let request = server
        .request(Method::GET, "/v1/events")
        .header("x-api-key", &server.admin);
    let followed = server
        .follow(request.body(http_body_util::Full::default()).unwrap())
        .await;
    assert_eq!(metrics(&server).await["palisade_event_clients"], 1.0);
    drop(followed);
    let started = Instant::now();
    loop {
        let told = metrics(&server).await;
        // The one which asks.
        if told["palisade_event_clients"] == 0.0 && told["palisade_connections"] == 1.0 {
            return;
        }
        assert!(started.elapsed() < SOON, "{told:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
