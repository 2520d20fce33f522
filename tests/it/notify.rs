//! Somebody who is not there is told: at the first trouble, when submitting stops, and at the end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::story::Story;

const QUICK: &str = "[latency]\nkind = \"fixed\"\nlength = \"20ms\"\n";

/// A webhook that says these statuses in turn, the last one for ever, and keeps what it is told.
struct Hook {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/secret-of-the-hook", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&heard);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let status = statuses[number.min(statuses.len() - 1)];
                keeps.lock().unwrap().push(answer(stream.unwrap(), status));
            }
        });
        Self { url, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Reads a request and answers it; returns its body.
fn answer(stream: TcpStream, status: u16) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.get_mut().write_all(head.as_bytes()).unwrap();
    String::from_utf8(body).unwrap()
}

fn moments(words: &[Value]) -> Vec<&str> {
    words.iter().map(|word| word["moment"].as_str().unwrap()).collect()
}

#[test]
fn a_webhook_is_told_of_trouble_stop_and_end_also_when_it_is_busy_at_first() {
    let hook = Hook::start(&[503, 200]);
    let story = Story::of_jobs(4);
    story.file("nightreel.toml", format!("[notify]\nwebhook = \"{}\"\n", hook.url));
    let scenario = format!(
        "{QUICK}[[fault]]\non = \"submit\"\nkind = \"status_400\"\nnth = 1\n\
         [[fault]]\non = \"submit\"\nkind = \"status_402\"\nnth = 3\n"
    );
    let ended = story.simulated(&scenario).with(["--concurrency", "1"]).end();
    assert_eq!(ended.code(), 6, "{ended}");
    let mut words: Vec<Value> =
        hook.heard().iter().map(|word| serde_json::from_str(word).unwrap()).collect();
    assert_eq!(words.len(), 4, "one was said twice: {words:#?}");
    words.sort_by_key(|word| word["at"].as_str().unwrap().to_owned());
    words.dedup_by_key(|word| word["moment"].clone());
    assert_eq!(moments(&words), ["trouble", "stop", "end"], "{words:#?}");
    let last = &words[2];
    assert_eq!((&last["exit"], &last["total"]), (&6.into(), &4.into()), "{last:#}");
    assert!(last["text"].as_str().unwrap().contains("of 4 done"), "{last:#}");
    for said in [ended.err.as_str(), ended.out.as_str()] {
        assert!(!said.contains("secret-of-the-hook"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_command_gets_it_on_its_input_and_not_the_key() {
    let story = Story::of_jobs(1);
    let script = "cat > told.json; env > told.env";
    story.file(
        "nightreel.toml",
        format!("[notify]\ncommand = [\"sh\", \"-c\", \"{script}\"]\non = \"end\"\n"),
    );
    let ended = story.simulated(QUICK).env("ATLASCLOUD_API_KEY", "apikey-canary-of-notify").end();
    assert_eq!(ended.code(), 0, "{ended}");
    let told = std::fs::read_to_string(story.path("told.json")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["moment"], &told["exit"]), (&"end".into(), &0.into()), "{told}");
    let environment = std::fs::read_to_string(story.path("told.env")).unwrap();
    assert!(environment.contains("NIGHTREEL_MOMENT=end"), "{environment}");
    assert!(!environment.contains("apikey-canary"), "{environment}");
}

#[test]
fn nobody_to_be_told_stops_no_run() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let story = Story::of_jobs(1);
    let table = format!(
        "[notify]\nwebhook = \"http://{nobody}/secret-of-the-hook\"\ncommand = [\"no-such-program\"]\non = \"end\"\n"
    );
    story.file("nightreel.toml", table);
    let ended = story.simulated(QUICK).end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert!(ended.err.contains("`no-such-program` cannot be started"), "{ended}");
    assert!(ended.err.contains("127.0.0.1 cannot be told"), "{ended}");
    assert!(!ended.err.contains("secret-of-the-hook"), "{ended}");
}

#[test]
fn a_manifest_names_no_commands() {
    let story = Story::new();
    let text = "[[job]]\nmodel = \"minimax/hailuo-02/t2v-pro\"\nprompt = \"x\"\n\
        [run]\nnotify = { command = [\"touch\", \"owned\"] }\n";
    story.file("m.toml", text);
    let ended = story.nightreel(["run", "m.toml", "--simulate"]).end();
    assert_eq!(ended.code(), 2, "{ended}");
    assert!(ended.err.contains("belongs into nightreel.toml"), "{ended}");
}
