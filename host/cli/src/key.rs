//! `palisade key`: who may use the server.

use palisade::Host;
use palisade_server::{Key, Keys};
use serde_json::json;

use crate::args::KeyAction;
use crate::config::Config;
use crate::failure::Failure;
use crate::report::{self, Format};

pub(crate) fn key(action: &KeyAction, config: &Config, format: Format) -> Result<u8, Failure> {
    // It looks whether the directory is closed to others.
    let host = Host::open(config.to_host()?)?;
    let keys = Keys::open(host.state_dir())?;
    match action {
        KeyAction::Create { role } => {
            let (id, text) = keys.create(*role)?;
            match format {
                Format::Json => {
                    report::print_json(&json!({ "id": id.to_string(), "role": role, "key": text }));
                }
                Format::Text => {
                    report::print(format!("{text}\n").as_bytes());
                    report::say(&format!(
                        "key {id} has the role {role}; what was printed is kept nowhere"
                    ));
                }
            }
        }
        KeyAction::List => list(&keys.list()?, format),
        KeyAction::Remove { id } => keys.remove(*id)?,
    }
    Ok(0)
}

fn list(keys: &[Key], format: Format) {
    match format {
        Format::Json => {
            let keys: Vec<_> = keys
                .iter()
                .map(|key| {
                    let (id, created) = (key.id.to_string(), key.created.to_string());
                    json!({ "id": id, "role": key.role, "created": created, "local": key.local })
                })
                .collect();
            report::print_json(&json!({ "keys": keys }));
        }
        Format::Text => {
            let lines = keys.iter().map(|key| {
                let local = if key.local { "  local" } else { "" };
                format!("{}  {:<8}  {}{local}\n", key.id, key.role.as_str(), key.created)
            });
            report::print(lines.collect::<String>().as_bytes());
        }
    }
}
