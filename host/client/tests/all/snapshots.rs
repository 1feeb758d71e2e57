//! What a client can do with snapshots.

use palisade_client::Kind;
use palisade_client::wire::{
    DiffRequest, DifferenceKind, ExpireRequest, Kind as Told, RollbackRequest, SandboxRequest, SnapshotChange,
    SnapshotPageRequest, SnapshotRequest,
};

use crate::server::Running;

#[tokio::test(flavor = "multi_thread")]
async fn files_go_back_and_forth() {
    let server = Running::start().await;
    let client = &server.client;
    let sandbox = client.create(&SandboxRequest::default()).await.unwrap();
    let write = async |text: &'static str| sandbox.put_file("/file", text.as_bytes()).await.unwrap();
    write("one\n").await;
    let request = SnapshotRequest {
        name: Some("good".to_owned()),
        ..SnapshotRequest::default()
    };
    let good = sandbox.take_snapshot(&request).await.unwrap();
    write("two\n").await;
    let bad = sandbox.take_snapshot(&SnapshotRequest::default()).await.unwrap();
    let asked = DiffRequest {
        path: Some("/file".to_owned()),
        ..DiffRequest::default()
    };
    let told = sandbox.compare_snapshot(&bad.id, &asked).await.unwrap();
    let kinds: Vec<_> = told.differences.iter().map(|one| (&*one.path, one.kind)).collect();
    assert!(kinds.contains(&("/file", DifferenceKind::Content)), "{kinds:?}");
    assert!(told.text.unwrap().ends_with("-one\n+two\n"));

    let request = RollbackRequest {
        to: "good".to_owned(),
        paths: vec![],
        keep: vec![],
        durability: palisade_client::wire::Durability::Soon,
    };
    let done = sandbox.roll_back(&request).await.unwrap();
    assert_eq!(done.to, good.id);
    let page = SnapshotPageRequest::default();
    assert_eq!(sandbox.snapshots(&page).await.unwrap().snapshots.len(), 3);

    sandbox.name_snapshot("last-bad", &bad.id).await.unwrap();
    assert_eq!(sandbox.snapshot("last-bad").await.unwrap().id, bad.id);
    sandbox.remove_snapshot_name("last-bad").await.unwrap();
    let pin = SnapshotChange {
        pinned: Some(true),
        ..SnapshotChange::default()
    };
    sandbox.change_snapshot(&bad.id, &pin).await.unwrap();
    let refused = sandbox.delete_snapshot(&bad.id).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Answered(Told::Conflict));
    assert!(sandbox.verify_snapshot(&bad.id).await.unwrap().damaged.is_empty());
    let expired = sandbox.expire_snapshots(&ExpireRequest::default()).await.unwrap();
    assert_eq!(expired.deleted, [done.before.id]);
    client.collect_snapshots().await.unwrap();
    assert_eq!(client.scrub_snapshots().await.unwrap().damaged, 0);
}
