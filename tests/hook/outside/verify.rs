//! What `docs/verify` has people copy: it takes what we sign, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Ends, Receiver, Request, World};

use super::Judge;

const SHARED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const DRIVER_IN_PYTHON: &str = "
import json, sys
from verify import verify
cases = json.load(sys.stdin)
print(json.dumps([verify(case['headers'], case['body'].encode(), case['key'], case['now']) for case in cases]))
";

const DRIVER_IN_JAVASCRIPT: &str = "
import { readFileSync } from 'node:fs';
import { verify } from './verify.mjs';
const cases = JSON.parse(readFileSync(0));
console.log(JSON.stringify(cases.map((it) => verify(it.headers, Buffer.from(it.body), it.key, it.now))));
";

const DRIVER_IN_GO: &str = r#"
package main

import ("encoding/json"; "net/http"; "os"; "time"; "example.org/verify")

func main() {
	var cases []struct { Headers map[string]string; Body, Key string; Now int64 }
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil { panic(err) }
	answers := []bool{}
	for _, it := range cases {
		header := http.Header{}
		for name, value := range it.Headers { header.Set(name, value) }
		answers = append(answers, verify.Verify(header, []byte(it.Body), it.Key, time.Unix(it.Now, 0)))
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
"#;

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify")
}

/// A delivery signed by three keys, the one in the midst a pair, and that one's public half.
fn delivered(world: &World) -> (Request, String) {
    let receiver = Receiver::new();
    world.add_plain_target("ci", &receiver, "gitlab");
    // Chosen for this: others than those of examples.
    let pair = "whsk_7+Tn9bQkxN0p1VdWyaMSL3JcMZ0oR3b5mXvX0kqH0aE=";
    world.configure("webhook.ci.signingSecret", &format!("{SHARED} {pair} whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    world.commit("one");
    world.push(&["main"]);
    let key = String::from_utf8(world.webhook(&["key", "ci"]).stdout).unwrap();
    (receiver.take_one(), key.trim().to_owned())
}

/// What is to be taken, and what is not, with what it is.
fn cases(request: &Request, key: &str) -> Vec<(&'static str, bool, Value)> {
    let header = |name: &str| request.header(name).to_owned();
    let time: i64 = header("webhook-timestamp").parse().unwrap();
    let case = |change: &dyn Fn(&mut Value)| {
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| (name, header(name)));
        let headers: serde_json::Map<_, _> =
            headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let body = std::str::from_utf8(&request.body).unwrap();
        let mut case = json!({ "headers": headers, "body": body, "key": key, "now": time + 10 });
        change(&mut case);
        case
    };
    let signed_as = |signature: &str| case(&|case| case["headers"]["webhook-signature"] = signature.into());
    let signatures: Vec<_> = header("webhook-signature").split(' ').map(String::from).collect();
    vec![
        ("as it came", true, case(&|_| ())),
        ("the pair's alone", true, signed_as(&signatures[1])),
        ("no signature of a pair", false, signed_as(&signatures[0])),
        ("nothing", false, signed_as("")),
        ("no base64", false, signed_as("v1a,*** v1a v1a,")),
        ("more behind it", false, signed_as(&format!("{0},x {0}* {0}=", signatures[1]))),
        ("patterns and paths", false, signed_as("* v1a,* v1a,../verify.sh [a-z]* \"v1a,")),
        ("another body", false, case(&|case| case["body"] = format!("{} ", case["body"].as_str().unwrap()).into())),
        ("another id", false, case(&|case| case["headers"]["webhook-id"] = "x".into())),
        ("another time", false, case(&|case| case["headers"]["webhook-timestamp"] = (time + 1).to_string().into())),
        ("a time in octal", false, case(&|case| case["headers"]["webhook-timestamp"] = format!("0{time}").into())),
        ("no number", false, case(&|case| case["headers"]["webhook-timestamp"] = "9".repeat(5000).into())),
        ("no time", false, case(&|case| case["headers"]["webhook-timestamp"] = "".into())),
        ("another key", false, case(&|case| case["key"] = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".into())),
        ("long ago", false, case(&|case| case["now"] = (time + 400).into())),
        ("in a time to come", false, case(&|case| case["now"] = (time - 400).into())),
    ]
}

#[track_caller]
fn judge(language: &str, command: &mut Command, world: &World, cases: &[(&'static str, bool, Value)]) {
    let input: Vec<_> = cases.iter().map(|(_, _, case)| case).collect();
    let output = world.feed(command, &serde_json::to_vec(&input).unwrap());
    let said = String::from_utf8_lossy(&output.stderr);
    let answers: Vec<bool> = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    for ((what, expected, _), answer) in cases.iter().zip(&answers) {
        assert_eq!(answer, expected, "{language}: {what}");
    }
    assert_eq!(answers.len(), cases.len());
}

#[test]
#[ignore = "needs python3, node, go and openssl: run tests/run"]
fn what_receivers_copy_takes_what_we_sign_and_nothing_else() {
    let world = World::new();
    let (request, key) = delivered(&world);
    let cases = cases(&request, &key);
    let mut python = Command::new(Judge::installed("venv/bin/python"));
    python.args(["-c", DRIVER_IN_PYTHON]).current_dir(documents()).env("PYTHONDONTWRITEBYTECODE", "1");
    judge("Python", &mut python, &world, &cases);
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", DRIVER_IN_JAVASCRIPT]).current_dir(documents());
    judge("JavaScript", &mut node, &world, &cases);

    let module = world.path("module");
    fs::create_dir_all(module.join("driver")).unwrap();
    fs::copy(documents().join("verify.go"), module.join("verify.go")).unwrap();
    fs::write(module.join("go.mod"), "module example.org/verify\n\ngo 1.19\n").unwrap();
    fs::write(module.join("driver/main.go"), DRIVER_IN_GO).unwrap();
    let mut go = Command::new("go");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    go.args(["run", "./driver"]).current_dir(&module);
    go.env("GOCACHE", cache).env("GOPROXY", "off").env("GOFLAGS", "-mod=mod").env("HOME", world.path(""));
    judge("Go", &mut go, &world, &cases);

    for (what, expected, case) in &cases {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = &case["headers"];
        let mut shell = Command::new("faketime");
        shell.arg(format!("@{}", case["now"])).arg(documents().join("verify.sh"));
        shell.arg(text(&case["key"])).arg(text(&headers["webhook-id"])).arg(text(&headers["webhook-timestamp"]));
        let output = world.feed(shell.arg(text(&headers["webhook-signature"])), text(&case["body"]).as_bytes());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(i32::from(!expected)), "shell: {what}: {said}");
    }
    let checked = Command::new("shellcheck").arg(documents().join("verify.sh")).ends();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
