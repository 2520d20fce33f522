//! Rows checked before anything is sent: each mistake with its place and what would be right.

use crate::api::Api;
use crate::process::Ended;
use crate::story::Story;

const FAST: &str = "minimax/hailuo-02/fast";
const TEXT: &str = "minimax/hailuo-02/t2v-standard";
const IMAGE: &str = "https://example.com/a.png";

/// What `plan` and `run` have against a manifest; both say the same and nothing is submitted.
#[track_caller]
fn refused(story: &Story, api: &Api, name: &str, text: &str) -> String {
    story.file(name, text);
    let planned = story.nightreel(["plan", name]).at(api).end();
    let ran = story.nightreel(["run", name]).at(api).end();
    assert_eq!((planned.code(), ran.code()), (2, 2), "{planned}\n{ran}");
    let lines = |ended: &Ended| {
        let told: Vec<&str> = ended.err.lines().filter(|line| line.starts_with(name)).collect();
        told.join("\n")
    };
    assert_eq!(lines(&planned), lines(&ran));
    assert_eq!(api.figures().submits, 0);
    lines(&planned)
}

#[test]
fn mistakes_in_a_csv_file_are_told_with_line_and_column() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let manifest = format!(
        "id,model,image,duration,go_fast\na,{FAST},{IMAGE},7,true\nb,{FAST},{IMAGE},6,maybe\nc,{FAST},,10,\nd,{FAST},{IMAGE},6,FALSE\n"
    );
    let told = refused(&story, &api, "m.csv", &manifest);
    let expected = format!(
        "m.csv:2:52: `duration` is 7; {FAST} takes one of 6, 10\n\
         m.csv:3:54: `go_fast` is `maybe`; {FAST} takes true or false\n\
         m.csv:4:1: {FAST} needs `image`"
    );
    assert_eq!(told, expected);
}

#[test]
fn mistakes_in_a_toml_file_are_told_with_line_and_column() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let manifest = format!(
        "[defaults]\nmodel = \"{TEXT}\"\n[[job]]\nprompt = \"a\"\nduration = \"6\"\n[[job]]\nprompt = \"b\"\ndurration = 6\n"
    );
    let told = refused(&story, &api, "m.toml", &manifest);
    assert!(
        told.contains(&format!("m.toml:5:12: `duration` is `6`; {TEXT} takes one of 6, 10")),
        "{told}"
    );
    assert!(told.contains("unknown parameter `durration`, did you mean `duration`?"), "{told}");
    assert!(told.contains("m.toml:8:"), "{told}");
}

#[test]
fn every_model_has_its_own_schema_in_one_manifest() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let manifest = "id,model,prompt,text,aspect_ratio,voice,speed,images\n\
        a,lumen/still-1/text-to-image,x,,16:8,,,\n\
        b,sonora/voice-1/text-to-speech,,hello,,cilia,,\n\
        c,sonora/voice-1/text-to-speech,,hello,,,2.5,\n\
        d,lumen/still-1/edit,x,,,,,\n";
    let told = refused(&story, &api, "m.csv", manifest);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert!(
        lines[0].contains("takes one of `1:1`, `16:9`, `9:16`; did you mean `16:9`?"),
        "{told}"
    );
    assert!(lines[1].ends_with("did you mean `celia`?"), "{told}");
    assert!(lines[2].contains("`speed` is 2.5") && lines[2].contains("from 0.5 to 2"), "{told}");
    assert!(lines[3].ends_with("lumen/still-1/edit needs `images`"), "{told}");
}

#[test]
fn models_that_cannot_be_submitted_to_are_refused_at_their_name() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let manifest = "model,prompt\nlumen/words-1/chat,x\nlumen/still-0/internal,x\nlumen/stil-1/text-to-image,x\n";
    let told = refused(&story, &api, "m.csv", manifest);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("m.csv:2:1: `lumen/words-1/chat` is a text model"), "{told}");
    assert!(lines[1].starts_with("m.csv:3:1: `lumen/still-0/internal` is internal"), "{told}");
    assert!(lines[2].starts_with("m.csv:4:1: there is no model"), "{told}");
    assert!(lines[2].ends_with("did you mean `lumen/still-1/text-to-image`?"), "{told}");
}

