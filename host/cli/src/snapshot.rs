//! `palisade snapshot`: the files of a server's sandbox, as they were.

use std::fmt::Write as _;

use palisade::policy::ByteSize;
use palisade_client::wire::{
    DiffBody, DiffRequest, DifferenceKind, Durability, ExpireRequest, RollbackBody, RollbackRequest, SnapshotBody,
    SnapshotChange, SnapshotPageRequest, SnapshotRequest,
};
use palisade_client::{Client, Sandbox};
use serde::Serialize;
use serde_json::json;

use crate::args::{SnapshotAction, SnapshotCreate};
use crate::exit;
use crate::failure::Failure;
use crate::report::{self, Format, visible};

/// Digits of an id which are shown in a list; as many are enough to mean it, nearly always.
const SHOWN: usize = 12;

pub(crate) async fn snapshot(action: SnapshotAction, client: &Client, format: Format) -> Result<u8, Failure> {
    match action {
        SnapshotAction::Create(asked) => create(asked, client, format).await?,
        SnapshotAction::List { sandbox } => list(&client.sandbox(sandbox), format).await?,
        SnapshotAction::Show { sandbox, snapshot } => {
            let shown = client.sandbox(sandbox).snapshot(&snapshot).await?;
            tell(&shown, format, details);
        }
        SnapshotAction::Diff {
            sandbox,
            snapshot,
            from,
            file: path,
        } => {
            let asked = DiffRequest {
                from,
                path,
                limit: None,
            };
            let compared = client.sandbox(sandbox).compare_snapshot(&snapshot, &asked).await?;
            tell(&compared, format, diff_lines);
        }
        SnapshotAction::Rollback {
            sandbox,
            snapshot: to,
            paths,
            keep,
        } => {
            let durability = Durability::Synced;
            let asked = RollbackRequest {
                to,
                paths,
                keep,
                durability,
            };
            tell(
                &client.sandbox(sandbox).roll_back(&asked).await?,
                format,
                rollback_lines,
            );
        }
        SnapshotAction::Verify { sandbox, snapshot } => {
            return verify(&client.sandbox(sandbox), &snapshot, format).await;
        }
        SnapshotAction::Name {
            sandbox,
            snapshot,
            name,
        } => {
            let named = client.sandbox(sandbox).name_snapshot(&name, &snapshot).await?;
            tell(&named, format, line);
        }
        SnapshotAction::Unname { sandbox, name } => client.sandbox(sandbox).remove_snapshot_name(&name).await?,
        SnapshotAction::Pin { sandbox, snapshot } => pin(client, sandbox, &snapshot, true, format).await?,
        SnapshotAction::Unpin { sandbox, snapshot } => pin(client, sandbox, &snapshot, false, format).await?,
        SnapshotAction::Delete { sandbox, snapshot } => client.sandbox(sandbox).delete_snapshot(&snapshot).await?,
        SnapshotAction::Expire {
            sandbox,
            last,
            within,
            labels,
        } => {
            let asked = ExpireRequest {
                last,
                within_seconds: within.unwrap_or_default().as_secs(),
                labels: labels.into_iter().collect(),
            };
            let expired = client.sandbox(sandbox).expire_snapshots(&asked).await?;
            tell(&expired, format, |expired| {
                expired.deleted.iter().map(|id| visible(id) + "\n").collect()
            });
        }
        SnapshotAction::Collect => {
            let done = client.collect_snapshots().await?;
            tell(&done, format, |done| {
                let (freed, moved) = (
                    ByteSize::from_bytes(done.freed_bytes),
                    ByteSize::from_bytes(done.moved_bytes),
                );
                format!("{freed} are free, and {moved} were moved for that\n")
            });
        }
        SnapshotAction::Scrub => return scrub(client, format).await,
    }
    Ok(0)
}

async fn create(asked: SnapshotCreate, client: &Client, format: Format) -> Result<(), Failure> {
    let request = SnapshotRequest {
        name: asked.name,
        description: asked.description.unwrap_or_default(),
        labels: asked.labels.into_iter().collect(),
        pinned: asked.pin,
        durability: Durability::Synced,
    };
    let taken = client.sandbox(asked.sandbox).take_snapshot(&request).await?;
    tell(&taken, format, line);
    Ok(())
}

