//! A browser of its own for each test: chromedriver on a free port, Chromium without a profile.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities as _;
use thirtyfour::prelude::*;

/// How long anything on a page may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser and the program that drives it; both end with it.
pub(crate) struct Chrome {
    driver: Child,
    pub(crate) page: WebDriver,
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

impl Chrome {
    pub(crate) async fn open(look: Look) -> Self {
        // The tests' own client has no TLS to speak, but must have chosen how it would.
        rustls::crypto::ring::default_provider().install_default().ok();
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
        let mut wanted = DesiredCapabilities::chrome();
        let size = format!("--window-size={},{}", look.width, look.height);
        for flag in ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", &size]
        {
            wanted.add_arg(flag).unwrap();
        }
        wanted.add_arg("--autoplay-policy=no-user-gesture-required").unwrap();
        if look.dark {
            wanted.add_arg("--blink-settings=preferredColorScheme=0").unwrap();
        }
        wanted
            .set_logging_prefs(
                "browser".to_owned(),
                thirtyfour::common::log::LoggingPrefsLogLevel::All,
            )
            .unwrap();
        let address = format!("http://127.0.0.1:{}", port.unwrap());
        let page = WebDriver::new(&address, wanted).await.unwrap();
        Self { driver, page }
    }

    pub(crate) async fn show(&self, file: &Path) {
        self.page.goto(format!("file://{}", file.display())).await.unwrap();
    }

    /// What an expression is on the page.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, expression: &str) -> T {
        let script = format!("return ({expression});");
        let answer = self.page.execute(script, Vec::new()).await.unwrap();
        answer.convert().unwrap_or_else(|error| panic!("{expression}: {error}"))
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

    pub(crate) async fn find(&self, selector: &str) -> WebElement {
        self.page
            .find(By::Css(selector))
            .await
            .unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    /// Chooses an option of a select by its value.
    pub(crate) async fn choose(&self, select: &str, value: &str) {
        self.click(&format!("select[name='{select}'] option[value='{value}']")).await;
    }

    pub(crate) async fn keys(&self, keys: impl AsRef<str>) {
        self.page.action_chain().send_keys(keys.as_ref()).perform().await.unwrap();
    }

    /// What the browser complained of, but for pages that have no icon.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let told = self.page.get_log("browser").await.unwrap();
        let lines = told.into_iter().map(|entry| entry.message);
        lines.filter(|line| !line.contains("favicon")).collect()
    }

    pub(crate) async fn close(self) {
        self.page.clone().quit().await.unwrap();
    }
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
