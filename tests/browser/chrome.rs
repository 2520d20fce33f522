//! A browser of its own for each test: chromedriver on a free port, Chromium without a profile, and
//! as much of `WebDriver` (w3.org/TR/webdriver2) as the tests need.
//!
//! No crate for it: thirtyfour turns on `serde_json/preserve_order` for the whole build, under which
//! requests have other digests than in the program that is shipped.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long anything on a page may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);
/// What `WebDriver` calls an element in JSON (section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const RIGHT: &str = "\u{e014}";

/// A browser and the program that drives it; both end with it.
pub(crate) struct Chrome {
    driver: Child,
    client: reqwest::Client,
    session: String,
}

/// How the browser's window is.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

pub(crate) const DESK: Look = Look { width: 1280, height: 900, dark: false };
pub(crate) const PHONE: Look = Look { width: 500, height: 900, dark: false };

/// Whether there is to be a browser; `must` is what `.ci/run` says.
pub(crate) fn is_wanted() -> bool {
    let wanted = std::env::var_os("NIGHTREEL_BROWSER").is_some();
    if !wanted {
        println!(
            "SKIPPED: pages in a browser; set NIGHTREEL_BROWSER=must where Chromium and chromedriver are"
        );
    }
    wanted
}

fn start_driver() -> (Child, String) {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("chromedriver is installed where NIGHTREEL_BROWSER is set");
    let said = BufReader::new(driver.stdout.take().unwrap());
    let port = said.lines().find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("successfully on port ")?;
        port.trim_end_matches('.').parse::<u16>().ok()
    });
    (driver, format!("http://127.0.0.1:{}", port.unwrap()))
}

impl Chrome {
    pub(crate) async fn open(look: Look) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let (driver, address) = start_driver();
        let mut flags = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--autoplay-policy=no-user-gesture-required".to_owned(),
            format!("--window-size={},{}", look.width, look.height),
        ];
        flags.extend(look.dark.then(|| "--blink-settings=preferredColorScheme=0".to_owned()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut chrome = Self { driver, client, session: address };
        let made = chrome.post("session", &wanted).await;
        chrome.session =
            format!("{}/session/{}", chrome.session, made["sessionId"].as_str().unwrap());
        chrome
    }

    /// One command of the driver; what it answers is the value.
    async fn post(&self, command: &str, body: &Value) -> Value {
        let url = format!("{}/{command}", self.session);
        let request = self.client.post(&url).body(body.to_string());
        read(command, request).await
    }

    async fn get(&self, command: &str) -> Value {
        read(command, self.client.get(format!("{}/{command}", self.session))).await
    }

    pub(crate) async fn show(&self, file: &Path) {
        self.go(&format!("file://{}", file.display())).await;
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url })).await;
    }

    /// What an expression is on the page.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, expression: &str) -> T {
        let script = json!({ "script": format!("return ({expression});"), "args": [] });
        let answer = self.post("execute/sync", &script).await;
        serde_json::from_value(answer).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, expression: &str) {
        let since = Instant::now();
        while !self.ask::<bool>(&format!("Boolean({expression})")).await {
            let complaints =
                if since.elapsed() > PATIENCE { self.complaints().await } else { Vec::new() };
            assert!(
                since.elapsed() < PATIENCE,
                "never true: {expression}; the browser says {complaints:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Brings the results into sight: only cards that can be seen exist.
    pub(crate) async fn to_results(&self) {
        self.ask::<bool>("(document.getElementById('grid').scrollIntoView(), true)").await;
        self.until("document.querySelectorAll('.card').length > 0").await;
    }

    async fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", &wanted).await;
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no {selector}: {found}")).to_owned()
    }

    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/click"), &json!({})).await;
    }

    pub(crate) async fn write(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/value"), &json!({ "text": text })).await;
    }

    pub(crate) async fn clear(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/clear"), &json!({})).await;
    }

    /// Chooses an option of a select by its value.
    pub(crate) async fn choose(&self, select: &str, value: &str) {
        self.click(&format!("select[name='{select}'] option[value='{value}']")).await;
    }

    /// Moves the mouse onto the middle of an element.
    pub(crate) async fn hover(&self, selector: &str) {
        let element = self.find(selector).await;
        let origin = json!({ ELEMENT: element });
        let step =
            json!({ "type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": origin });
        let mouse = json!({ "type": "pointer", "id": "mouse", "actions": [step] });
        self.post("actions", &json!({ "actions": [mouse] })).await;
    }

    /// Presses a key.
    pub(crate) async fn key(&self, key: &str) {
        let steps = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keys = json!({ "type": "key", "id": "keys", "actions": steps });
        self.post("actions", &json!({ "actions": [keys] })).await;
    }

    pub(crate) async fn picture(&self) -> Vec<u8> {
        let picture = self.get("screenshot").await;
        base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }

    /// What the browser complained of, but for pages that have no icon.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let told = self.post("se/log", &json!({ "type": "browser" })).await;
        let lines = told.as_array().unwrap().iter().map(|entry| entry["message"].to_string());
        lines.filter(|line| !line.contains("favicon")).collect()
    }
}

async fn read(command: &str, request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{command}: {text}");
    serde_json::from_str::<Value>(&text).unwrap()["value"].take()
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // The browser too, which is in the driver's group.
        if let Some(group) = rustix::process::Pid::from_raw(self.driver.id().cast_signed()) {
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
        }
        self.driver.wait().ok();
    }
}