/// All pages.
async fn list(sandbox: &Sandbox, format: Format) -> Result<(), Failure> {
    let mut snapshots = Vec::new();
    let mut page = SnapshotPageRequest {
        limit: Some(1000),
        after: None,
    };
    loop {
        let got = sandbox.snapshots(&page).await?;
        snapshots.extend(got.snapshots);
        match got.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    match format {
        Format::Json => report::print_json(&json!({ "snapshots": snapshots })),
        Format::Text => report::print(snapshots.iter().map(line).collect::<String>().as_bytes()),
    }
    Ok(())
}

async fn pin(client: &Client, sandbox: String, snapshot: &str, pinned: bool, format: Format) -> Result<(), Failure> {
    let change = SnapshotChange {
        pinned: Some(pinned),
        ..SnapshotChange::default()
    };
    let changed = client.sandbox(sandbox).change_snapshot(snapshot, &change).await?;
    tell(&changed, format, line);
    Ok(())
}

async fn verify(sandbox: &Sandbox, snapshot: &str, format: Format) -> Result<u8, Failure> {
    let found = sandbox.verify_snapshot(snapshot).await?;
    tell(&found, format, |found| match found.damaged.len() {
        0 => format!(
            "{} pieces of {} are what they were\n",
            found.blobs,
            ByteSize::from_bytes(found.bytes)
        ),
        _ => found
            .damaged
            .iter()
            .map(|path| visible(&format!("damaged  {path}")) + "\n")
            .collect(),
    });
    Ok(if found.damaged.is_empty() { 0 } else { exit::PROBLEMS })
}

async fn scrub(client: &Client, format: Format) -> Result<u8, Failure> {
    let found = client.scrub_snapshots().await?;
    tell(&found, format, |found| {
        let read = ByteSize::from_bytes(found.bytes);
        let mut text = match found.damaged {
            0 => format!("all of {read} is what it was\n"),
            places => format!("{places} places of {read} are damaged\n"),
        };
        for touched in &found.snapshots {
            let told = format!(
                "sandbox {} needs them for snapshot {}",
                touched.sandbox, touched.snapshot
            );
            text += &(visible(&told) + "\n");
        }
        text
    });
    Ok(if found.damaged == 0 { 0 } else { exit::PROBLEMS })
}

fn tell<T: Serialize>(what: &T, format: Format, text: impl FnOnce(&T) -> String) {
    match format {
        Format::Json => report::print_json(&json!(what)),
        Format::Text => report::print(text(what).as_bytes()),
    }
}

/// A snapshot in a list.
fn line(snapshot: &SnapshotBody) -> String {
    let id = snapshot.id.get(..SHOWN).unwrap_or(&snapshot.id);
    let time = snapshot.taken_at.split('.').next().unwrap_or_default();
    let SnapshotBody {
        added,
        changed,
        removed,
        files,
        ..
    } = snapshot;
    let size = ByteSize::from_bytes(snapshot.bytes).to_string();
    let pinned = if snapshot.pinned { "  pinned" } else { "" };
    let names = snapshot.names.join(" ");
    let told = format!("{id}  {time}  {files:>7} names  {size:>10}  +{added} ~{changed} -{removed}{pinned}  {names}");
    visible(told.trim_end()) + "\n"
}

fn details(snapshot: &SnapshotBody) -> String {
    let mut text = line(snapshot);
    let mut say = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<12} {}", visible(value));
    };
    say("id", &snapshot.id);
    say("parent", snapshot.parent.as_deref().unwrap_or("none"));
    if !snapshot.description.is_empty() {
        say("description", &snapshot.description);
    }
    for (label, value) in &snapshot.labels {
        say("label", &format!("{label}={value}"));
    }
    text
}

fn diff_lines(compared: &DiffBody) -> String {
    if let Some(text) = &compared.text {
        return text.lines().map(|line| visible(line) + "\n").collect();
    }
    let mut text = String::new();
    for difference in &compared.differences {
        let mark = match difference.kind {
            DifferenceKind::Added => '+',
            DifferenceKind::Removed => '-',
            DifferenceKind::Replaced => '!',
            DifferenceKind::Content => '~',
            _ => ' ',
        };
        let size = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| ByteSize::from_bytes(bytes).to_string());
        let (before, after) = (size(difference.size_before), size(difference.size_after));
        text += &(visible(&format!("{mark} {before:>10} {after:>10}  {}", difference.path)) + "\n");
    }
    if compared.truncated {
        text += "and more\n";
    }
    text
}

fn rollback_lines(done: &RollbackBody) -> String {
    let mut text = diff_lines(&done.undone);
    for path in &done.outside {
        text += &(visible(&format!("not undone, since it is in a mounted directory: {path}")) + "\n");
    }
    if done.outside_truncated {
        text += "and more in mounted directories\n";
    }
    let before = done.before.id.get(..SHOWN).unwrap_or(&done.before.id);
    let _ = writeln!(
        text,
        "rolled back in {:.1} ms; to undo that, roll back to {}",
        done.elapsed_ms,
        visible(before)
    );
    text
}
