//! Uploads, and the files they became.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, FromRequest as _, Multipart, Path, Request, State};
use axum::http::StatusCode;
use serde_json::json;

use super::Shared;
use crate::domain::Digest;
use crate::simulator::book::{Fact, Upload};
use crate::simulator::fault::Gate;
use crate::simulator::pick::Subject;
use crate::simulator::reply::{Call, Reply, success, typed};
use crate::simulator::script::{End, Script};
use crate::simulator::uploads::content_type;
use crate::simulator::world::World;

/// The largest file, in bytes. The API's own limit is not known; 413 above it follows its rules.
const FILE_LIMIT: usize = 100_000_000;

/// The part named `file`.
struct Part {
    file_name: String,
    content: Bytes,
}

/// `POST uploadMedia`.
pub(super) async fn upload(
    State(world): Shared,
    Extension(call): Extension<Call>,
    request: Request,
) -> Reply {
    if world.faults.pick_unread(Gate::Upload).is_some() {
        return Script::just(End::Reset).reply();
    }
    let part = match read(&call, request).await {
        Ok(part) => part,
        Err(reply) => return reply,
    };
    let digest = Digest::of(&part.content).hex();
    let subject = Subject { job: &digest, texts: &[&part.file_name] };
    let (_, rule) = world.faults.pick(Gate::Upload, &subject);
    let normal = store(&world, &call, part);
    world.under(rule.as_deref(), &call, normal).await
}

/// `GET` of an uploaded file.
pub(super) async fn uploaded(
    State(world): Shared,
    Extension(call): Extension<Call>,
    Path(name): Path<String>,
) -> Reply {
    match world.uploads.content(&name) {
        Some((content, content_type)) => typed(StatusCode::OK, content_type, content),
        None => call.error(StatusCode::NOT_FOUND, "file not found"),
    }
}

async fn read(call: &Call, request: Request) -> Result<Part, Reply> {
    let bad = |message: &str| call.error(StatusCode::BAD_REQUEST, message);
    let multipart = Multipart::from_request(request, &()).await;
    let mut multipart = multipart.map_err(|_| bad("the body must be multipart/form-data"))?;
    loop {
        let field = multipart.next_field().await;
        let field = field.map_err(|_| bad("the multipart body is broken"))?;
        let mut field = field.ok_or_else(|| bad("`file` is required"))?;
        if field.name() != Some("file") {
            continue;
        }
        let file_name = field.file_name().map(str::to_owned);
        let file_name = file_name.ok_or_else(|| bad("`file` needs a file name"))?;
        let mut content = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(|_| bad("the file ended early"))? {
            content.extend(chunk);
            if content.len() > FILE_LIMIT {
                return Err(call.error(StatusCode::PAYLOAD_TOO_LARGE, "the file is too large"));
            }
        }
        let content = content.into();
        return Ok(Part { file_name, content });
    }
}

async fn store(world: &Arc<World>, call: &Call, part: Part) -> Reply {
    let keeper = Arc::clone(world);
    let kept =
        tokio::task::spawn_blocking(move || keeper.uploads.store(&part.file_name, part.content));
    let upload = match kept.await {
        Ok(Ok(Some(upload))) => upload,
        Ok(Ok(None)) => {
            let message = "the file name's extension is not supported";
            return call.error(StatusCode::BAD_REQUEST, message);
        }
        _ => return call.error(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be stored"),
    };
    let noted = world.book.append(world.clock.now(), Fact::Uploaded(upload.clone()));
    if noted.wait().await.is_err() {
        return call.error(StatusCode::SERVICE_UNAVAILABLE, "the upload could not be noted");
    }
    world.note(|figures| figures.uploads += 1);
    answer(world, &upload)
}

fn answer(world: &World, upload: &Upload) -> Reply {
    success(&json!({
        "type": content_type(&upload.name),
        "download_url": format!("{}/uploads/{}", world.base, upload.name),
        "filename": upload.file_name,
        "size": upload.bytes,
    }))
}
