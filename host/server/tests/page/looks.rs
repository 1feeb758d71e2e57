//! Pictures of the page with real data, for people to look at: in light, in dark and on a phone.

use palisade::Program;
use serde_json::{Value, json};

use crate::browser::{Browser, pictures};
use crate::client::Running;

/// Widths at which nothing may be wider than the window.
const WIDTHS: [(&str, u32); 3] = [("phone", 360), ("tablet", 800), ("wide", 1280)];

async fn picture(browser: &Browser, name: &str, width: u32, scheme: &str) {
    let size =
        |height: &Value| json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
    browser
        .command("Emulation.setDeviceMetricsOverride", size(&json!(900)))
        .await;
    let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    browser.command("Emulation.setEmulatedMedia", media).await;
    let whole = "return document.documentElement.scrollHeight";
    let height = browser.script(whole, vec![]).await;
    browser
        .command("Emulation.setDeviceMetricsOverride", size(&height))
        .await;
    let wider = browser
        .script("return document.documentElement.scrollWidth - innerWidth", vec![])
        .await;
    assert!(wider.as_i64().unwrap() <= 0, "{name} is {wider} too wide");
    let bytes = browser.client.screenshot().await.unwrap();
    std::fs::write(pictures().join(format!("{name}-{scheme}.png")), bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_wider_than_the_window() {
    let server = Running::start().await;
    for name in ["text", "files"] {
        let program = Program::from_file(palisade_guests::path(&format!("{name}.wasm"))).unwrap();
        server.host.tools().add(name, program).await.unwrap();
    }
    let Some(browser) = Browser::enter("page::looks", &server, &server.admin).await else {
        return;
    };
    browser.read("#link", "live").await;
    let mut ids = Vec::new();
    for name in [
        "nightly-report",
        "notebook-of-ada",
        "a-name-which-is-long-".repeat(10).as_str(),
    ] {
        let body = json!({"labels": {"name": name, "team": "research"}, "limits": {"memory": "256 MiB"}});
        let made = server.post("/v1/sandboxes", body).await.expect(201);
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    let path = format!("/v1/sandboxes/{}", ids[0]);
    for (function, arguments) in [
        (
            "write",
            json!({"path": "/report/summary.txt", "text": "x".repeat(9_000)}),
        ),
        ("list", json!({})),
    ] {
        let call = json!({"tool": "files", "function": function, "arguments": arguments, "files": "read-only"});
        server.post(&format!("{path}/call"), call).await;
    }
    let sandbox = server.host.sandbox(ids[0].parse().unwrap()).unwrap();
    let guest = std::fs::read(palisade_guests::path("guest.p1.wasm")).unwrap();
    sandbox.workspace().write("/guest.wasm", &guest).unwrap();
    for args in [json!(["exit", "3"]), json!(["trap", "unreachable"]), json!(["nap"])] {
        let body = json!({"program": "/guest.wasm", "args": args, "detached": true});
        server.post(&format!("{path}/processes"), body).await.expect(201);
    }
    server
        .post("/v1/sandboxes", json!({"limits": {"memory": "900 GiB"}}))
        .await
        .expect(403);
    browser.read("#denials", "900 GiB").await;
    browser.read("#list", "notebook-of-ada").await;
    browser.read("#head", "of which").await;
    picture(&browser, "all", 1280, "light").await;

    browser.click(&format!("#list a[href='#{}']", ids[0])).await;
    browser.read("#processes", "running").await;
    browser.choose("#call-tool", "files").await;
    browser.choose("#call-function", "search").await;
    let field = browser.see("#call .text textarea").await;
    field.send_keys("report").await.unwrap();
    browser.click("#call button.main").await;
    browser.read("#call .outcome", "returned").await;
    for (name, width) in WIDTHS {
        for scheme in ["light", "dark"] {
            picture(&browser, &format!("sandbox-{name}"), width, scheme).await;
        }
    }
    browser.goto("/docs").await;
    browser.read("#routes", "/v1/sandboxes/{id}/call").await;
    for (name, width) in WIDTHS {
        picture(&browser, &format!("docs-{name}"), width, "light").await;
    }
    browser.close().await;
    sandbox.destroy().await.unwrap();
}
