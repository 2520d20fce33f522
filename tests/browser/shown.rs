//! A night worth looking at: variants of a few prompts, and some of every trouble.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::story::Story;

/// A prompt that would like to be a program.
pub(crate) const EVIL: &str = "</script><script>window.caught=1</script><img src=x onerror=window.caught=2> ${7*7} \
     javascript:window.caught=3 \u{202e}4pm.exe";

const PROMPTS: [&str; 4] = [
    "A lighthouse in the fog, slow aerial push in, its beam sweeps over the water",
    "A market at dawn, lanterns go out one by one, handheld",
    "A river in flood under a stone bridge, leaves racing past, low angle",
    "A cat on a warm wall, the shadow of a bird crosses it, almost still",
];

const TROUBLE: &str = r#"
seed = 5
[history]
mode = "absent"
[[fault]]
on = "submit"
kind = "moderation"
match = "forbidden"
message = "refused <img src=x onerror=window.caught=4> by moderation"
[[fault]]
on = "submit"
kind = "failed_later"
match = "broken clock"
[[fault]]
on = "submit"
kind = "charged_then_reset"
match = "lost balloon"
"#;

/// A night that is over at once; pictures want a slower one.
pub(crate) const QUICK: f32 = 0.01;

/// Runs a night of 48 jobs at this scale of time, of which one is hostile, two are refused, two fail, and one is unknown.
pub(crate) fn night(scale: f32) -> (Story, PathBuf) {
    let story = Story::new();
    let mut rows = "id,model,prompt,duration,var.style\n".to_owned();
    for at in 0..48 {
        let prompt = match at {
            7 | 8 => format!("forbidden fruit {at}"),
            13 => "a lost balloon".to_owned(),
            30 => EVIL.to_owned(),
            41 | 42 => format!("a broken clock {at}"),
            _ => PROMPTS[at % 4].to_owned(),
        };
        let (duration, style) = ([6, 10][at / 4 % 2], ["film", "anime", "pencil"][at % 3]);
        writeln!(
            rows,
            "job-{at:02},minimax/hailuo-02/t2v-standard,\"{prompt}\",{duration},{style}"
        )
        .unwrap();
    }
    story.file("night.csv", rows);
    story.file("trouble.toml", format!("time_scale = {scale}\n{TROUBLE}"));
    let ran = story
        .nightreel(["run", "night.csv", "--simulate", "trouble.toml", "--budget", "20"])
        .with(["--absence-wait", "1s", "--max-attempts", "2"])
        .end();
    assert_eq!(ran.code(), 4, "{ran}");
    let page = story.path("outputs/night/index.html");
    assert!(page.is_file(), "{ran}");
    (story, page)
}
