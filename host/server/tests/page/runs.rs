//! The page of what runs.

use palisade::policy::{Access, Policy};
use palisade::{Program, SandboxSpec};
use palisade_server::Role;
use serde_json::json;

use crate::browser::Browser;
use crate::client::Running;

/// What would run in a page which takes texts as markup.
const HOSTILE: &str = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script>";

async fn add_tool(server: &Running, name: &str) {
    let program = Program::from_file(palisade_guests::path(&format!("{name}.wasm"))).unwrap();
    server.host.tools().add(name, program).await.unwrap();
}

/// A sandbox which may read a directory of the host and not write it, with a program which tries all the same.
async fn run_denied(server: &Running, folder: &std::path::Path) -> String {
    let spec = SandboxSpec::new(Policy::trusted()).mount(folder, "/data".parse().unwrap(), Access::ReadOnly);
    let sandbox = server.host.create(spec).unwrap();
    let program = std::fs::read(palisade_guests::path("guest.p1.wasm")).unwrap();
    sandbox.workspace().write("/guest.wasm", &program).unwrap();
    let path = format!("/v1/sandboxes/{}/processes", sandbox.id());
    let body = json!({"program": "/guest.wasm", "args": ["fs", "write /data/report.txt x"], "detached": true});
    server.post(&path, body).await.expect(201);
    sandbox.id().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_without_a_key_is_told_where_there_is_one_and_a_wrong_one_is_refused() {
    let server = Running::start().await;
    let Some(browser) = Browser::open("page::key", &server, "/").await else {
        return;
    };
    browser.read("#enter", "palisade key create").await;
    browser.read("#enter", "keys/local").await;
    for (key, told) in [
        ("palisade_wrong", "does not know this key"),
        ("a key", "This is no key"),
    ] {
        browser.give(key).await;
        browser.read("#enter-error", told).await;
    }
    assert_eq!(browser.text("#board").await, "");
    browser.give(&server.admin).await;
    browser.read("#head", "All sandboxes").await;
    let url = browser.client.current_url().await.unwrap();
    assert!(!url.as_str().contains(&server.admin), "{url}");
    let kept = browser
        .script("return localStorage.length + document.cookie.length", vec![])
        .await;
    assert_eq!(kept, 0);
    browser.click("#leave").await;
    browser.see("#key").await;
    assert_eq!(browser.script("return sessionStorage.length", vec![]).await, 0);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_which_is_removed_shows_nothing_more() {
    let server = Running::start().await;
    let (key, text) = server.keys.create(Role::Reader).unwrap();
    let Some(browser) = Browser::enter("page::removed", &server, &text).await else {
        return;
    };
    server.keys.remove(key).unwrap();
    browser.read("#enter-error", "any more").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_sandbox_appears_and_one_that_is_destroyed_goes_by_itself() {
    let server = Running::start().await;
    let first = server.sandbox().await;
    let Some(browser) = Browser::enter("page::list", &server, &server.admin).await else {
        return;
    };
    browser.read("#list", &first).await;
    let second = server.sandbox().await;
    browser.read("#list", &second).await;
    browser.read("#events", "sandbox-created").await;
    let id = second.parse().unwrap();
    server.host.sandbox(id).unwrap().destroy().await.unwrap();
    browser.lose("#list", &second).await;
    browser.goto(&format!("/#{second}")).await;
    browser.read("#head", "There is no such sandbox").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_shown_with_its_rule_and_the_smallest_grant() {
    let server = Running::start().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(browser) = Browser::enter("page::denial", &server, &server.admin).await else {
        return;
    };
    browser.read("#link", "live").await;
    let sandbox = run_denied(&server, folder.path()).await;
    for told in ["mounts", "Smallest grant", "read-write", &sandbox] {
        browser.read("#denials", told).await;
    }
    browser.click(&format!("#list a[href='#{sandbox}']")).await;
    browser.read("#processes", "/guest.wasm").await;
    browser.read("#events", "was refused").await;
    let other = server.sandbox().await;
    browser.click(&format!("#list a[href='#{other}']")).await;
    browser.read("#denials", "Nothing was refused").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_called_by_a_form_which_its_schema_makes() {
    let server = Running::start().await;
    add_tool(&server, "text").await;
    let sandbox = server.sandbox().await;
    let Some(browser) = Browser::enter("page::call", &server, &server.admin).await else {
        return;
    };
    browser.choose("#call-sandbox", &sandbox).await;
    browser.choose("#call-tool", "text").await;
    browser.choose("#call-function", "digest").await;
    browser.click("#call button.main").await;
    browser.read("#call .fields", "this is needed").await;
    browser.choose("#call .choice select", "\"sha256\"").await;
    let field = browser.see("#call .text textarea").await;
    field.send_keys("hello").await.unwrap();
    browser.click("#call button.main").await;
    browser.read("#call .outcome", "2cf24dba5fb0a30e26e83b2ac5b9e29e").await;
    browser.read("#call .outcome", "Fuel").await;

    browser.click("#call-whole").await;
    let whole = browser.see("#call .fields textarea").await;
    let text = whole.prop("value").await.unwrap().unwrap();
    assert!(text.contains("\"sha256\"") && text.contains("\"hello\""), "{text}");
    whole.clear().await.unwrap();
    whole.send_keys("{\"text\": 1}").await.unwrap();
    browser.click("#call button.main").await;
    browser.read("#call .outcome .error", "expected").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_suspends_resumes_stops_and_destroys() {
    let server = Running::start().await;
    let sandbox = server.sandbox().await;
    let (_, operator) = server.keys.create(Role::Operator).unwrap();
    let Some(browser) = Browser::enter("page::actions", &server, &operator).await else {
        return;
    };
    browser.click(&format!("#list a[href='#{sandbox}']")).await;
    let press = async |name: &str| {
        browser.read("#head", name).await;
        let at = format!("//section[@id='head']//button[text()='{name}']");
        let button = browser.client.find(fantoccini::Locator::XPath(&at)).await.unwrap();
        button.click().await.unwrap();
    };
    press("Suspend").await;
    browser.read("#head .badge", "suspended").await;
    press("Resume").await;
    browser.read("#head .badge", "ready").await;
    press("Stop").await;
    browser.click("#ask-yes").await;
    browser.read("#head .badge", "stopped").await;
    press("Destroy").await;
    browser.click("#ask button[value=no]").await;
    assert!(server.host.sandbox(sandbox.parse().unwrap()).is_ok());
    press("Destroy").await;
    browser.click("#ask-yes").await;
    browser.read("#head", "There is no such sandbox").await;
    assert!(server.host.sandbox(sandbox.parse().unwrap()).is_err());
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_offered_nothing_that_would_be_refused() {
    let server = Running::start().await;
    add_tool(&server, "text").await;
    let sandbox = server.sandbox().await;
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    let Some(browser) = Browser::enter("page::reader", &server, &reader).await else {
        return;
    };
    browser.click(&format!("#list a[href='#{sandbox}']")).await;
    browser.read("#head", "policy default").await;
    assert_eq!(browser.buttons("#view").await, Vec::<String>::new());
    assert_eq!(browser.text("#call").await, "");
    browser.read("#who", "reader").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_wrote_is_text() {
    let server = Running::start().await;
    add_tool(&server, "text").await;
    let body = json!({"labels": {"name": HOSTILE, "note": HOSTILE}});
    let made = server.post("/v1/sandboxes", body).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let program = format!("/{}", HOSTILE.replace('/', "|"));
    let sandbox = server.host.sandbox(id.parse().unwrap()).unwrap();
    let guest = std::fs::read(palisade_guests::path("guest.p1.wasm")).unwrap();
    sandbox.workspace().write(&program, &guest).unwrap();
    let Some(browser) = Browser::enter("page::hostile", &server, &server.admin).await else {
        return;
    };
    browser.read("#link", "live").await;
    let path = format!("/v1/sandboxes/{id}/processes");
    let body = json!({"program": program, "args": ["args"], "detached": true});
    server.post(&path, body).await.expect(201);
    browser.click(&format!("#list a[href='#{id}']")).await;
    browser.choose("#call-function", "count").await;
    browser.click("#call-whole").await;
    let field = browser.see("#call .fields textarea").await;
    field.clear().await.unwrap();
    field.send_keys(&json!({HOSTILE: 1}).to_string()).await.unwrap();
    browser.click("#call button.main").await;
    for place in ["#list", "#head", "#processes", "#events", "#call .outcome"] {
        browser.read(place, "<img src=x onerror").await;
    }
    let script = "return [window.ran ?? null, document.querySelectorAll('main img, #list img, body script').length]";
    assert_eq!(browser.script(script, vec![]).await, json!([null, 0]));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_the_page_could_not_have_a_text_taken_for_markup() {
    let server = Running::start().await;
    let Some(browser) = Browser::open("page::markup", &server, "/").await else {
        return;
    };
    let tries = "try { document.body.innerHTML = '<b>x'; return 'taken' } catch (error) { return error.name }";
    assert_eq!(browser.script(tries, vec![]).await, "TypeError");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_is_shown_as_charts_and_totals() {
    let server = Running::start().await;
    add_tool(&server, "text").await;
    let sandbox = server.sandbox().await;
    let Some(browser) = Browser::enter("page::usage", &server, &server.admin).await else {
        return;
    };
    let call = json!({"tool": "text", "function": "count", "arguments": {"text": "x"}});
    let path = format!("/v1/sandboxes/{sandbox}/call");
    server.post(&path, call).await.expect(200);
    browser.click(&format!("#list a[href='#{sandbox}']")).await;
    for told in ["What it uses", "Processor", "of 2 GiB", "Fuel", "Processes ended"] {
        browser.read("#usage", told).await;
    }
    // The second point of the history comes within an interval, and with it the lines.
    browser.see("#usage svg:not([hidden])").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_goes_back_to_a_snapshot_of_which_the_differences_are_shown() {
    let server = Running::start().await;
    let id = server.sandbox().await;
    let sandbox = server.host.sandbox(id.parse().unwrap()).unwrap();
    sandbox.workspace().write("/file", b"good").unwrap();
    let Some(browser) = Browser::enter("page::snapshots", &server, &server.admin).await else {
        return;
    };
    browser.goto(&format!("/#{id}")).await;
    browser.read("#snapshots", "None was taken").await;
    browser
        .script("document.getElementById('snapshot-name').value = 'good'", vec![])
        .await;
    browser.click("#snapshots button[type=submit]").await;
    browser.read("#snapshots", "Taken: good").await;
    sandbox.workspace().write("/file", b"bad").unwrap();
    sandbox
        .workspace()
        .create_dir_all(&format!("/{}", HOSTILE.replace('/', "|")))
        .unwrap();
    server
        .post(
            &format!("/v1/sandboxes/{id}/snapshots"),
            json!({"name": "bad", "description": HOSTILE}),
        )
        .await
        .expect(201);
    browser.read("#snapshots tbody tr:first-child", "bad").await;
    browser
        .click("#snapshots tbody tr:first-child .buttons button:first-child")
        .await;
    browser.read("#snapshots .differences", "~ /file").await;
    browser.read("#snapshots .differences", "<img").await;
    browser
        .click("#snapshots tbody tr:last-child .buttons button:last-child")
        .await;
    browser.see("#ask").await;
    browser.click("#ask-yes").await;
    browser.read("#snapshots", "Went back in").await;
    assert_eq!(sandbox.workspace().read("/file", 9).unwrap(), b"good");
    assert_eq!(browser.script("return window.ran ?? 0", vec![]).await, 0);
    browser.close().await;

    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    let browser = Browser::enter("page::snapshots", &server, &reader).await.unwrap();
    browser.goto(&format!("/#{id}")).await;
    browser.read("#snapshots", "good").await;
    let buttons = browser.buttons("#snapshots").await;
    assert!(buttons.iter().all(|button| button == "What changed"), "{buttons:?}");
    browser.close().await;
}
