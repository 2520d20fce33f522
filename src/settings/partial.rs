//! What one layer says: every setting optional. `over` and `resolve` name every field, so a
//! forgotten one does not compile.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{Changed, Format, Notify, OnUnknown, ProgressMode, Settings, TimeOfDay};
use crate::domain::{Micros, Windows};

/// One layer of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is documented in `Settings`")]
pub struct Partial {
    pub state_dir: Option<PathBuf>,
    pub output_dir: Option<PathBuf>,
    pub base_url: Option<Url>,
    pub api_key_file: Option<PathBuf>,
    pub proxy: Option<Url>,
    pub concurrency: Option<NonZeroU32>,
    pub downloads: Option<NonZeroU32>,
    pub rpm: Option<NonZeroU32>,
    pub budget: Option<Micros>,
    pub max_attempts: Option<NonZeroU32>,
    pub retry_base: Option<Duration>,
    pub retry_cap: Option<Duration>,
    pub poll_min: Option<Duration>,
    pub poll_max: Option<Duration>,
    pub job_timeout: Option<Duration>,
    pub submit_timeout: Option<Duration>,
    pub absence_wait: Option<Duration>,
    pub on_unknown: Option<OnUnknown>,
    pub max_double: Option<Micros>,
    pub until: Option<TimeOfDay>,
    pub run_for: Option<Duration>,
    pub at: Option<TimeOfDay>,
    pub no_ramp: Option<bool>,
    pub changed: Option<Changed>,
    pub skip_invalid: Option<bool>,
    pub allow_network_ledger: Option<bool>,
    pub allow_unpriced: Option<bool>,
    pub no_schema: Option<bool>,
    pub progress: Option<ProgressMode>,
    pub events: Option<PathBuf>,
    pub format: Option<Format>,
    pub yes: Option<bool>,
    pub windows: Option<Windows>,
    pub keep_awake: Option<bool>,
    pub notify: Option<Notify>,
}

impl Partial {
    /// This layer where it says something, `below` where it does not.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            state_dir: self.state_dir.or(below.state_dir),
            output_dir: self.output_dir.or(below.output_dir),
            base_url: self.base_url.or(below.base_url),
            api_key_file: self.api_key_file.or(below.api_key_file),
            proxy: self.proxy.or(below.proxy),
            concurrency: self.concurrency.or(below.concurrency),
            downloads: self.downloads.or(below.downloads),
            rpm: self.rpm.or(below.rpm),
            budget: self.budget.or(below.budget),
            max_attempts: self.max_attempts.or(below.max_attempts),
            retry_base: self.retry_base.or(below.retry_base),
            retry_cap: self.retry_cap.or(below.retry_cap),
            poll_min: self.poll_min.or(below.poll_min),
            poll_max: self.poll_max.or(below.poll_max),
            job_timeout: self.job_timeout.or(below.job_timeout),
            submit_timeout: self.submit_timeout.or(below.submit_timeout),
            absence_wait: self.absence_wait.or(below.absence_wait),
            on_unknown: self.on_unknown.or(below.on_unknown),
            max_double: self.max_double.or(below.max_double),
            until: self.until.or(below.until),
            run_for: self.run_for.or(below.run_for),
            at: self.at.or(below.at),
            no_ramp: self.no_ramp.or(below.no_ramp),
            changed: self.changed.or(below.changed),
            skip_invalid: self.skip_invalid.or(below.skip_invalid),
            allow_network_ledger: self.allow_network_ledger.or(below.allow_network_ledger),
            allow_unpriced: self.allow_unpriced.or(below.allow_unpriced),
            no_schema: self.no_schema.or(below.no_schema),
            progress: self.progress.or(below.progress),
            events: self.events.or(below.events),
            format: self.format.or(below.format),
            yes: self.yes.or(below.yes),
            windows: self.windows.or(below.windows),
            keep_awake: self.keep_awake.or(below.keep_awake),
            notify: self.notify.or(below.notify),
        }
    }

    /// The settings, with the built-in values where no layer says anything.
    #[must_use]
    pub fn resolve(self) -> Settings {
        let built_in = Settings::default();
        Settings {
            state_dir: self.state_dir.unwrap_or(built_in.state_dir),
            output_dir: self.output_dir.unwrap_or(built_in.output_dir),
            base_url: self.base_url.unwrap_or(built_in.base_url),
            api_key_file: self.api_key_file,
            proxy: self.proxy,
            concurrency: self.concurrency.unwrap_or(built_in.concurrency),
            downloads: self.downloads.unwrap_or(built_in.downloads),
            rpm: self.rpm,
            budget: self.budget,
            max_attempts: self.max_attempts.unwrap_or(built_in.max_attempts),
            retry_base: self.retry_base.unwrap_or(built_in.retry_base),
            retry_cap: self.retry_cap.unwrap_or(built_in.retry_cap),
            poll_min: self.poll_min.unwrap_or(built_in.poll_min),
            poll_max: self.poll_max.unwrap_or(built_in.poll_max),
            job_timeout: self.job_timeout.unwrap_or(built_in.job_timeout),
            submit_timeout: self.submit_timeout.unwrap_or(built_in.submit_timeout),
            absence_wait: self.absence_wait.unwrap_or(built_in.absence_wait),
            on_unknown: self.on_unknown.unwrap_or(built_in.on_unknown),
            max_double: self.max_double,
            until: self.until,
            run_for: self.run_for,
            at: self.at,
            no_ramp: self.no_ramp.unwrap_or(built_in.no_ramp),
            changed: self.changed,
            skip_invalid: self.skip_invalid.unwrap_or(built_in.skip_invalid),
            allow_network_ledger: self
                .allow_network_ledger
                .unwrap_or(built_in.allow_network_ledger),
            allow_unpriced: self.allow_unpriced.unwrap_or(built_in.allow_unpriced),
            no_schema: self.no_schema.unwrap_or(built_in.no_schema),
            progress: self.progress.unwrap_or(built_in.progress),
            events: self.events,
            format: self.format.unwrap_or(built_in.format),
            yes: self.yes.unwrap_or(built_in.yes),
            windows: self.windows.unwrap_or(built_in.windows),
            keep_awake: self.keep_awake.unwrap_or(built_in.keep_awake),
            notify: self.notify,
        }
    }
}
