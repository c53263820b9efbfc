//! Bodies that would be too large: what `maxBody` takes out of them, and how many commits and files a forge lists.

use serde_json::Value;

use crate::support::{Receiver, Request, World};

/// Pushes one commit with so many files of long names, below so many others.
fn push_large(world: &World, commits: usize, files: usize) {
    let mut script = String::new();
    for number in 1..=commits {
        script += &format!(
            "commit refs/heads/main\ncommitter C <c@x> {} +0000\ndata 11\nnumber {number:04}\n",
            1_700_000_000 + number
        );
        let files = if number == commits { files } else { 1 };
        for file in 0..files {
            script += &format!("M 644 inline {}/{number}/{file:05}\ndata 1\nx\n", "long".repeat(10));
        }
    }
    world.git_with_input(&["fast-import", "--quiet"], script.as_bytes());
    assert!(world.push(&["main"]).accepted);
}

fn listed(request: &Request) -> Value {
    let body = request.json();
    let files = |commit: &Value| commit["added"].as_array().map_or(0, Vec::len);
    let of = |commit: &Value| serde_json::json!([commit["message"].as_str().unwrap().trim(), files(commit)]);
    body["commits"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn lists_of_files_go_first() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.maxBody", "10k");
    push_large(&world, 3, 1000);
    let request = receiver.take_one();
    assert!(request.body.len() <= 10 << 10, "{}", request.body.len());
    assert_eq!(listed(&request), serde_json::json!([["number 0001", 0], ["number 0002", 0], ["number 0003", 0]]));
    let log = world.log();
    assert!(log.contains("webhook ci: refs/heads/main: a body of "), "{log}");
    assert!(log.contains(" bytes is larger than maxBody (10240): told without lists of files\n"), "{log}");
}

#[test]
fn the_oldest_commits_go_next_and_the_total_stays() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    world.configure("webhook.ci.maxCommits", "500");
    world.configure("webhook.ci.maxBody", "20k");
    push_large(&world, 300, 1);
    let request = receiver.take_one();
    let body = request.json();
    let commits = body["commits"].as_array().unwrap();
    assert_eq!(body["total_commits_count"], 300);
    assert_eq!(commits.last().unwrap()["id"], world.id("main"));
    // One more would not have fitted.
    let size = commits[0].to_string().len() + 1;
    assert!(((20 << 10) - size..=20 << 10).contains(&request.body.len()), "{} of {size}", request.body.len());
    assert!(world.log().contains(&format!("lists of files and with at most {} commits\n", commits.len())));
}

#[test]
fn what_a_push_is_about_is_never_left_out() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "github");
    world.configure("webhook.ci.maxBody", "1k");
    push_large(&world, 3, 1);
    let body = receiver.take_one().json();
    assert_eq!(body["after"], world.id("main"));
    assert_eq!(body["head_commit"]["id"], world.id("main"));
    assert_eq!(body["commits"], serde_json::json!([]));
    assert!(world.log().contains(" bytes are left all the same\n"), "{}", world.log());
}

#[test]
fn a_whole_push_is_marked_where_it_was_cut() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "bitbucket");
    world.configure("webhook.ci.maxBody", "3k");
    push_large(&world, 5, 1);
    let body = receiver.take_one().json();
    let change = &body["push"]["changes"][0];
    assert!((1..5).contains(&change["commits"].as_array().unwrap().len()));
    assert_eq!(change["commits"][0]["hash"], world.id("main"));
    assert_eq!(change["truncated"], true);
}

#[test]
fn github_lists_2048_commits_and_3000_files() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "github");
    push_large(&world, 2050, 3001);
    let body = receiver.take_one().json();
    let commits = body["commits"].as_array().unwrap();
    assert_eq!(commits.len(), 2048);
    assert_eq!(commits[0]["message"], "number 0003");
    assert_eq!(body["head_commit"]["added"].as_array().unwrap().len(), 3000);
    assert_eq!(commits[2047], body["head_commit"]);
    assert!(world.log().contains("changed files are listed in part"), "{}", world.log());
}

#[test]
fn a_size_is_a_number_with_a_unit() {
    let receiver = Receiver::new();
    let world = World::told_to(&receiver, "gitlab");
    for wrong in ["1", "2g", "many", "-1k"] {
        world.server_git(&["config", "webhook.ci.maxBody", wrong]);
        let said = world.webhook(&["list"]);
        let said = String::from_utf8_lossy(&said.stderr);
        assert!(said.contains(&format!("webhook.ci.maxBody '{wrong}': is no size from 1k to 1g")), "{said}");
    }
    world.server_git(&["config", "webhook.ci.maxBody", "1g"]);
    assert!(world.webhook(&["list"]).status.success());
}

/// GitHub lists at most 3,000 files of a commit.
#[test]
fn as_many_files_as_can_be_listed_are_no_part() {
    for (count, is_in_part) in [(3000, false), (3001, true)] {
        let receiver = Receiver::new();
        let world = World::told_to(&receiver, "github");
        (0..count).for_each(|number| world.write(&format!("d{}/{number}", number / 500), ""));
        world.commit_all("many");
        world.push(&["main"]);
        let added = receiver.take_one().json()["head_commit"]["added"].as_array().unwrap().len();
        assert_eq!(added, 3000);
        assert_eq!(world.log().contains("changed files are listed in part"), is_in_part, "{count}: {}", world.log());
    }
}
