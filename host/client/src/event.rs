//! What happens, as it is told while it does.

use hyper::header::{self, HeaderName};
use palisade_wire::Event;
use serde_json::{Value, json};

use crate::body::{Download, Lines};
use crate::{Client, Error, Kind, Result, Sandbox};

/// The most bytes of one event.
const MAX_EVENT: usize = 4 << 20;
/// How long a server may be silent: it sends something at least every 15 seconds.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What happens on a server, from when this was asked for. Dropping it ends the request.
#[derive(Debug)]
pub struct Events {
    lines: Lines,
    last: Option<String>,
    /// What came of the next one.
    begun: Begun,
}

#[derive(Debug, Default)]
struct Begun {
    id: Option<String>,
    name: String,
    data: String,
}

/// Something which happened.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its place: who asks for what comes after it misses nothing which is still kept.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// What it says; `None` where this version does not know it.
    pub event: Option<Event>,
    /// All that it says.
    pub data: Value,
}

impl Client {
    /// What happens in all sandboxes, from now on, or after the event with the id `after`.
    ///
    /// # Errors
    /// `invalid-input` where `after` is no id of an event.
    pub async fn events(&self, after: Option<&str>) -> Result<Events> {
        Events::ask(self, "/v1/events".to_owned(), after).await
    }
}

impl Sandbox {
    /// What happens in it, from now on, or after the event with the id `after`, until it is destroyed.
    ///
    /// # Errors
    /// As [`Client::events`].
    pub async fn events(&self, after: Option<&str>) -> Result<Events> {
        Events::ask(&self.client, self.path("/events"), after).await
    }
}

impl Events {
    async fn ask(client: &Client, path: String, after: Option<&str>) -> Result<Self> {
        let mut asked = client.get(path).header(header::ACCEPT, "text/event-stream")?;
        if let Some(after) = after {
            asked = asked.header(HeaderName::from_static("last-event-id"), after)?;
        }
        let body: Download = asked
            .send()
            .await
            .map(|answer| Download::new(answer.into_body(), Some(SILENCE)))?;
        Ok(Self {
            lines: Lines::new(body),
            last: after.map(str::to_owned),
            begun: Begun::default(),
        })
    }

    /// The id of the last event which was taken: after it to go on, where the connection broke off.
    pub fn last_id(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// What happened next; `None` where the server ends, or the sandbox. Cancel safe.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn next(&mut self) -> Result<Option<Received>> {
        while let Some(line) = self.lines.next().await? {
            if line.is_empty() {
                let begun = std::mem::take(&mut self.begun);
                if begun.data.is_empty() {
                    continue;
                }
                self.last = begun.id.clone().or(self.last.take());
                return received(begun).map(Some);
            }
            let line = String::from_utf8_lossy(&line);
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            let Begun { id, name, data } = &mut self.begun;
            match field {
                "id" => *id = Some(value.to_owned()),
                "event" => value.clone_into(name),
                "data" if data.len() + value.len() > MAX_EVENT => {
                    return Err(Error::new(Kind::Garbled, "an event has no end"));
                }
                "data" => {
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(value);
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

fn received(Begun { id, name, data }: Begun) -> Result<Received> {
    let data: Value = crate::body::parse(data.as_bytes())?;
    let event = serde_json::from_value(json!({ "event": name, "data": data })).ok();
    Ok(Received { id, name, event, data })
}
