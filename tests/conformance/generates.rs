//! What the client makes: videos, images, sound, text; its own checks; uploads; the history.

use serde_json::json;

use crate::desk::{
    AT_ONCE, Desk, FOR_LONG, IMAGE_TO_VIDEO, TEXT_TO_IMAGE, TEXT_TO_VIDEO, assert_plays,
};

#[test]
fn what_does_not_fit_the_schema_is_never_sent() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let mut video = |params| {
        let arguments = json!({ "model": IMAGE_TO_VIDEO, "params": params });
        desk.client.call("atlas_generate_video", &arguments)
    };
    video(json!({ "prompt": "a fox", "width": 640 })).refuses(&[
        "The request was NOT submitted",
        "Missing required parameter `image`",
        "Unknown parameter `width` is not accepted by this model",
        "- `duration` (integer, optional, one of: 6 | 10, default 6)",
    ]);
    let image = "https://example.com/a.png";
    video(json!({ "image": image, "duration": 7 })).refuses(&["`duration` must be one of: 6 | 10"]);
    video(json!({ "image": image, "prompt": "x".repeat(2001) }))
        .refuses(&["exceeds maxLength 2000"]);
    let wrong = json!({ "model": TEXT_TO_VIDEO, "params": { "prompt": "a fox" } });
    desk.client.call("atlas_generate_image", &wrong).refuses(&["is a Video model"]);
    let dry = json!({ "model": TEXT_TO_VIDEO, "params": { "prompt": "a fox" }, "dry_run": true });
    desk.client.call("atlas_generate_video", &dry).tells(&["nothing was submitted", "a fox"]);
    desk.assert_submitted(&[], 0);
}

#[test]
fn what_its_own_check_cannot_read_the_simulator_refuses_for_nothing() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    // Its schema document refers on, which the client does not follow: it lets everything through.
    let body = json!({ "model": "lumen/still-1/edit", "prompt": "bluer" });
    let arguments = json!({ "model": "lumen/still-1/edit", "params": { "prompt": "bluer" } });
    let said = desk.client.call("atlas_generate_image", &arguments);
    said.refuses(&["invalid request parameters", "`images` is required"]);
    desk.assert_submitted(&[("generateImage", body)], 0);
}

#[test]
fn a_video_is_made_and_plays() {
    let Some(mut desk) = Desk::at("[latency]\nkind = \"fixed\"\nlength = \"1500ms\"\n") else {
        return;
    };
    let id = desk.video("a fox in the snow");
    let mut all = desk.client.follow(&id);
    let done = all.pop().unwrap();
    assert!(all.iter().any(|said| said.text.contains("- **Status**: processing")), "{all:?}");
    done.tells(&[
        &id,
        "- **Status**: completed",
        "- **Cost**: $0.23",
        "- **Latency**: 1.5s",
        "1. [video] http",
    ]);
    assert_plays(&desk.fetch(&done, "video"));
    let body = json!({ "model": TEXT_TO_VIDEO, "prompt": "a fox in the snow" });
    desk.assert_submitted(&[("generateVideo", body)], 1);
    let polled = format!("GET /api/v1/model/prediction/{id}");
    let polls = desk.client.requests().into_iter().filter(|one| one.line == polled && one.key);
    assert_eq!(polls.count(), all.len() + 1);
}

#[test]
fn a_picture_it_made_is_uploaded_and_becomes_a_video() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let params = json!({ "prompt": "a fox", "aspect_ratio": "16:9", "seed": 7 });
    let id = desk.client.submit("atlas_generate_image", TEXT_TO_IMAGE, &params);
    let done = desk.client.end_of(&id);
    done.tells(&["- **Status**: completed", "- **Cost**: $0.03"]);
    let picture = desk.fetch(&done, "image");
    assert!(imagesize::blob_size(&picture).unwrap().width > 0);

    let path = desk.story.file("fox.png", &picture);
    let said = desk.client.call("atlas_upload_media", &json!({ "file_path": path }));
    let size =
        format!("- **Size**: {:.0} KB", f64::from(u32::try_from(picture.len()).unwrap()) / 1024.0);
    said.tells(&["- **Filename**: fox.png", "- **Detected type**: image/png", &size]);
    let url = said.after("- **URL**: ").to_owned();
    assert_eq!(desk.api.get(url.strip_prefix(desk.api.url()).unwrap()), picture);
    let upload = desk.client.requests().pop().unwrap();
    assert_eq!((&*upload.line, upload.key), ("POST /api/v1/model/uploadMedia", true));
    assert_eq!(upload.body, json!([["file", "fox.png", "image/png"]]));
    assert_eq!(desk.api.book().uploads(), 1);

    let params = json!({ "image": url, "prompt": "it runs", "duration": 10 });
    let id = desk.client.submit("atlas_generate_video", IMAGE_TO_VIDEO, &params);
    let done = desk.client.end_of(&id);
    assert_plays(&desk.fetch(&done, "video"));
    let video =
        json!({ "model": IMAGE_TO_VIDEO, "image": url, "prompt": "it runs", "duration": 10 });
    let image =
        json!({ "model": TEXT_TO_IMAGE, "prompt": "a fox", "aspect_ratio": "16:9", "seed": 7 });
    desk.assert_submitted(&[("generateImage", image), ("generateVideo", video)], 2);
}

