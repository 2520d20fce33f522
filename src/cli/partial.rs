//! The settings among the flags, as one of their layers.

use super::{ApiArgs, Common, ManifestArgs, RunArgs};
use crate::settings::Partial;

impl Common {
    /// These flags as a layer of settings.
    #[must_use]
    pub fn partial(&self) -> Partial {
        Partial {
            state_dir: self.state_dir.clone(),
            output_dir: self.output_dir.clone(),
            format: self.format,
            ..Partial::default()
        }
    }
}

impl ApiArgs {
    /// These flags as a layer of settings.
    #[must_use]
    pub fn partial(&self) -> Partial {
        Partial {
            base_url: self.base_url.clone(),
            api_key_file: self.api_key_file.clone(),
            proxy: self.proxy.clone(),
            ..Partial::default()
        }
    }
}

impl ManifestArgs {
    /// These flags as a layer of settings.
    #[must_use]
    pub fn partial(&self) -> Partial {
        Partial {
            changed: self.changed,
            skip_invalid: self.skip_invalid.then_some(true),
            allow_network_ledger: self.allow_network_ledger.then_some(true),
            allow_unpriced: self.allow_unpriced.then_some(true),
            no_schema: self.no_schema.then_some(true),
            budget: self.budget,
            concurrency: self.concurrency,
            rpm: self.rpm,
            ..Partial::default()
        }
    }
}

impl RunArgs {
    /// These flags as a layer of settings.
    #[must_use]
    pub fn partial(&self) -> Partial {
        let own = Partial {
            downloads: self.downloads,
            max_attempts: self.max_attempts,
            retry_base: self.retry_base,
            retry_cap: self.retry_cap,
            poll_min: self.poll_min,
            poll_max: self.poll_max,
            job_timeout: self.job_timeout,
            submit_timeout: self.submit_timeout,
            absence_wait: self.absence_wait,
            on_unknown: self.on_unknown,
            max_double: self.max_double,
            until: self.until,
            run_for: self.run_for,
            at: self.at,
            no_ramp: self.no_ramp.then_some(true),
            progress: self.progress,
            events: self.events.clone(),
            yes: self.yes.then_some(true),
            ..Partial::default()
        };
        own.over(self.manifest.partial()).over(self.api.partial())
    }
}