#[test]
fn a_first_frame_must_be_a_picture_the_model_takes() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    story.file("small.png", png(299, 512));
    story.file("wide.png", png(1300, 500));
    story.file("named.jpg", png(512, 512));
    story.file("text.png", "no picture at all, although it is long enough");
    story.file("right.png", png(512, 512));
    let rows = ["small.png", "wide.png", "named.jpg", "text.png", "right.png"];
    let rows = rows.map(|name| format!("{FAST},{name}\n")).concat();
    let told = refused(&story, &api, "m.csv", &format!("model,image\n{rows}"));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert!(
        lines[0].starts_with("m.csv:2:24: the picture `small.png` has 299 × 512 pixels"),
        "{told}"
    );
    assert!(lines[1].contains("between 2:5 and 5:2"), "{told}");
    assert!(lines[2].contains("holds a PNG"), "{told}");
    assert!(lines[3].contains("is no picture"), "{told}");
}

#[test]
fn cells_are_what_the_schema_says_they_are() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    story.file("m.csv", format!("id,model,image,duration,go_fast\na,{FAST},{IMAGE},6.0,FALSE\n"));
    story.file(
        "n.toml",
        "[[job]]\nid = \"{{ lang }}\"\nmodel = \"sonora/scribe-1/speech-to-text\"\naudio = \"https://example.com/a.mp3\"\nlanguage = \"{{ lang }}\"\nspeakers = \"{{ n }}\"\n[matrix]\nlang = [\"7\"]\nn = [2]\n",
    );
    for name in ["m.csv", "n.toml"] {
        let ended = story.nightreel(["run", name]).at(&api).end();
        assert_eq!(ended.code(), 0, "{ended}");
    }
    let sent = |key: &str| {
        let shown = story.nightreel(["show", key, "--format", "json"]).end();
        shown.json()["request"].clone()
    };
    assert_eq!((&sent("m/a")["duration"], &sent("m/a")["go_fast"]), (&6.into(), &false.into()));
    assert_eq!((&sent("n/7")["language"], &sent("n/7")["speakers"]), (&"7".into(), &2.into()));
}

#[test]
fn a_schema_gives_no_row_another_key() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    story.file("cat.png", png(512, 512));
    let (scribe, edit) = ("sonora/scribe-1/speech-to-text", "lumen/still-1/edit");
    // A number that is a text, a truth as spreadsheets write it, a list of one file.
    let rows = [
        format!("{scribe},,https://example.com/a.mp3,7,,\n"),
        format!("{FAST},,,,FALSE,https://example.com/a.png\n"),
        format!("{edit},x,,,,\n"),
    ];
    let head = "model,prompt,audio,language,go_fast,image";
    let text: String = rows.concat();
    story.file("m.csv", format!("{head}\n{text}"));
    story.file("n.csv", format!("model,prompt,images\n{edit},x,cat.png\n"));
    for (name, flags) in [("m.csv", ["--skip-invalid"]), ("n.csv", ["--skip-invalid"])] {
        let jobs = |more: &[&str]| {
            let plan = story.nightreel(["plan", name, "--rows", "--format", "json"]).at(&api);
            let planned = plan.with(flags).with(more).end();
            planned.json()["batches"][0]["jobs"].clone()
        };
        let keys = |jobs: &serde_json::Value| -> Vec<String> {
            let jobs = jobs.as_array().unwrap().iter();
            jobs.map(|job| job["key"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(keys(&jobs(&[])), keys(&jobs(&["--no-schema"])), "{name}");
    }
}

#[test]
fn a_job_whose_reading_changed_is_refused_as_changed_and_not_bought_again() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    let row = "sonora/scribe-1/speech-to-text,https://example.com/a.mp3,7";
    story.file("m.csv", format!("model,audio,language\n{row}\n"));
    // Read by its look, 7 is a number, which the API refuses; by the schema it is a text.
    let failed = story.nightreel(["run", "m.csv", "--no-schema"]).at(&api).end();
    assert_eq!(failed.code(), 3, "{failed}");
    let refused = story.nightreel(["run", "m.csv"]).at(&api).end();
    assert_eq!(refused.code(), 2, "{refused}");
    assert!(refused.err.contains("asks for something else than the job of that id"), "{refused}");
    let rerun = story.nightreel(["run", "m.csv", "--changed", "rerun"]).at(&api).end();
    assert_eq!(rerun.code(), 0, "{rerun}");
}

#[test]
fn no_schema_sends_what_is_written() {
    let story = Story::new();
    let api = Api::start(&story, crate::QUICK);
    story.file("m.csv", format!("model,prompt,fps\n{TEXT},x,24\n"));
    let checked = story.nightreel(["run", "m.csv"]).at(&api).end();
    assert_eq!(checked.code(), 2, "{checked}");
    let unchecked = story.nightreel(["run", "m.csv", "--no-schema"]).at(&api).end();
    assert_eq!(unchecked.code(), 0, "{unchecked}");
}

/// The beginning of a PNG of that size.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}
