//! `palisade config show`.

use palisade::policy::Policy;
use palisade_server::HostName;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Config, Origin, Setting};
use crate::failure::Failure;
use crate::host_limits::table;
use crate::policy;
use crate::report::{self, Format, visible};

/// Prints every value in effect and where it comes from.
pub(crate) fn show(config: &Config, format: Format) -> Result<u8, Failure> {
    let entries = entries(config)?;
    match format {
        Format::Text => {
            let width = entries.iter().map(|entry| entry.key.len()).max().unwrap_or_default();
            for Entry { key, value, origin } in &entries {
                let line = visible(&format!("{key:<width$} = {value}  ({origin})")) + "\n";
                report::print(line.as_bytes());
            }
        }
        Format::Json => {
            let values = entries
                .iter()
                .map(|entry| (entry.key.clone(), json!({ "value": entry.value, "from": entry.origin })));
            let file = config.file.as_ref().map(|path| path.to_string_lossy());
            report::print_json(&json!({ "file": file, "values": Value::Object(values.collect()) }));
        }
    }
    Ok(0)
}

#[derive(Debug, Serialize)]
struct Entry {
    key: String,
    value: Value,
    origin: String,
}

fn entries(config: &Config) -> Result<Vec<Entry>, Failure> {
    let unchanged = policy::load(&config.policy.value)?;
    let policy = config.host_limits.apply(unchanged)?;
    let state_dir = config.state_dir.as_ref();
    let cache = &config.artefact_cache;
    let hosts: Vec<&str> = config.hosts.value.iter().map(HostName::as_str).collect();
    let otlp = config.otlp.value.as_ref().map(ToString::to_string);
    let mut entries = vec![
        match state_dir {
            Some(found) => entry("state-dir", found, json!(found.value.to_string_lossy())),
            None => Entry {
                key: "state-dir".into(),
                value: Value::Null,
                origin: "not known: give --state-dir".into(),
            },
        },
        entry("policy", &config.policy, json!(config.policy.value)),
        entry("listen", &config.listen, json!(config.listen.value.to_string())),
        entry("host-names", &config.hosts, json!(hosts)),
        entry("otlp", &config.otlp, json!(otlp)),
        entry("retention.artefact-cache", cache, json!(cache.value.to_string())),
    ];
    entries.extend(limits(config, &policy));
    Ok(entries)
}

/// The limits of the policy in effect; those that the file names come from there, unless the policy is narrower.
fn limits(config: &Config, policy: &Policy) -> Vec<Entry> {
    let of_policy = format!("policy {}", config.policy.value);
    let of_file = || {
        config
            .file
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let file = policy.to_file();
    let host = &config.host_limits;
    let mut entries = Vec::new();
    for (section, effective, named) in [
        ("defaults", &file.limits, &host.defaults),
        ("ceilings", &file.ceilings, &host.ceilings),
    ] {
        let named = table(named);
        for (key, value) in table(effective) {
            let origin = if named.get(&key) == Some(&value) {
                of_file()
            } else {
                of_policy.clone()
            };
            entries.push(Entry {
                key: format!("{section}.{key}"),
                value: json!(value),
                origin,
            });
        }
    }
    entries
}

fn entry<T>(key: &str, setting: &Setting<T>, value: Value) -> Entry {
    Entry {
        key: key.into(),
        value,
        origin: setting.origin.to_string(),
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}
