//! The JSON Schema of manifests: committed, and of one mind with the parser.

use std::io::Write as _;

use serde_json::Value;

use crate::story::{Stage, has_extension};
use crate::{folders, manifests, repository};

const FILE: &str = "examples/nightreel-manifest.schema.json";

fn printed() -> Vec<u8> {
    let stage = Stage::copy_of(&repository().join("jobs"));
    let output = stage.run("manifest-schema");
    assert_eq!(output.status.code(), Some(0));
    output.stdout
}

fn accepts(schema: &Value, text: &str) -> bool {
    let manifest: Value = toml::from_str(text).unwrap();
    let mut compiler = boon::Compiler::new();
    compiler.set_default_draft(boon::Draft::V2020_12);
    compiler.add_resource("manifest.json", schema.clone()).unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("manifest.json", &mut schemas).unwrap();
    schemas.validate(&manifest, index).is_ok()
}

#[test]
fn the_committed_schema_is_the_one_that_is_printed() {
    let committed = std::fs::read(repository().join(FILE)).unwrap();
    assert_eq!(printed(), committed, "`nightreel manifest-schema > {FILE}`");
}

#[test]
fn every_manifest_of_the_repository_is_accepted_by_the_schema() {
    let schema = serde_json::from_slice(&printed()).unwrap();
    let mut all = vec![repository().join("jobs/demo.toml")];
    all.extend(folders().iter().flat_map(|folder| manifests(folder)));
    all.retain(|path| has_extension(path.to_str().unwrap(), "toml"));
    assert!(all.len() > 4);
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(accepts(&schema, &text), "{}", path.display());
    }
}

#[test]
fn what_the_parser_refuses_the_schema_refuses_too() {
    let schema = serde_json::from_slice(&printed()).unwrap();
    for wrong in [
        "[jobs]",
        "[job]\nprompt = \"one bracket\"",
        "[batch]\nbudgett = 1",
        "[batch]\nname = 1",
        "[batch]\nbudget = true",
        "[run]\nconcurency = 2",
        "[run]\nconcurrency = 0",
        "[run]\nrpm = 1.5",
        "[run]\nbudget = \"1e3\"",
        "[run]\nchanged = \"maybe\"",
        "[run]\nyes = 1",
        "[run]\nat = \"soon\"",
        "[run]\nfor = 8",
        "[run]\nstate_dir = \"\"",
        "[matrix]\nseason = \"winter\"",
        "[matrix]\nseason = []",
        "[matrix]\nseason = [[1]]",
        "[[job]]\nmodel = 2",
        "[[job]]\ncount = \"two\"",
        "[[job]]\nprompt = 3",
        "[defaults]\npriority = 1.5",
    ] {
        assert!(!accepts(&schema, wrong), "{wrong}");
        let stage = Stage::copy_of(&repository().join("jobs"));
        let mut file = std::fs::File::create(stage.path("wrong.toml")).unwrap();
        file.write_all(wrong.as_bytes()).unwrap();
        assert_eq!(stage.run("plan wrong.toml").status.code(), Some(2), "{wrong}");
    }
}
