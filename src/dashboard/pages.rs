//! The pages: one for each batch, where the report of it stands in the output folder, so that its links
//! lead to the same files.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::{Desk, files};
use crate::ledger::BatchView;
use crate::report::{self, Links};

/// Why there is no answer, for people.
pub(super) type Refused = (StatusCode, String);

/// Something of ours does not work.
pub(super) fn broken(error: &dyn std::fmt::Display) -> Refused {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("nightreel: {error}\n"))
}

/// Leads to the batch that was begun last.
pub(super) async fn newest(State(desk): State<Arc<Desk>>) -> Result<Response, Refused> {
    let batches = desk.options.ledger.batches(&[]).await.map_err(|error| broken(&error))?;
    let newest = batches.iter().max_by_key(|batch| batch.id.0);
    match newest.and_then(|batch| desk.address(batch)) {
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
    let batches = desk.options.ledger.batches(&[]).await.map_err(|error| broken(&error))?;
    let names = desk.options.names;
    let is_meant = |batch: &&BatchView| (names.folder)(&batch.name).as_deref() == Some(folder);
    let Some(batch) = batches.iter().find(is_meant) else {
        return Err((StatusCode::NOT_FOUND, "nightreel: there is no such batch\n".to_owned()));
    };
    let mut page = Vec::new();
    let links = Links { folder, sidecar: &names.sidecar };
    let Desk { options, .. } = &*desk;
    report::write_live(&options.ledger, batch, &options.folders, &links, &mut page)
        .await
        .map_err(|error| broken(&error))?;
    let head = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, format!("{}; frame-ancestors 'none'", report::live_policy())),
    ];
    Ok((head, page).into_response())
}

impl Desk {
    /// Where a batch's page is.
    pub(super) fn address(&self, batch: &BatchView) -> Option<String> {
        let folder = (self.options.names.folder)(&batch.name)?;
        let mut url = url::Url::parse("http://localhost/outputs/").ok()?;
        url.path_segments_mut().ok()?.pop_if_empty().extend(folder.split('/')).push("");
        Some(url.path().to_owned())
    }
}
