//! `palisade key`: who may use the server.

use palisade_client::wire::KeyBody;
use serde_json::json;

use crate::args::KeyAction;
use crate::failure::Failure;
use crate::host::Host;
use crate::report::{self, Format, visible};

pub(crate) async fn key(action: KeyAction, host: &dyn Host, format: Format) -> Result<u8, Failure> {
    match action {
        KeyAction::Create { role } => {
            let made = host.create_key(role).await?;
            match format {
                Format::Json => report::print_json(&json!(made)),
                Format::Text => {
                    report::print(format!("{}\n", visible(&made.key)).as_bytes());
                    report::say(&format!(
                        "key {} has the role {role}; what was printed is kept nowhere",
                        made.id
                    ));
                }
            }
        }
        KeyAction::List => list(&host.keys().await?, format),
        KeyAction::Remove { id } => host.remove_key(id).await?,
    }
    Ok(0)
}

fn list(keys: &[KeyBody], format: Format) {
    match format {
        Format::Json => report::print_json(&json!({ "keys": keys })),
        Format::Text => {
            let lines = keys.iter().map(|key| {
                let local = if key.local { "  local" } else { "" };
                visible(&format!("{}  {:<8}  {}{local}", key.id, key.role.as_str(), key.created)) + "\n"
            });
            report::print(lines.collect::<String>().as_bytes());
        }
    }
}
