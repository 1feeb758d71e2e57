//! A headless Chromium, which ends with its test, however that ends.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::client::{Running, SOON};

const DRIVER: &str = "chromedriver";

/// A browser which looks at one server.
pub(crate) struct Browser {
    pub client: Client,
    origin: String,
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    /// Opens a page of `server`; `None` where this machine has no browser, which fails where `CI` is `true`.
    pub(crate) async fn open(test: &str, server: &Running, path: &str) -> Option<Self> {
        if !is_here() {
            let reason = "no chromedriver with Chromium (on Debian: apt-get install chromium-driver)";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
            palisade_guests::skip(test, reason);
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let driver = Driver::start();
        let args = [
            "--headless=new",
            // Chromium has a sandbox of its own, which root cannot have. What it loads here is ours.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-breakpad",
            "--disable-background-networking",
            "--force-device-scale-factor=1",
            "--window-size=1280,1000",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let Value::Object(wanted) = wanted else { unreachable!() };
        builder.capabilities(wanted);
        let at = format!("http://127.0.0.1:{}", driver.port);
        let browser = Self {
            client: builder.connect(&at).await.unwrap(),
            origin: format!("http://{}", server.address),
            _driver: driver,
            _profile: profile,
        };
        browser.goto(path).await;
        Some(browser)
    }

    /// The same, with a key given.
    pub(crate) async fn enter(test: &str, server: &Running, key: &str) -> Option<Self> {
        let browser = Self::open(test, server, "/").await?;
        browser.give(key).await;
        browser.see("#board h1").await;
        Some(browser)
    }

    pub(crate) async fn goto(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.origin)).await.unwrap();
    }

    /// Types a key and sends it.
    pub(crate) async fn give(&self, key: &str) {
        let field = self.see("#key").await;
        field.clear().await.unwrap();
        field.send_keys(key).await.unwrap();
        self.click("#enter-form button").await;
    }

    /// The first element of a selector, once it can be seen.
    pub(crate) async fn see(&self, selector: &str) -> Element {
        let started = Instant::now();
        loop {
            if let Ok(element) = self.client.find(Locator::Css(selector)).await
                && element.is_displayed().await.unwrap_or(false)
            {
                return element;
            }
            assert!(
                started.elapsed() < SOON,
                "no {selector} in: {}",
                self.text("body").await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a part of the page says this.
    pub(crate) async fn read(&self, selector: &str, wanted: &str) {
        self.until(selector, wanted, |text| text.contains(wanted)).await;
    }

    /// Waits until a part of the page does not say this.
    pub(crate) async fn lose(&self, selector: &str, unwanted: &str) {
        self.until(selector, unwanted, |text| !text.contains(unwanted)).await;
    }

    async fn until(&self, selector: &str, about: &str, is_right: impl Fn(&str) -> bool) {
        let started = Instant::now();
        loop {
            let text = self.text(selector).await;
            if is_right(&text) {
                return;
            }
            assert!(started.elapsed() < SOON, "{about:?} in {selector}: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What can be read of a part of the page.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = "const found = document.querySelector(arguments[0]); \
                      return found?.checkVisibility() ? found.innerText : ''";
        let text = self.script(script, vec![selector.into()]).await;
        text.as_str().unwrap().to_owned()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.see(selector).await.click().await.unwrap();
    }

    /// Chooses an option of a select, once it is there.
    pub(crate) async fn choose(&self, selector: &str, value: &str) {
        self.see(&format!("{selector} option[value={value:?}]")).await;
        let select = self.see(selector).await;
        select.select_by_value(value).await.unwrap();
    }

    /// Which buttons of a part of the page can be seen.
    pub(crate) async fn buttons(&self, selector: &str) -> Vec<String> {
        let mut names = Vec::new();
        for button in self
            .client
            .find_all(Locator::Css(&format!("{selector} button")))
            .await
            .unwrap()
        {
            if button.is_displayed().await.unwrap() {
                names.push(button.text().await.unwrap());
            }
        }
        names
    }

    pub(crate) async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }

    /// Has the browser do what only its own protocol knows.
    pub(crate) async fn command(&self, name: &str, parameters: Value) {
        let body = json!({"cmd": name, "params": parameters});
        let command = Own("goog/cdp/execute", body);
        self.client.issue_cmd(command).await.unwrap();
    }

    /// Ends the session. The page asked nobody but its own server, broke no rule of its policy, and had no errors.
    pub(crate) async fn close(self) {
        let log = |kind: &'static str| Own("se/log", json!({"type": kind}));
        let console = self.client.issue_cmd(log("browser")).await.unwrap();
        for line in console.as_array().unwrap() {
            // That a request was refused is told there, too.
            assert!(line["source"] == "network", "{line}");
        }
        let asked = self.client.issue_cmd(log("performance")).await.unwrap();
        let mut count = 0;
        for line in asked.as_array().unwrap() {
            let told: Value = serde_json::from_str(line["message"].as_str().unwrap()).unwrap();
            if told["message"]["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let request = &told["message"]["params"];
            // The empty page with which the browser starts is its own.
            if request["documentURL"].as_str().unwrap().starts_with("chrome:") {
                continue;
            }
            let url = request["request"]["url"].as_str().unwrap();
            assert!(url.starts_with(&self.origin), "it asked {url}");
            count += 1;
        }
        assert!(count > 0, "nothing was noted");
        self.client.clone().close().await.unwrap();
    }
}

/// A command of this driver alone: a path below the session, and a body.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.1.to_string()))
    }
}

/// Whether there is a driver on `PATH`.
fn is_here() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(DRIVER).is_file())
}

/// The process which starts the browser, and leads the group in which both are.
struct Driver {
    child: Child,
    port: u16,
    /// Open, so that it can print.
    _output: BufReader<ChildStdout>,
}

impl Driver {
    fn start() -> Self {
        let mut child = Command::new(DRIVER)
            .arg("--port=0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "{DRIVER} ended");
            let told = line
                .trim_end()
                .trim_end_matches('.')
                .split_once("started successfully on port ");
            if let Some(port) = told.and_then(|(_, port)| port.parse().ok()) {
                break port;
            }
        };
        Self {
            child,
            port,
            _output: output,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ended_already = kill_process_group(group, Signal::KILL);
        let _ended_already = self.child.wait();
        // What the browser started writes to its profile until it is gone.
        let started = Instant::now();
        while test_kill_process_group(group).is_ok() && started.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Where pictures are kept for those who want to look at them.
pub(crate) fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
