//! Scenarios are read strictly, and the same seed gives the same faults.

use nightreel::simulator::Scenario;

use crate::support::{AT_ONCE, Sim};

fn mistakes(text: &str) -> Vec<String> {
    let mistakes = Scenario::parse(text, "s.toml").unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn all_mistakes_are_told_with_their_places_and_the_nearest_right_name() {
    let told = mistakes(
        "sede = 7\n\
         time_scale = 0\n\
         [latency]\n\
         kind = \"unifrom\"\n\
         [limits]\n\
         in_flight = \"many\"\n\
         [[fault]]\n\
         on = \"submit\"\n\
         kind = \"charged_then_rest\"\n\
         [[fault]]\n\
         on = \"poll\"\n\
         kind = \"status_503\"\n\
         word = \"x\"\n\
         nht = 3\n\
         probability = 1.5\n",
    );
    assert_eq!(
        told,
        [
            "s.toml:1:1: unknown key `sede`; did you mean `seed`?",
            "s.toml:2:14: `time_scale` must be greater than 0",
            "s.toml:4:8: `unifrom` is no kind of latency; write fixed, uniform or log_normal",
            "s.toml:6:13: `in_flight`: expected a number, found a string",
            "s.toml:9:8: `charged_then_rest` is not a fault of `submit`; did you mean `charged_then_reset`?",
            "s.toml:13:8: `word` means nothing to `status_503`",
            "s.toml:14:1: unknown key `nht`; did you mean `nth`?",
            "s.toml:15:15: `probability`: expected a probability from 0 to 1, found 1.5",
        ]
    );
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let told = mistakes("seed = \n[latency\n");
    assert!(told.iter().any(|said| said.starts_with("s.toml:1:")), "{told:?}");
    assert!(told.iter().any(|said| said.starts_with("s.toml:2:")), "{told:?}");
}

#[test]
fn the_whole_of_a_scenario_is_understood() {
    let text = "seed = 7\ntime_scale = 0.01\nbalance = \"5.00\"\n\
        [latency]\nkind = \"log_normal\"\nmedian = \"90s\"\nsigma = 0.5\nmax = \"5m\"\n\
        [limits]\nin_flight = 64\nper_minute = 600\n\
        [output]\nbytes = 200_000\ncount = 2\nlifetime = \"14d\"\nlink_lifetime = \"1h\"\n\
        [prices]\n\"a/b\" = \"0.10\"\n[charge]\nfactor = \"1.3\"\n\
        [history]\nmode = \"late\"\ndelay = \"30s\"\nreorder_keys = true\npage_cap = 20\n\
        [[fault]]\non = \"submit\"\nkind = \"status_429\"\nretry_after = \"7\"\nnth = [3, 7]\n\
        [[fault]]\non = \"download\"\nkind = \"stall\"\nfor = \"30s\"\nprobability = 0.05\ntimes = 2\n";
    Scenario::parse(text, "s.toml").unwrap();
}

/// Which of many jobs meet a fault of five in a hundred, with the jobs sent in some order.
async fn unlucky(seed: u64, prompts: impl Iterator<Item = u32>) -> Vec<u32> {
    let scenario = format!(
        "seed = {seed}\n{AT_ONCE}[[fault]]\non = \"submit\"\nkind = \"status_503\"\nprobability = 0.2\n"
    );
    let sim = Sim::start(&scenario).await;
    let mut met = Vec::new();
    for prompt in prompts {
        if sim.submit(&prompt.to_string()).await.status == 503 {
            met.push(prompt);
        }
    }
    met.sort_unstable();
    met
}

#[tokio::test]
async fn chance_follows_the_seed_and_not_the_order() {
    let forward = unlucky(7, 0..60).await;
    assert_eq!(forward, unlucky(7, (0..60).rev()).await);
    assert_ne!(forward, unlucky(8, 0..60).await);
    assert!((3..=25).contains(&forward.len()), "{forward:?}");
}

#[tokio::test]
async fn faults_are_chosen_by_match_by_number_by_job_and_at_most_so_often() {
    let fault = |select: &str| format!("kind = \"status_503\"\n{select}");
    let cases = [
        ("match = \"fox\"", "503 200 503 200"),
        ("nth = [2, 3]", "200 503 503 200"),
        ("nth = 2\nper = \"job\"", "200 200 503 503"),
        ("times = 1", "503 200 200 200"),
        ("times = 1\nper = \"job\"", "503 503 200 200"),
        ("match = \"fox\"\nnth = 3", "200 200 503 200"),
    ];
    for (select, expected) in cases {
        let sim = Sim::faulty("submit", &fault(select)).await;
        let mut statuses = Vec::new();
        for prompt in ["fox", "owl", "fox", "owl"] {
            statuses.push(sim.submit(prompt).await.status.to_string());
        }
        assert_eq!(statuses.join(" "), expected, "{select}");
    }
}
