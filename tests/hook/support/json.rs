//! What `--json` prints: the rows of an answer, and whether it is what `docs/json` says.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Output};
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

/// The rows of an answer, whatever it calls them.
#[track_caller]
pub fn rows(stdout: &[u8]) -> Vec<Value> {
    let answer: Value =
        serde_json::from_slice(stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout.escape_ascii()));
    let members = answer.as_object().unwrap_or_else(|| panic!("no object: {answer}"));
    assert_eq!((members.len(), &answer["version"]), (2, &1.into()), "{answer}");
    members.values().find_map(Value::as_array).unwrap().clone()
}

/// The schema of each verb's answer, by the verb.
fn schemas() -> &'static HashMap<String, Validator> {
    static SCHEMAS: OnceLock<HashMap<String, Validator>> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json")).unwrap();
        let files =
            files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "json"));
        let read = |path: std::path::PathBuf| {
            let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let options = jsonschema::options().should_validate_formats(true);
            let schema = options.build(&schema).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), schema)
        };
        files.map(read).collect()
    })
}

/// Fails where what a command is told is not what the schema of this name says.
#[track_caller]
pub fn is_as_its_schema(name: &str, told: &Value) {
    let schema = schemas().get(name).unwrap_or_else(|| panic!("docs/json has no {name}.json"));
    let faults: Vec<_> = schema.iter_errors(told).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "not what docs/json/{name}.json says: {faults:#?}\n{told:#}");
}

/// Fails where a verb's answer is not what its schema says.
#[track_caller]
pub fn is_as_documented(command: &Command, output: &Output) {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    // What an owner's process tells root is between the two.
    let is_asked =
        words.iter().any(|word| word == "--json") && !words.iter().any(|word| word.starts_with("--as-owner"));
    let Some(verb) = words.iter().find(|word| !word.starts_with('-')).filter(|_| is_asked) else { return };
    if output.status.code() == Some(129) || output.stdout.is_empty() {
        return;
    }
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{command:?}: {error}: {}", output.stdout.escape_ascii()));
    let schema = schemas().get(verb).unwrap_or_else(|| panic!("docs/json has no {verb}.json"));
    let faults: Vec<_> =
        schema.iter_errors(&answer).map(|fault| format!("{fault} at {}", fault.instance_path)).collect();
    assert!(faults.is_empty(), "{command:?} prints what docs/json/{verb}.json does not say: {faults:#?}\n{answer:#}");
}
