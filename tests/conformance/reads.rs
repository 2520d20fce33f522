//! What the client reads: tools, catalogue, schemas, prices, balance; and what the simulator does not have.

use serde_json::json;

use crate::desk::{AT_ONCE, Desk, FOR_LONG, IMAGE_TO_VIDEO, TEXT_TO_VIDEO};

#[test]
fn it_is_the_client_with_its_fifteen_tools() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let tools = desk.client.ask("tools/list", &json!({}))["tools"].clone();
    let mut names: Vec<_> =
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "atlas_chat",
        "atlas_generate_audio",
        "atlas_generate_image",
        "atlas_generate_video",
        "atlas_get_balance",
        "atlas_get_model_costs",
        "atlas_get_model_info",
        "atlas_get_model_usage",
        "atlas_get_prediction",
        "atlas_list_models",
        "atlas_list_predictions",
        "atlas_quick_generate",
        "atlas_search_docs",
        "atlas_transcribe_audio",
        "atlas_upload_media",
    ];
    assert_eq!(names, expected);
    assert_eq!(desk.client.requests(), []);
}

#[test]
fn models_are_listed_by_type_kind_and_word_and_internal_ones_are_not() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let cases = [
        (json!({}), "Total: 18 models", "`minimax/hailuo-02/fast` — Hailuo 02 Fast · minimax"),
        (json!({ "type": "Video" }), "Total: 12 models", "## Video (12)"),
        (json!({ "query": "hailuo 2.3" }), "Total: 5 models", "`minimax/hailuo-2.3/t2v-pro`"),
        (json!({ "kind": "stt" }), "Total: 1 models", "Scribe 1 · Speech-to-Text · sonora"),
        (json!({ "kind": "tts" }), "Total: 1 models", "Voice 1 · Text-to-Speech · sonora"),
        (json!({ "kind": "music" }), "Total: 1 models", "Song 1 · Music · sonora"),
        (json!({ "limit": 3 }), "Showing 3 of 18", "`minimax/hailuo-02/pro`"),
    ];
    for (wanted, total, model) in cases {
        let said = desk.client.call("atlas_list_models", &wanted);
        assert!(!said.is_error, "{said:?}");
        said.tells(&[total, model]);
        assert!(!said.text.contains("still-0"), "{said:?}");
    }
    let requests = desk.client.requests();
    let lines: Vec<_> = requests.iter().map(|request| (&*request.line, request.key)).collect();
    assert_eq!(lines, [("GET /api/v1/models", false)], "it keeps the catalogue");
}

#[test]
fn a_model_is_shown_with_its_price_and_its_parameters() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let said = desk.client.call("atlas_get_model_info", &json!({ "model": IMAGE_TO_VIDEO }));
    said.tells(&[
        "# Hailuo 02 Fast",
        "- **Provider**: minimax",
        "- **Input modalities**: text, image",
        "- **Output modalities**: video",
        "- **Avg Latency**: 60s",
        "- Base: $0.10/generation",
        "- **Endpoint**: `https://api.atlascloud.ai/api/v1/model/generateVideo`",
        "- **`image`** (`string`, _required_):",
        "  - Accepts files: image/*",
        "- **`duration`** (`integer`, _optional_):",
        "  - Default: `6`",
        "  - Options: 6, 10",
        "/api/v1/model/prediction/{prediction_id}",
    ]);
    let requests = desk.client.requests();
    let lines: Vec<_> = requests.iter().map(|request| (&*request.line, request.key)).collect();
    let schema = "GET /schemas/minimax-hailuo-02-fast.json";
    assert_eq!(lines, [("GET /api/v1/models", false), (schema, false)]);
}

#[test]
fn every_model_is_shown_whatever_its_schema_document_is_like() {
    let Some(mut desk) = Desk::at("[prices]\n\"lumen/still-1/edit\" = \"0.07\"\n") else { return };
    let cases = [
        ("lumen/still-1/edit", "- Base: $0.07/image", "/api/v1/model/generateImage"),
        (
            "sonora/voice-1/text-to-speech",
            "- Base: $0.02/generation",
            "/api/v1/model/generateAudio",
        ),
        ("sonora/song-1/music", "- Base: $0.08/generation", "- **Kind**: Music"),
        ("sonora/scribe-1/speech-to-text", "- Base: $0.01/minute of audio", "`language`"),
        ("lumen/words-1/chat", "/1K characters", "- **Type**: Text"),
    ];
    for (model, price, word) in cases {
        let said = desk.client.call("atlas_get_model_info", &json!({ "model": model }));
        assert!(!said.is_error, "{said:?}");
        said.tells(&[price, word]);
    }
    let said = desk.client.call("atlas_search_docs", &json!({ "query": "hailuo 02 t2v pro" }));
    said.tells(&["minimax/hailuo-02/t2v-pro", "- Base: $0.49/generation", "`prompt`"]);
    let internal = json!({ "model": "lumen/still-0/internal" });
    desk.client.call("atlas_get_model_info", &internal).refuses(&["not found"]);
}

#[test]
fn the_balance_shows_what_is_held() {
    let Some(mut desk) = Desk::at(&format!("balance = \"5.00\"\n{FOR_LONG}")) else { return };
    let balance = |desk: &mut Desk| desk.client.call("atlas_get_balance", &json!({}));
    balance(&mut desk).tells(&[
        "- **Account**: Simulator (personal)",
        "- **Available**: $5.00",
        "- **Bonus**: $0.00",
        "- **Frozen**: $0.00",
        "- **Credit Grant**: none (granted $0.00, used $0.00)",
    ]);
    desk.video("a held amount");
    balance(&mut desk).tells(&["- **Available**: $4.77", "- **Frozen**: $0.23"]);
    let last = desk.client.requests().pop().unwrap();
    assert_eq!((&*last.line, last.key), ("GET /public/v1/balance", true));
}

#[test]
fn what_the_simulator_does_not_have_is_refused_as_a_wrong_path_and_costs_nothing() {
    let Some(mut desk) = Desk::at(AT_ONCE) else { return };
    let days = json!({ "start_date": "2026-06-01", "end_date": "2026-06-08" });
    let hello = json!([{ "role": "user", "content": "Hello" }]);
    let chat = json!({ "model": "lumen/words-1/chat", "messages": hello });
    for (tool, arguments) in
        [("atlas_chat", &chat), ("atlas_get_model_usage", &days), ("atlas_get_model_costs", &days)]
    {
        desk.client.call(tool, arguments).refuses(&["Invalid or expired API key"]);
    }
    desk.prediction("0123456789abcdef0123456789abcdef").refuses(&["No prediction found with ID"]);
    desk.history(&json!({ "model": TEXT_TO_VIDEO })).tells(&["No generation history found"]);
    desk.assert_submitted(&[], 0);
}
