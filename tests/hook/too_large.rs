//! Receivers that take no body so large (413): the same is told in less, within the attempt.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Place, Receiver, World, read_record, rewrite_record};

/// What a receiver of so many bytes took, and how often it refused.
#[derive(Default)]
struct Taken {
    bodies: Vec<Value>,
    refused: usize,
}

fn limited(most: usize) -> (Receiver, Arc<Mutex<Taken>>) {
    let taken = Arc::new(Mutex::new(Taken::default()));
    let shared = Arc::clone(&taken);
    let receiver = Receiver::wild(move |stream| {
        // It ends when the connection does.
        let _ = serve(&stream, most, &shared);
    });
    (receiver, taken)
}

fn serve(mut stream: &TcpStream, most: usize, taken: &Mutex<Taken>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = if length > most { 413 } else { 200 };
        match status {
            200 => taken.lock().unwrap().bodies.push(serde_json::from_slice(&body).ok()?),
            _ => taken.lock().unwrap().refused += 1,
        }
        stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    }
}

/// Commits with long messages and with files of long names.
fn push_many(world: &World, count: usize) {
    for number in 0..count {
        world.commit(&format!("commit {number}: {}", "x".repeat(2000)));
    }
    assert!(world.push(&["main"]).accepted);
}

#[test]
fn the_same_is_told_in_less_and_the_total_is_exact() {
    let (receiver, taken) = limited(30_000);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.maxCommits", "40");
    world.commit("first");
    world.push(&["main"]);
    push_many(&world, 40);
    assert!(world.waiting("ci").is_empty());
    let log = world.attempts();
    assert_eq!((log.len(), &log[1]["state"]), (2, &"delivered".into()), "one attempt");
    let body = taken.lock().unwrap().bodies.pop().unwrap();
    let told = body["commits"].as_array().unwrap().len();
    assert!((5..15).contains(&told) && body["total_commits_count"] == 40, "{told} of {}", body["total_commits_count"]);
    let size = log[1]["size"].as_u64().unwrap();
    assert!(size <= 30_000 && log[1]["max_body"].as_u64().unwrap() >= size);
    // How far it was reduced is kept: the same body is built again.
    let id = log[1]["id"].as_str().unwrap();
    let shown = world.webhook(&["show", id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("built again, the same as was sent") || !shown.contains("not what was sent"), "{shown}");
    let output = world.webhook(&["redeliver", id]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(taken.lock().unwrap().bodies.pop().unwrap(), body);
}

#[test]
fn what_was_taken_is_remembered_for_a_while_and_said() {
    let (receiver, taken) = limited(30_000);
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.maxCommits", "40");
    push_many(&world, 40);
    let refused = std::mem::take(&mut taken.lock().unwrap().refused);
    assert!(refused > 0);
    let size = world.attempts()[0]["size"].as_u64().unwrap();
    push_many(&world, 40);
    assert_eq!(taken.lock().unwrap().refused, 0, "it is sent what it takes");
    let said = format!("the receiver of 'ci' took {size} bytes and refused more (413): larger bodies are reduced");
    for verb in ["status", "check"] {
        let output = world.webhook(&[verb]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(&said), "{verb}: {text}");
    }
    // A body below 1 MB was refused: for an hour.
    let state = world.place(Place::Backoff("ci"));
    let limit = read_record(&state)["body_limit"].clone();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    assert!((limit["until"].as_i64().unwrap() - now - 3600).abs() < 600, "{limit}");
    rewrite_record(&state, |json| json["body_limit"]["until"] = (now - 1).into());
    push_many(&world, 40);
    assert!(taken.lock().unwrap().refused > 0, "it is tried with all of it again");
}

#[test]
fn a_receiver_that_takes_nothing_is_remembered_for_nothing() {
    let (receiver, taken) = limited(10);
    let world = World::told_to(&receiver, "gitlab");
    push_many(&world, 3);
    assert_eq!((world.waiting("ci").len(), world.attempts().len()), (1, 1));
    assert_eq!(world.attempts()[0]["status"], 413);
    assert!(taken.lock().unwrap().refused > 1);
    assert!(read_record(&world.place(Place::Backoff("ci")))["body_limit"].is_null());
    assert!(!String::from_utf8_lossy(&world.webhook(&["status"]).stdout).contains("larger bodies are reduced"));
}
