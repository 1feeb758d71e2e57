//! The page of the routes.

use crate::browser::Browser;
use crate::client::Running;

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_shown_with_what_it_takes_and_gives() {
    let server = Running::start().await;
    let Some(browser) = Browser::open("page::docs", &server, "/docs").await else {
        return;
    };
    browser.read("#routes", "/v1/sandboxes/{id}/call").await;
    let document = server.get("/v1/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap();
    let operations: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
    let shown = "return document.querySelectorAll('.operation').length";
    assert_eq!(browser.script(shown, vec![]).await, operations);
    let call = browser.text("#post-v1-sandboxes-id-call").await;
    for told in ["NAME or NAME@DIGEST", "arguments", "application/json", "200"] {
        assert!(call.contains(told), "{told} in {call}");
    }
    let filter = browser.see("#filter").await;
    filter.send_keys("policies").await.unwrap();
    browser.lose("#routes", "/v1/events").await;
    browser.read("#routes", "/v1/policies").await;
    browser.close().await;
}
