//! Every path answers as atlas-api.md says.

use serde_json::json;

use crate::support::{AT_ONCE, FOR_LONG, Sim, answer, options};

#[tokio::test]
async fn authentication_comes_before_routing_and_every_answer_has_an_id() {
    let mut options = options("", None);
    options.key = Some("apikey-right".into());
    let sim = Sim::with(options).await;
    for (path, key, expected) in [
        ("/api/v1/model/history", "apikey-right", 200),
        ("/api/v1/model/history", "apikey-wrong", 401),
        ("/api/v1/no/such/path", "apikey-right", 401),
        ("/api/v1/model/prediction/none", "apikey-right", 404),
        ("/api/v1/model/generateVideo", "apikey-right", 405),
        ("/public/v1/balance", "apikey-wrong", 401),
        ("/api/v1/models", "apikey-wrong", 200),
        ("/__figures", "apikey-wrong", 200),
    ] {
        let response = sim.get_as(path, key).send().await.unwrap();
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(response.status(), expected, "{path}");
        let body: serde_json::Value = response.json().await.unwrap();
        if expected >= 400 {
            assert_eq!(body["request_id"], id.as_str(), "{path}");
        }
        if expected >= 400 && !path.starts_with("/public") {
            assert_eq!(body["code"], expected, "{path}");
        }
    }
}

#[tokio::test]
async fn the_catalogue_leads_to_schemas() {
    let sim = Sim::start("[prices]\n\"minimax/hailuo-02/fast\" = \"0.12\"\n").await;
    let catalogue = sim.read("/api/v1/models").await.json();
    assert_eq!(catalogue["code"], "200");
    let models = catalogue["data"].as_array().unwrap();
    assert!(models.len() >= 12);
    let fast = models.iter().find(|model| model["model"] == "minimax/hailuo-02/fast").unwrap();
    assert_eq!(fast["price"]["actual"]["base_price"], "0.12");
    assert_eq!(fast["display_console"], true);
    let schema = sim.read(fast["schema"].as_str().unwrap()).await.json();
    let input = &schema["components"]["schemas"]["Input"];
    assert_eq!(input["required"], json!(["image"]));
    assert_eq!(input["properties"]["duration"]["enum"], json!([6, 10]));
}

#[tokio::test]
async fn a_job_goes_from_created_to_a_video_that_plays() {
    let sim = Sim::start(AT_ONCE).await;
    let submitted = sim.submit("a fox").await;
    let data = &submitted.json()["data"];
    assert_eq!((submitted.status, &data["status"]), (200, &json!("created")));
    assert_eq!(data["outputs"], json!(null));
    let polled = sim.read(data["urls"]["get"].as_str().unwrap()).await.json();
    let data = &polled["data"];
    assert_eq!((&polled["code"], &data["status"]), (&json!(200), &json!("completed")));
    assert_eq!(data["price"], "0.23");
    assert_eq!(data["has_nsfw_contents"], json!([false]));
    let video = sim.get(data["outputs"][0].as_str().unwrap()).send().await.unwrap();
    assert_eq!(video.headers()["content-type"], "video/mp4");
    let bytes = video.bytes().await.unwrap();
    assert_eq!(re_mp4::Mp4::read_bytes(&bytes).unwrap().tracks().len(), 1);
}

#[tokio::test]
async fn images_and_sounds_and_texts_come_from_their_own_endpoints() {
    let sim = Sim::start(AT_ONCE).await;
    let image = json!({ "model": "lumen/still-1/text-to-image", "prompt": "x" });
    let voice = json!({ "model": "sonora/voice-1/text-to-speech", "text": "x" });
    let scribe =
        json!({ "model": "sonora/scribe-1/speech-to-text", "audio": "https://x.example/a.mp3" });
    for (kind, body, begin) in [
        ("Image", &image, Some(&b"\x89PNG\r\n\x1a\n"[..])),
        ("Audio", &voice, Some(b"RIFF")),
        ("Audio", &scribe, None),
    ] {
        let id = sim.send(kind, body).await.id();
        let output = sim.poll(&id).await.json()["data"]["outputs"][0].clone();
        match begin {
            Some(begin) => {
                let file = sim.get(output.as_str().unwrap()).send().await.unwrap();
                assert!(file.bytes().await.unwrap().starts_with(begin), "{body}");
            }
            None => assert!(output.as_str().unwrap().contains("good night")),
        }
    }
    assert_eq!(sim.send("Video", &image).await.status, 400);
}

