//! Figures of the server, for Prometheus. They are read when they are asked for; labels have a bounded number of values.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use palisade::{EndingKind, Kind, Limit, Sandbox, State as SandboxState, Totals};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::Api;
use crate::access::Rule;
use crate::error::Failure;
use crate::history::Reading;
use crate::requests::Told;

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const STATES: [(SandboxState, &str); 9] = [
    (SandboxState::Creating, "creating"),
    (SandboxState::Ready, "ready"),
    (SandboxState::Running, "running"),
    (SandboxState::Suspended, "suspended"),
    (SandboxState::RollingBack, "rolling-back"),
    (SandboxState::Stopping, "stopping"),
    (SandboxState::Stopped, "stopped"),
    (SandboxState::Failed, "failed"),
    (SandboxState::Destroyed, "destroyed"),
];

/// Figures of the server and of its sandboxes, as OpenMetrics text.
#[utoipa::path(get, path = "/metrics",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn show(State(api): State<Arc<Api>>) -> Result<impl IntoResponse, Failure> {
    let mut registry = Registry::with_prefix("palisade");
    registry.register_collector(Box::new(Figures(api)));
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Failure::of(Kind::Internal, "the figures cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, TYPE)], text))
}

/// All that is told, read from where it is counted.
struct Figures(Arc<Api>);

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        let sandboxes = self.0.host.sandboxes();
        let totals = self.0.host.totals();
        self.now(&mut sheet, &sandboxes, &totals)?;
        Self::in_all(&mut sheet, &totals)?;
        self.server(&mut sheet)?;
        self.requests(&mut sheet)
    }
}

impl Figures {
    /// What sandboxes are and use now.
    fn now(&self, sheet: &mut Sheet<'_>, sandboxes: &[Sandbox], totals: &Totals) -> fmt::Result {
        let mut counts: HashMap<SandboxState, u64> = HashMap::new();
        for sandbox in sandboxes {
            *counts.entry(sandbox.state()).or_default() += 1;
        }
        let states = STATES.map(|(state, name)| ([("state", name)], counts.get(&state).copied().unwrap_or(0)));
        sheet.gauges("sandboxes", "Sandboxes, by what they are doing", states)?;
        let used = Reading::of_all(sandboxes, totals);
        sheet.gauge("processes", "Processes which run", None, used.processes)?;
        let memory = "Memory which the processes of sandboxes hold";
        sheet.gauge("sandbox_memory", memory, Some(&Unit::Bytes), used.memory)?;
        let disk = "What is in the files of sandboxes";
        sheet.gauge("sandbox_disk", disk, Some(&Unit::Bytes), used.disk)?;
        if let Some(places) = self.0.host.instances() {
            let help = "Places taken in the fullest pool of instances";
            sheet.gauge("instances", help, None, places.used)?;
            sheet.gauge("instances_max", "Places in a pool of instances", None, places.most)?;
        }
        Ok(())
    }

    /// What sandboxes have used, those which are gone too.
    fn in_all(sheet: &mut Sheet<'_>, totals: &Totals) -> fmt::Result {
        let endings = EndingKind::ALL.map(|kind| ([("ending", kind.to_string())], totals.ended(kind)));
        sheet.counters("processes_ended", "Processes which ended, by how", endings)?;
        let limits = Limit::ALL.map(|limit| ([("limit", limit.to_string())], totals.limits_hit(limit)));
        sheet.counters(
            "limits_hit",
            "Processes which a limit refused something, by limit",
            limits,
        )?;
        let denials = "What guests and callers were not granted";
        sheet.counter("denials", denials, None, totals.denials)?;
        let cpu = "Processor time spent on guests";
        sheet.counter("cpu", cpu, Some(&Unit::Seconds), totals.host_time.as_secs_f64())?;
        sheet.counter("fuel", "Fuel used by guests", None, totals.fuel)?;
        let read = "What guests read from files and standard input";
        sheet.counter("read", read, Some(&Unit::Bytes), totals.read.as_bytes())?;
        let written = "What guests wrote to files, standard output and standard error";
        sheet.counter("written", written, Some(&Unit::Bytes), totals.written.as_bytes())
    }

    fn server(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let api = &self.0;
        let open = api.connections.count();
        sheet.gauge("connections", "Connections which are open", None, open)?;
        let most = "Connections which there may be";
        sheet.gauge("connections_max", most, None, api.settings.max_connections)?;
        let (clients, lost) = api
            .events
            .get()
            .map_or((0, 0), |log| (log.followers().count(), log.lost()));
        sheet.gauge("event_clients", "Clients which follow events", None, clients)?;
        let help = "Events which came faster than they could be kept";
        sheet.counter("events_lost", help, None, lost)
    }

    fn requests(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let all: Vec<Told> = self.0.requests.told().collect();
        let by_status = all.iter().flat_map(|told| {
            let answered = told.answered.iter();
            answered.map(|(status, count)| {
                let [method, route] = route(told.rule);
                ([method, route, ("status", *status)], *count)
            })
        });
        let help = "Requests, by route and class of status; none: the connection ended before the answer";
        sheet.counters("http_requests", help, by_status)?;
        let help = "How long it took from the head of a request to that of its answer";
        let mut durations = sheet.0.encode_descriptor(
            "http_request_duration",
            help,
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for told in &all {
            let count = told.buckets.iter().map(|(_, count)| count).sum();
            let labels = route(told.rule);
            let mut one = durations.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(told.seconds, count, &told.buckets, None)?;
        }
        Ok(())
    }
}

type Labels<'a> = [(&'a str, &'a str); 2];

fn route(rule: Option<&'static Rule>) -> Labels<'static> {
    let (method, path) = rule.map_or(("none", "none"), |rule| (rule.method().as_str(), rule.path()));
    [("method", method), ("route", path)]
}

/// What is written on, one figure after the other.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: impl EncodeGaugeValue) -> fmt::Result {
        let mut one = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        one.encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: impl EncodeCounterValue) -> fmt::Result {
        let mut one = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        one.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut all = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            all.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut all = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            all.encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_endings_are_named_as_elsewhere() {
        for (state, name) in STATES {
            assert_eq!(serde_json::to_value(state).unwrap(), name);
        }
        for kind in EndingKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.to_string());
        }
        for limit in Limit::ALL {
            assert_eq!(serde_json::to_value(limit).unwrap(), limit.to_string());
        }
    }
}
