//! The pages: one for each batch, where the report of it stands in the output folder, so that its links
//! lead to the same files.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::{Desk, files};
use crate::ledger::BatchView;
use crate::report::{self, Kind, Links};

/// Why there is no answer, for people.
pub(super) type Refused = (StatusCode, String);

/// Something of ours does not work.
pub(super) fn broken(error: &dyn std::fmt::Display) -> Refused {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("nightreel: {error}\n"))
}

/// There is no batch of that name or number.
pub(super) fn no_batch() -> Refused {
    (StatusCode::NOT_FOUND, "nightreel: there is no such batch\n".to_owned())
}

/// Leads to the batch that was begun last.
pub(super) async fn newest(State(desk): State<Arc<Desk>>) -> Result<Response, Refused> {
    let batches = desk.options.ledger.batch_names().await.map_err(|error| broken(&error))?;
    match batches.last().and_then(|(_, name)| desk.address(name)) {
        Some(address) => Ok(Redirect::to(&address).into_response()),
        None => Ok(Html("<!doctype html><title>nightreel</title><p>There is no batch yet.")
            .into_response()),
    }
}

/// A batch's page where the path is its folder, a file otherwise.
pub(super) async fn below(
    State(desk): State<Arc<Desk>>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let Some(folder) = path.strip_suffix('/') else {
        return files::serve(&desk, &path, request).await;
    };
    let Desk { options, .. } = &*desk;
    let (ledger, names) = (&options.ledger, options.names);
    let batches = ledger.batch_names().await.map_err(|error| broken(&error))?;
    let is_meant = |(_, name): &(_, String)| (names.folder)(name).as_deref() == Some(folder);
    let name = batches.into_iter().find(is_meant).map(|(_, name)| name);
    let Some(batch) = desk.batch(name).await? else { return Err(no_batch()) };
    let mut page = Vec::new();
    let links = Links { folder, sidecar: &names.sidecar };
    report::write(Kind::Live, (ledger, &batch), &options.folders, &links, &mut page)
        .await
        .map_err(|error| broken(&error))?;
    let head = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, format!("{}; frame-ancestors 'none'", report::live_policy())),
    ];
    Ok((head, page).into_response())
}

impl Desk {
    /// The batch of that name in figures.
    async fn batch(&self, name: Option<String>) -> Result<Option<BatchView>, Refused> {
        let Some(name) = name else { return Ok(None) };
        let found = self.options.ledger.batches(&[name]).await;
        Ok(found.map_err(|error| broken(&error))?.pop())
    }

    /// Where a batch's page is.
    pub(super) fn address(&self, name: &str) -> Option<String> {
        let folder = (self.options.names.folder)(name)?;
        let mut url = url::Url::parse("http://localhost/outputs/").ok()?;
        url.path_segments_mut().ok()?.pop_if_empty().extend(folder.split('/')).push("");
        Some(url.path().to_owned())
    }
}