#[tokio::test]
async fn the_history_is_paged_filtered_and_scoped_to_the_key() {
    let sim = Sim::start(FOR_LONG).await;
    let mut ids = Vec::new();
    for prompt in ["one", "two", "three"] {
        ids.insert(0, sim.submit(prompt).await.id());
    }
    let page = sim.read("/api/v1/model/history?no=1&size=2").await.json();
    let item = &page["data"]["items"][0];
    assert_eq!(page["data"]["total"], 3);
    assert_eq!(item["ID"], ids[0].as_str());
    assert_eq!(item["result"]["id"], ids[0].as_str());
    assert!(item["createdAt"].is_i64());
    let body: serde_json::Value =
        serde_json::from_str(item["requestBody"].as_str().unwrap()).unwrap();
    assert_eq!(body["prompt"], "three");
    let last = sim.read("/api/v1/model/history?no=2&size=2").await.json();
    assert_eq!(last["data"]["items"][0]["ID"], ids[2].as_str());
    for (query, total) in [
        (format!("sessionID={}", ids[1]), 1),
        ("model=minimax/hailuo-02/fast".to_owned(), 0),
        ("status=completed".to_owned(), 0),
        ("status=created".to_owned(), 3),
    ] {
        let page = sim.read(&format!("/api/v1/model/history?{query}")).await.json();
        assert_eq!(page["data"]["total"], total, "{query}");
    }
    let stranger = sim.get_as("/api/v1/model/history", "another");
    assert_eq!(answer(stranger.send().await).await.json()["data"]["total"], 0);
}

#[tokio::test]
async fn the_request_of_a_history_item_is_what_was_sent_or_the_same_in_another_order() {
    for (scenario, expected) in [
        ("", "{\"prompt\":\"x\", \"model\":\"minimax/hailuo-02/t2v-standard\"}"),
        (
            "[history]\nreorder_keys = true\n",
            "{\"prompt\": \"x\", \"model\": \"minimax/hailuo-02/t2v-standard\"}",
        ),
    ] {
        let sim = Sim::start(scenario).await;
        let body = "{\"prompt\":\"x\", \"model\":\"minimax/hailuo-02/t2v-standard\"}";
        let sent = sim.post("/api/v1/model/generateVideo").body(body);
        let sent = sent.header("content-type", "application/json").send().await;
        assert_eq!(answer(sent).await.status, 200);
        let page = sim.read("/api/v1/model/history").await.json();
        assert_eq!(page["data"]["items"][0]["requestBody"], expected);
    }
}

#[tokio::test]
async fn uploads_are_known_by_content_and_a_missing_one_fails_the_job() {
    let sim = Sim::start(AT_ONCE).await;
    let first = sim.upload("fox.png", b"png bytes").await.json()["data"].clone();
    let second = sim.upload("again.png", b"png bytes").await.json()["data"].clone();
    assert_eq!(first["download_url"], second["download_url"]);
    assert_eq!((&first["type"], &first["size"]), (&json!("image/png"), &json!(9)));
    assert_eq!(first["filename"], "fox.png");
    let url = first["download_url"].as_str().unwrap();
    assert_eq!(sim.read(url).await.text, "png bytes");
    assert_eq!(sim.upload("fox.exe", b"x").await.status, 400);
    let gone = url.replace("/uploads/", "/uploads/0");
    for (image, status) in [(url, "completed"), (gone.as_str(), "failed")] {
        let body = json!({ "model": "minimax/hailuo-02/fast", "image": image });
        let id = sim.send("Video", &body).await.id();
        assert_eq!(sim.poll(&id).await.json()["data"]["status"], status);
    }
    assert_eq!(sim.simulator.figures().uploads, 2);
}

#[tokio::test]
async fn bodies_the_api_would_not_take_are_refused_and_not_charged() {
    let sim = Sim::start("").await;
    let post =
        || sim.post("/api/v1/model/generateVideo").header("content-type", "application/json");
    let valid = "{\"model\":\"minimax/hailuo-02/t2v-standard\",\"prompt\":\"x\"}";
    for (request, expected) in [
        (post().body("not json"), 400),
        (post().body("[]"), 400),
        (post().body("{\"prompt\":\"x\"}"), 400),
        (post().body("{\"model\":\"no/such\"}"), 404),
        (post().body(valid).header("X-AtlasCloud-Object-Expiration-Hours", "337"), 400),
        (post().body(valid).header("X-AtlasCloud-Request-Retention-Hours", "soon"), 400),
        (sim.post("/api/v1/model/generateVideo").body(valid), 400),
        (post().body(vec![b' '; 53_000_000]), 413),
    ] {
        assert_eq!(answer(request.send().await).await.status, expected);
    }
    assert_eq!(sim.simulator.figures().charged, 0);
}
