//! Good manifests: what jobs they give.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use nightreel::domain::{JobSpec, Micros};
use nightreel::manifest::{self, Format, Manifest, Source};

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let mut file = fs::File::create(folder.join(name)).unwrap();
    file.write_all(bytes.as_ref()).unwrap();
}

fn opened(folder: &Path, name: &str) -> Manifest {
    manifest::open(&Source::Path(folder.join(name))).unwrap()
}

fn jobs(manifest: &Manifest) -> Vec<JobSpec> {
    manifest.rows().unwrap().map(Result::unwrap).collect()
}

fn of(name: &str, text: &str) -> Vec<JobSpec> {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name, text);
    jobs(&opened(folder.path(), name))
}

fn prompts(jobs: &[JobSpec]) -> Vec<&str> {
    jobs.iter().filter_map(|job| job.request.prompt()).collect()
}

fn keys(jobs: &[JobSpec]) -> Vec<&str> {
    jobs.iter().map(|job| job.key.as_str()).collect()
}

#[test]
fn a_csv_row_becomes_a_job() {
    let jobs = of(
        "m.csv",
        "\u{feff}id,model,prompt,duration,hd,voice,price,priority,output,var.hero,note\r\n\
         a-1, m/x ,\"hi, {{ hero }}\r\nbye\",6,true,007,0.10,-2,{{ hero }}.{{ ext }},cat,\r\n",
    );
    let job = &jobs[0];
    assert_eq!(
        job.request.canonical(),
        r#"{"duration":6,"hd":true,"model":"m/x","prompt":"hi, cat\r\nbye","voice":"007"}"#
    );
    assert_eq!((job.key.as_str(), job.priority, job.row), ("a-1", -2, 1));
    assert_eq!(job.price, Some(Micros(100_000)));
    assert_eq!(job.output.as_deref(), Some("{{ hero }}.{{ ext }}"));
    assert_eq!(job.vars["hero"], "cat");
    assert!(job.position.to_string().ends_with("m.csv:2:1"));
}

#[test]
fn text_parameters_stay_text() {
    let jobs = of("m.csv", "model,prompt,text,num_frames,frame_rate\nm,42,true,81,2.5\n");
    assert_eq!(
        jobs[0].request.canonical(),
        r#"{"frame_rate":2.5,"model":"m","num_frames":81,"prompt":"42","text":"true"}"#
    );
}

#[test]
fn a_toml_manifest_gives_defaults_matrix_and_variants() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[batch]\nname='night'\nbudget=12.5\noutput='{{ key }}.{{ ext }}'\n\
        [defaults]\nmodel='m'\nseed=1\ncount=2\nprompt='{{ who }} in {{ style.name }} #{{ variant }} of {{ id }}'\n\
        [matrix]\nwho=['cat','dog']\nstyle=[{name='noir'},{name='neon'}]\n\
        [[job]]\nid='j-{{ who }}-{{ style.name }}'\nsize=[1,2.5]\n";
    put(folder.path(), "m.toml", text);
    let manifest = opened(folder.path(), "m.toml");
    assert_eq!((manifest.batch(), manifest.budget()), ("night", Some(Micros(12_500_000))));
    assert_eq!(manifest.row_hint(), Some(4));
    let jobs = jobs(&manifest);
    assert_eq!(jobs.len(), 8);
    assert_eq!(prompts(&jobs)[0], "cat in noir #1 of j-cat-noir");
    assert_eq!(prompts(&jobs)[7], "dog in neon #2 of j-dog-neon");
    assert_eq!(keys(&jobs)[..3], ["j-cat-noir-1", "j-cat-noir-2", "j-cat-neon-1"]);
    assert_eq!(jobs[1].vars["variant"], 2);
    assert_eq!(jobs[1].request.params["size"].to_string(), "[1,2.5]");
    assert_eq!(jobs[1].output.as_deref(), Some("{{ key }}.{{ ext }}"));
    assert!(jobs[0].position.to_string().ends_with("m.toml:13:1"));
}

#[test]
fn rows_of_a_csv_file_stand_over_the_defaults_and_before_the_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[batch]\nrows='r.csv'\n[defaults]\nmodel='m'\nseed=1\nvars={a='d'}\nprompt='{{ a }}{{ row }}'\n[[job]]\nseed=9\n";
    put(folder.path(), "m.toml", text);
    put(folder.path(), "r.csv", "seed,var.a,mode\n2,x,pro\n,,std\n");
    let manifest = opened(folder.path(), "m.toml");
    let jobs = jobs(&manifest);
    assert_eq!(prompts(&jobs), ["x1", "d2", "d3"]);
    let seeds: Vec<_> = jobs.iter().map(|job| job.request.params["seed"].as_i64()).collect();
    assert_eq!(seeds, [Some(2), Some(1), Some(9)]);
    assert!(jobs[1].position.to_string().ends_with("r.csv:3:1"));
    // Each pass begins anew: the keys are the same.
    let again = manifest.rows().unwrap().map(Result::unwrap);
    assert!(again.zip(&jobs).all(|(again, job)| again.key == job.key));
}

#[test]
fn local_files_stand_in_the_request_by_their_content() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "cat.png", "cat");
    put(folder.path(), "copy.png", "cat");
    put(
        folder.path(),
        "m.csv",
        "model,image,images,var.f\nm,cat.png,,\nm,{{ f }}.png,,copy\nm,https://x.example/a.png,\"[\"\"cat.png\"\",\"\"copy.png\"\"]\",\n",
    );
    let jobs = jobs(&opened(folder.path(), "m.csv"));
    let image = |job: &JobSpec| job.request.params["image"].as_str().unwrap().to_owned();
    assert_eq!(image(&jobs[0]), jobs[0].media[0].key.placeholder());
    assert_eq!(jobs[0].media[0].path, folder.path().join("cat.png"));
    assert_eq!(jobs[0].media[0].bytes, 3);
    assert_eq!(jobs[0].request.digest(), jobs[1].request.digest());
    assert_eq!(keys(&jobs)[1], format!("{}-2", jobs[0].key));
    assert_eq!(image(&jobs[2]), "https://x.example/a.png");
    assert_eq!((jobs[2].media.len(), jobs[2].request.media().len()), (1, 1));
}

#[test]
fn good_rows_are_given_beside_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "m.csv", "model,count\nm,1\nm,zero\nm,2\n");
    let rows: Vec<_> = opened(folder.path(), "m.csv").rows().unwrap().collect();
    let good: Vec<_> = rows.iter().flatten().map(|job| job.row).collect();
    assert_eq!((good, rows.len()), (vec![1, 3, 4], 4));
}

#[test]
fn standard_input_is_called_by_a_dash() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "spool", "model\nm\n");
    let source = Source::Stdin { spool: folder.path().join("spool"), format: Format::Csv };
    let manifest = manifest::open(&source).unwrap();
    assert_eq!((manifest.batch(), manifest.file()), ("stdin", "-"));
    assert_eq!(jobs(&manifest)[0].position.to_string(), "-:2:1");
}

#[test]
fn run_settings_are_handed_on_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "m.toml", "[run]\nrpm = 30\nunheard = 'of'\n[[job]]\nmodel='m'\n");
    let manifest = opened(folder.path(), "m.toml");
    let entries: Vec<_> = manifest
        .run_settings()
        .unwrap()
        .entries()
        .map(|(key, value, at)| format!("{key}={value} {}", at.line))
        .collect();
    assert_eq!(entries, ["rpm=30 2", "unheard=\"of\" 3"]);
}