#[test]
fn speech_and_songs_are_made_and_speech_is_written_down() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let (voice, song) = ("sonora/voice-1/text-to-speech", "sonora/song-1/music");
    let scribe = "sonora/scribe-1/speech-to-text";
    let said = json!({ "model": voice, "text": "Good night.", "speed": 1.5 });
    let params = json!({ "text": "Good night.", "speed": 1.5 });
    let id = desk.client.submit("atlas_generate_audio", voice, &params);
    let spoken = desk.client.end_of(&id);
    spoken.tells(&["- **Status**: completed", "- **Cost**: $0.02"]);
    let wave = desk.fetch(&spoken, "audio");
    assert!(wave.starts_with(b"RIFF") && wave[8..].starts_with(b"WAVEfmt "), "no WAV");

    let id = desk.client.submit("atlas_generate_audio", song, &json!({ "prompt": "a lullaby" }));
    desk.client.end_of(&id).tells(&["- **Status**: completed", "1. [audio] http"]);

    let url = spoken.after("1. [audio] ").to_owned();
    let wrong = json!({ "model": scribe, "params": { "audio": url } });
    desk.client.call("atlas_generate_audio", &wrong).refuses(&["is a speech-to-text model"]);
    let id = desk.client.submit("atlas_transcribe_audio", scribe, &json!({ "audio": url }));
    let written = desk.client.end_of(&id);
    written.tells(&["## Output (text)", "This is what the simulator heard.", &id]);

    let lullaby = json!({ "model": song, "prompt": "a lullaby" });
    let heard = json!({ "model": scribe, "audio": url });
    let endpoint = "generateAudio";
    desk.assert_submitted(&[(endpoint, said), (endpoint, lullaby), (endpoint, heard)], 3);
}

#[test]
fn its_quick_tool_builds_a_body_that_the_simulator_takes() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let ask = |dry: bool| {
        let words = "hailuo 2.3 t2v standard";
        json!({ "model_keyword": words, "type": "Video", "prompt": "a fox", "dry_run": dry })
    };
    desk.client.call("atlas_quick_generate", &ask(true)).tells(&["nothing was submitted"]);
    desk.assert_submitted(&[], 0);
    let id = desk.client.call("atlas_quick_generate", &ask(false)).id();
    desk.client.end_of(&id).tells(&["- **Status**: completed", "- **Cost**: $0.28"]);
    let submitted = desk.client.submissions().pop().unwrap();
    assert_eq!(submitted.body["prompt"], "a fox");
    desk.assert_submitted(&[("generateVideo", submitted.body)], 1);
}

#[test]
fn the_history_lists_newest_first_in_pages_and_by_what_is_asked_for() {
    let Some(mut desk) = Desk::at(FOR_LONG) else { return };
    let ids: Vec<_> = (1..=12).map(|n| desk.video(&format!("scene {n}"))).collect();
    let picture = json!({ "prompt": "a still" });
    let image = desk.client.submit("atlas_generate_image", TEXT_TO_IMAGE, &picture);

    let first = desk.history(&json!({}));
    first.tells(&["Showing 10 of 13 tasks (page 1)", "pass `page` to see older ones"]);
    let last = desk.client.requests().pop().unwrap();
    assert_eq!((&*last.line, last.key), ("GET /api/v1/model/history?no=1&size=10", true));
    let places: Vec<_> = [&image, &ids[11], &ids[3]].map(|id| first.text.find(id).unwrap()).into();
    assert!(places.is_sorted(), "{places:?}: {first:?}");
    // The moment is told in seconds.
    let today = nightreel::domain::clock::utc(nightreel::domain::Timestamp::now());
    first.tells(&[&format!("`{image}` — **"), today.split('T').next().unwrap()]);

    desk.history(&json!({ "page": 2 })).tells(&["Showing 3 of 13 tasks (page 2)", &ids[0]]);
    let few = desk.history(&json!({ "limit": 2, "page": 2 }));
    few.tells(&["Showing 2 of 13 tasks (page 2)", &ids[10], &ids[9]]);
    desk.history(&json!({ "model": TEXT_TO_IMAGE })).tells(&["Showing 1 of 1 tasks", &image]);
    desk.history(&json!({ "prediction_id": ids[4] })).tells(&["Showing 1 of 1 tasks", &ids[4]]);
    desk.history(&json!({ "status": "failed" })).tells(&["No generation history found"]);
    assert_eq!(desk.api.book().charges().count(), 13);
}
