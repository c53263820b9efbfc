//! Bodies, addresses and headers of a target's own, made by its template.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::reviews::Reviews;
use crate::support::{Answer, Receiver, Request, World, read_record};

const HOSTILE: &str = "\"}],<users/all> @everyone {{ id }} \\ \u{7} <b>&amp;\n\nbody";

/// A world whose one target has this template, with these keys beside.
fn world(receiver: &Receiver, template: &str, keys: &[(&str, &str)]) -> World {
    let world = World::new();
    world.write_template("own.json", template);
    configure(&world, receiver, "own.json", "", keys);
    world
}

/// Has `ci` told by a template, at this place behind the receiver's address.
fn configure(world: &World, receiver: &Receiver, template: &str, behind: &str, keys: &[(&str, &str)]) {
    world.configure("webhook.ci.url", &format!("{}{behind}", receiver.origin()));
    world.configure("webhook.ci.format", "template");
    world.configure("webhook.ci.template", template);
    keys.iter().for_each(|(key, value)| world.configure(&format!("webhook.ci.{key}"), value));
}

/// A world that is told by one of the templates that are installed.
fn shipped(receiver: &Receiver, template: &str, behind: &str, keys: &[(&str, &str)]) -> World {
    let world = World::new();
    world.put_template(template);
    configure(&world, receiver, template, behind, keys);
    world.configure("webhook.homepage", "https://git.example.org/{repository}");
    world
}

fn text(request: &Request) -> String {
    String::from_utf8(request.body.clone()).unwrap()
}

/// The values of the query.
fn query(request: &Request) -> Vec<(String, String)> {
    let (_, query) = request.path.split_once('?').unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// What the hook wrote down of `ci` last.
fn reason(world: &World) -> String {
    world.attempts().pop().map_or_else(String::new, |entry| entry["reason"].as_str().unwrap_or_default().into())
}

#[test]
fn a_body_is_what_the_template_says() {
    let receiver = Receiver::new();
    let template = r#"{"who": {{ pusher.login }}, "what": {{ push.ref }}, "all": {{ push.commits | map(attribute="title") | list }}}"#;
    let world = world(&receiver, template, &[]);
    world.commit("one");
    world.commit(HOSTILE);
    world.push(&["main"]);
    let request = receiver.take_one();
    assert_eq!((request.method.as_str(), request.header("Content-Type")), ("POST", "application/json"));
    let title = "\"}],<users/all> @everyone {{ id }} \\ \u{7} <b>&amp;";
    assert_eq!(request.json(), json!({ "who": "alice", "what": "refs/heads/main", "all": ["one", title] }));
    assert_eq!(request.header("Idempotency-Key"), world.attempts()[0]["id"]);
}

#[test]
fn expressions_stand_in_url_and_headers() {
    let receiver = Receiver::new();
    let world = World::new();
    world.write_template("own.txt", "{{ title }}");
    let keys = [
        ("method", "PUT"),
        ("contentType", "text/plain; charset=utf-8"),
        ("header", "X-Branch: on {{ push.ref_name }}"),
        ("header", "X-Token: {fixed}"),
    ];
    configure(&world, &receiver, "own.txt", "/in/{{ push.ref_name }}/{{ event }}?ref={{ push.ref }}&fixed=1", &keys);
    world.commit("one");
    world.push(&["main:refs/heads/feature/a&b#1ü"]);
    let request = receiver.take_one();
    assert_eq!(request.method, "PUT");
    assert_eq!(request.path, "/in/feature%2Fa%26b%231%C3%BC/push?ref=refs%2Fheads%2Ffeature%2Fa%26b%231%C3%BC&fixed=1");
    assert_eq!(request.header("Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(request.header("X-Branch"), "on feature/a&b#1ü");
    assert_eq!(request.header("X-Token"), "{fixed}");
    assert_eq!(text(&request), "alice created branch feature/a&b#1ü in group/project, with 1 commit");
}

#[test]
fn a_get_needs_no_template_and_has_no_body() {
    let receiver = Receiver::new();
    let world = World::new();
    world.configure("webhook.ci.url", &format!("{}/build?sha={{{{ push.after }}}}", receiver.origin()));
    world.configure("webhook.ci.format", "template");
    world.configure("webhook.ci.method", "GET");
    world.commit("one");
    world.push(&["main"]);
    let request = receiver.take_one();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("GET", format!("/build?sha={}", world.id("main")).as_str())
    );
    assert!(request.body.is_empty() && request.header("Content-Type").is_empty());
}

/// Nobody is told by what does not work, nothing is lost, and once it is mended all is told.
#[test]
fn what_a_wrong_template_cannot_tell_waits_until_it_is_mended() {
    let receiver = Receiver::new();
    let world = world(&receiver, r#"{"t": {{ push.commits[0].titel }}}"#, &[]);
    world.commit("one");
    let pushed = world.push(&["main"]);
    assert!(pushed.accepted && receiver.take().is_empty());
    let told = "own.json: line 1, column";
    assert!(
        pushed.said().iter().any(|line| line.contains("its template does not work for this event")),
        "{:?}",
        pushed.said()
    );
    assert!(!reason(&world).is_empty() && !reason(&world).contains(told), "{}", reason(&world));
    assert!(reason(&world).contains("line 1, column 10"), "{}", reason(&world));
    assert_eq!(world.waiting("ci").len(), 1);
    let status = world.webhook(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["targets"][0]["state"], "wrong", "{status}");
    // As for any target that is wrong, retryFor does not end it.
    world.configure("webhook.ci.retryFor", "1s");
    thread::sleep(Duration::from_secs(2));
    world.webhook(&["flush", "--now"]);
    assert_eq!((world.waiting("ci").len(), world.webhook(&["status"]).status.code()), (1, Some(2)));
    // A newer one of the ref is not held back, and shows that the target is well.
    world.write_template("own.json", r#"{"t": {{ push.commits[0].title }}}"#);
    world.commit("two");
    world.push(&["main"]);
    let mut told: Vec<_> = receiver.take().iter().map(|request| request.json()["t"].to_string()).collect();
    told.sort();
    assert_eq!(told, [r#""one""#, r#""two""#]);
    assert!(world.waiting("ci").is_empty());
}

#[test]
fn events_wait_for_a_template_that_cannot_be_read() {
    let receiver = Receiver::new();
    let world = world(&receiver, "{}", &[]);
    let own = world.server().join("webhook/template/own.json");
    fs::remove_file(own).unwrap();
    world.commit("one");
    let pushed = world.push(&["main"]);
    assert!(pushed.said().iter().any(|line| line.contains("not configured rightly")), "{:?}", pushed.said());
    let check = world.webhook(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("webhook.ci.template 'own.json': cannot be read below webhook/template/"), "{said}");
    assert!(!check.status.success());
    world.write_template("own.json", "{{ title }}");
    world.commit("two");
    world.push(&["main"]);
    let bodies: Vec<_> = receiver.take().iter().map(Request::json).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
}

/// What waits was made when it happened; address and headers are those of the day.
#[test]
fn what_waits_keeps_its_body() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = world(&receiver, r#"{"v": 1, "t": {{ title }}}"#, &[("header", "X-Ref: {{ push.ref }}")]);
    world.commit("one");
    world.push(&["main"]);
    let first = receiver.take_one();
    world.write_template("own.json", r#"{"v": 2}"#);
    world.server_git(&["config", "webhook.ci.header", "X-Other: {{ push.ref_name }}"]);
    world.webhook(&["flush", "--now"]);
    let second = receiver.take_one();
    assert_eq!(second.body, first.body);
    assert_eq!((second.header("X-Ref"), second.header("X-Other")), ("", "main"));
    let shown = world.webhook(&["log", "--json"]);
    let rows: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let ids: Vec<_> = rows["deliveries"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids.len(), 1, "{rows}");
}

/// The record of what waits holds the event and nothing of the configuration.
#[test]
fn no_address_lies_beside_what_waits() {
    let receiver = Receiver::answering(Answer::Busy);
    let world = world(&receiver, "{{ title }}", &[("header", "X-Ref: canary {{ push.ref }}")]);
    world.server_git(&["config", "webhook.ci.url", &format!("{}/canary?x={{{{ id }}}}", receiver.origin())]);
    world.commit("one");
    world.push(&["main"]);
    let record = fs::read_to_string(&world.waiting("ci")[0]).unwrap();
    assert!(record.contains("\"value\":{") && !record.contains("canary"), "{record}");
    assert!(!world.log().contains("canary"));
}

/// A repository's own template is nothing to the server's targets, and the server's nothing to it.
#[test]
fn the_servers_targets_have_the_servers_templates() {
    let receiver = Receiver::new();
    let world = World::new();
    world.write_template("own.txt", "the repository's");
    let directory = world.path("templates");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("own.txt"), "the server's").unwrap();
    world.configure_globally("webhook.ci.url", &receiver.url());
    world.configure_globally("webhook.ci.format", "template");
    world.configure_globally("webhook.ci.template", "own.txt");
    world.commit("one");
    world.push(&["main"]);
    assert!(receiver.take().is_empty(), "there is no templateDir");
    // A repository cannot say where they lie.
    world.configure("webhook.templateDir", world.server().join("webhook/template").to_str().unwrap());
    world.commit("two");
    world.push(&["main"]);
    assert!(receiver.take().is_empty());
    world.configure_globally("webhook.templateDir", directory.to_str().unwrap());
    world.commit("three");
    world.push(&["main"]);
    let bodies: Vec<_> = receiver.take().iter().map(text).collect();
    assert_eq!(bodies, ["the server's"; 3]);
}

#[test]
fn a_template_is_a_file_of_the_repositorys_own() {
    let receiver = Receiver::new();
    let outside = |world: &World| world.path("outside.txt").to_str().unwrap().to_owned();
    for name in ["absolute", "../secret/x", "link.txt", "fifo", "missing", "open.txt", "bytes.txt"] {
        let world = World::new();
        world.write_template("open.txt", "x");
        fs::write(outside(&world), "a file of the server's").unwrap();
        let directory = world.server().join("webhook/template");
        std::os::unix::fs::symlink(outside(&world), directory.join("link.txt")).unwrap();
        nix::unistd::mkfifo(&directory.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(directory.join("bytes.txt"), b"\xff").unwrap();
        let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
        fs::set_permissions(directory.join("open.txt"), open).unwrap();
        let name = if name == "absolute" { outside(&world) } else { name.into() };
        configure(&world, &receiver, &name, "/", &[]);
        world.commit("one");
        world.push(&["main"]);
        assert!(receiver.take().is_empty(), "{name}");
        assert!(!world.webhook(&["check"]).status.success(), "{name}");
    }
}

#[test]
fn a_template_takes_no_more_than_it_may() {
    let steps = "{% for i in range(100000) %}{% for j in range(100000) %}{{ i }}{% endfor %}{% endfor %}";
    let levels = "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}";
    let memory = "{% set a = 'x' * 90000000 %}{% set b = a ~ a ~ a ~ a %}{{ b | length }}";
    let doubled =
        "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
    // What overflows a stack or takes for ever ends the process that renders, and nothing else.
    let chains = ["+1", "~x", "|upper", "[0]", ".x", "()"].map(|link| format!("{{{{ x{} }}}}", link.repeat(8000)));
    let elif = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(4000));
    let nested = format!("{{% set x = [1] %}}{}{{{{ x }}}}", "{% set x = [x] %}".repeat(3000));
    let may_work = ["-", "not "].map(|link| format!("{{{{ {}1 }}}}", link.repeat(8000))).into_iter().chain([nested]);
    let endless = format!("{{% set x = [1] %}}{}{{{{ x|tojson|length }}}}", "{% set x = [x, x] %}".repeat(60));
    let indent = "{{ [1, [2]]|tojson(indent=99999999) }}".to_owned();
    let panics = ["{{ [1, 2, 3][::-9223372036854775808] }}".to_owned()];
    let hard = chains.into_iter().chain([elif, endless, indent]).chain(panics);
    let others = ["{% include 'other.txt' %}", "{% import 'o' as o %}", "{% extends 'o' %}", "{% from 'o' import p %}"];
    let of_outside = ["{{ env }}", "{{ config }}", "{{ secret }}", "{{ self }}", "{{ debug() }}", "{{ url_for }}"];
    let easy = [steps, levels, memory, doubled].into_iter().chain(others).chain(of_outside).map(String::from);
    let never = easy.chain(hard).map(|template| (template, false));
    for (template, may_work) in never.chain(may_work.map(|template| (template, true))) {
        let receiver = Receiver::new();
        let world = world(&receiver, &template, &[]);
        let template = &template[..template.len().min(80)];
        // Whoever else is told has nothing to do with it.
        let other = Receiver::new();
        world.add_plain_target("other", &other, "gitlab");
        world.configure("webhook.ci.signingSecret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        world.commit("one");
        assert!(world.push(&["main"]).accepted);
        let told = receiver.take().len();
        assert!(told == 0 || may_work, "{template}");
        assert_eq!(other.take().len(), 1, "{template}");
        let waits = world.webhook(&["status", "--json"]);
        let waits: Value = serde_json::from_slice(&waits.stdout).unwrap();
        assert_eq!(waits["targets"][0]["state"] == "ok", told == 1, "{template}: {waits}");
    }
}

/// A value that tells less is tried before anybody is told that it does not work.
#[test]
fn what_is_too_large_tells_less() {
    let receiver = Receiver::new();
    let world = world(&receiver, "{{ push }}", &[("maxBody", "20k")]);
    let mut script = String::new();
    for number in 0..20 {
        let message = format!("{number} {}", "m".repeat(3000));
        script +=
            &format!("commit refs/heads/main\ncommitter C <c@x> 1700000000 +0000\ndata {}\n{message}\n", message.len());
    }
    world.git_with_input(&["fast-import", "--quiet"], script.as_bytes());
    world.push(&["main"]);
    let request = receiver.take_one();
    assert!(request.body.len() <= 20 * 1024);
    let json = request.json();
    assert_eq!(json["total"], 20);
    let told = json["commits"].as_array().unwrap().len();
    assert!((1..6).contains(&told), "{told}");
}

#[test]
fn a_header_is_one_line() {
    let receiver = Receiver::new();
    let world = world(&receiver, "{{ title }}", &[("header", "X-Message: {{ push.head.message }}")]);
    world.commit("one\nSet-Cookie: x\r\n\r\nGET / HTTP/1.1");
    world.push(&["main"]);
    assert!(receiver.take().is_empty());
    assert!(reason(&world).contains("header X-Message would hold a control character"), "{}", reason(&world));
    for header in [
        "Authorization: {{ id }}",
        "Host: {{ id }}",
        "Content-Length: {{ id }}",
        "webhook-id: {{ id }}",
        "Idempotency-Key: {{ id }}",
        "{{ id }}: x",
    ] {
        let world = self::world(&receiver, "{{ title }}", &[("header", header)]);
        assert!(!world.webhook(&["check"]).status.success(), "{header}");
    }
}

/// A target that had another format when something began to wait, and the other way round.
#[test]
fn what_waits_for_another_format_leads_to_no_other_address() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Status(200)]);
    let world = World::told_plainly_to(&receiver, "gitlab");
    world.commit("one");
    world.push(&["main"]);
    receiver.take();
    world.write_template("own.json", "{{ title }}");
    world.server_git(&["config", "webhook.ci.format", "template"]);
    world.configure("webhook.ci.template", "own.json");
    world.server_git(&["config", "webhook.ci.url", &format!("{}/{{{{ id }}}}", receiver.origin())]);
    world.webhook(&["flush", "--now"]);
    assert!(receiver.take().is_empty());
    assert!(reason(&world).contains("made for format gitlab"), "{}", reason(&world));
    // There is nothing that mends it but the format of then.
    world.configure("webhook.ci.retryFor", "1s");
    thread::sleep(Duration::from_secs(2));
    world.webhook(&["flush", "--now"]);
    assert_eq!((world.waiting("ci").len(), world.dead("ci").len()), (0, 1));
}

#[test]
fn ntfy_reads_title_and_text() {
    let receiver = Receiver::new();
    let keys = [("contentType", "text/plain; charset=utf-8")];
    let world = shipped(&receiver, "ntfy.txt", "/topic?title={{ title }}&click={{ url }}", &keys);
    world.commit(HOSTILE);
    world.push(&["main"]);
    let request = receiver.take_one();
    let title = "alice created branch main in group/project, with 1 commit";
    let page = format!("https://git.example.org/group/project/commit/{}", world.id("main"));
    assert_eq!(query(&request), [("title".to_owned(), title.to_owned()), ("click".into(), page)]);
    assert!(text(&request).starts_with(&format!("{title}\n")) && request.body.len() <= 4096);
}

#[test]
fn gotify_reads_json() {
    let receiver = Receiver::new();
    let world = shipped(&receiver, "gotify.json", "/message?token=A", &[]);
    world.commit(HOSTILE);
    world.push(&["main"]);
    let json = receiver.take_one().json();
    assert_eq!(json["title"], "alice created branch main in group/project, with 1 commit");
    let page = format!("https://git.example.org/group/project/commit/{}", world.id("main"));
    assert_eq!(json["extras"]["client::notification"]["click"]["url"], page);
    world.server_git(&["config", "--unset", "webhook.homepage"]);
    world.commit("two");
    world.push(&["main"]);
    assert_eq!(receiver.take_one().json()["extras"], json!({ "client::display": { "contentType": "text/plain" } }));
}

#[test]
fn google_chat_calls_nobody() {
    let receiver = Receiver::new();
    let world = shipped(&receiver, "google-chat.json", "/v1/spaces/S/messages?key=K&requestId={{ id }}", &[]);
    world.commit(HOSTILE);
    world.push(&["main"]);
    let request = receiver.take_one();
    let json = request.json();
    let text = json["text"].as_str().unwrap();
    assert!(text.contains("‹users/all›") && !text.contains(['<', '>']), "{text}");
    assert_eq!(query(&request)[1], ("requestId".into(), world.attempts()[0]["event_id"].as_str().unwrap().into()));
}

#[test]
fn telegram_calls_nobody() {
    let receiver = Receiver::new();
    let world = shipped(&receiver, "telegram.json", "/botTOKEN/sendMessage?chat_id=-1001", &[]);
    world.commit(HOSTILE);
    world.push(&["main"]);
    let json = receiver.take_one().json();
    let text = json["text"].as_str().unwrap();
    assert!(text.contains("@\u{2060}everyone") && text.chars().count() <= 4096, "{text}");
    assert_eq!(json["link_preview_options"]["is_disabled"], true);
}

#[test]
fn plain_text_has_its_link_behind() {
    let receiver = Receiver::new();
    let world = shipped(&receiver, "plain.txt", "/", &[("contentType", "text/plain; charset=utf-8")]);
    world.commit("one");
    world.push(&["main"]);
    let id = world.id("main");
    let expected = format!(
        "alice created branch main in group/project, with 1 commit\n{} one - A U Thor\nhttps://git.example.org/group/project/commit/{id}\n",
        &id[..7]
    );
    assert_eq!(text(&receiver.take_one()), expected);
}

/// Whatever happens, every template that is installed has something to say of it, and JSON where it is that.
#[test]
fn installed_templates_tell_every_event() {
    for template in ["ntfy.txt", "gotify.json", "google-chat.json", "telegram.json", "generic.json", "plain.txt"] {
        let receiver = Receiver::new();
        let world = shipped(&receiver, template, "/", &[]);
        let reviews = Reviews::of(world, Receiver::new());
        let mut told = 0;
        reviews.tour(|what| {
            for request in receiver.take() {
                told += 1;
                assert!(!request.body.is_empty(), "{template} {what}");
                if template.ends_with(".json") {
                    request.json();
                }
            }
        });
        assert!(told > 10, "{template}: {told}");
        reviews.world.configure("webhook.ci.event", "all");
        reviews.world.git(&["tag", "--annotate", "--message", "release", "v1"]);
        for refs in [&["v1", "main:other"][..], &[":v1", ":other"]] {
            reviews.world.push(refs);
            assert_eq!(receiver.take().len(), 2, "{template} {refs:?}");
        }
        assert!(reviews.world.waiting("ci").is_empty(), "{template}");
    }
}

/// What goes wrong for one kind of event only is found before one happens.
#[test]
fn check_tries_a_template_out() {
    let receiver = Receiver::new();
    let said = |template: &str, keys: &[(&str, &str)]| {
        let world = world(&receiver, template, keys);
        world.commit("one");
        world.push(&["main"]);
        let check = world.webhook(&["check"]);
        (check.status.success(), String::from_utf8_lossy(&check.stdout).into_owned())
    };
    let (is_well, text) = said("{\"a\":\n {{ push.tag.message }}}", &[]);
    assert!(!is_well && text.contains("does not work for push: line 2, column 5: undefined value"), "{text}");
    assert_eq!(text.matches("does not work for push").count(), 1, "{text}");
    assert!(text.contains("/webhook/template/own.json\n"), "{text}");
    let (is_well, text) = said("a\n{% if push %}", &[]);
    assert!(!is_well && text.contains("does not work for push: line 2, column 12: syntax error"), "{text}");
    let (is_well, text) = said("{{ push.head.titel }}", &[("event", "note")]);
    assert!(!is_well && text.contains("does not work for note"), "{text}");
    let (is_well, text) = said("{{ id }}", &[("header", "X: {{ review.title }}")]);
    assert!(!is_well && text.contains("does not work for push: header X: line 1"), "{text}");
    let (is_well, text) = said("{\"a\": \"{{ push.head.message | safe }}\"}", &[("event", "push")]);
    assert!(text.contains("makes no JSON"), "{is_well} {text}");
    let (_, text) = said("{% if push.head %}{{ push.head.title }}{% endif %}", &[("contentType", "text/plain")]);
    assert!(!text.contains("template"), "{text}");
}

/// Every value that is written down is what the schema says.
#[test]
fn the_value_is_as_its_schema_says() {
    let schema = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/event.schema.json")).unwrap();
    let options = jsonschema::options().should_validate_formats(true);
    let schema = options.build(&serde_json::from_str(&schema).unwrap()).unwrap();
    let receiver = Receiver::answering(Answer::Busy);
    let world = shipped(&receiver, "plain.txt", "/", &[]);
    world.configure("webhook.retryFor", "1000d");
    let reviews = Reviews::of(world, Receiver::new());
    reviews.tour(|_| {});
    let world = &reviews.world;
    world.server_git(&["config", "webhook.ci.event", "all"]);
    world.git(&["tag", "--annotate", "--message", "release", "v1"]);
    world.push(&["v1", "main:other"]);
    world.push(&[":v1", ":other"]);
    let records = world.waiting("ci");
    assert!(records.len() > 15, "{}", records.len());
    for record in records {
        let value = read_record(&record)["delivery"]["value"].clone();
        let faults: Vec<_> = schema.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:#?}\n{value:#}");
    }
    let payload = world.webhook(&["payload", "--format", "event", "main", "topic", "refs/heads/topic"]);
    let value: Value = serde_json::from_slice(&payload.stdout).unwrap();
    assert!(schema.is_valid(&value), "{value:#}");
    assert!(!schema.is_valid(&json!({})), "it says something");
}

/// As docs/templates.md says it.
#[test]
fn a_target_is_added_with_its_template() {
    let receiver = Receiver::new();
    let world = World::new();
    let add = |template: &str| {
        let url = format!("{}/message?title={{{{ title }}}}", receiver.origin());
        world.webhook(&["add", "phone", &url, "--format", "template", "--template", template])
    };
    let missing = add("gotify.json");
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && said.contains("cannot be read below webhook/template/"), "{said}");
    world.put_template("gotify.json");
    let added = add("gotify.json");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    world.commit("one");
    world.push(&["main"]);
    assert_eq!(receiver.take_one().json()["priority"], 4);
    for event in ["push", "note", "merge_request"] {
        let tried = world.webhook(&["test", "phone", "--event", event]);
        assert!(tried.status.success(), "{event}: {}", String::from_utf8_lossy(&tried.stderr));
        let request = receiver.take_one();
        assert_eq!(query(&request)[0].1, request.json()["title"].as_str().unwrap(), "{event}");
    }
    let id = world.attempts()[0]["id"].as_str().unwrap().to_owned();
    let shown = world.webhook(&["show", &id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("\"priority\": 4") && !shown.contains("/message"), "{shown}");
    world.put_template("generic.json");
    world.server_git(&["config", "webhook.phone.template", "generic.json"]);
    assert!(world.webhook(&["redeliver", "--rebuild", &id]).status.success());
    assert_eq!(receiver.take_one().json()["push"]["ref"], "refs/heads/main");
}

/// What mends a template leads to that, whatever other files its target names.
#[test]
fn a_mend_of_a_template_leads_to_its_file() {
    let receiver = Receiver::new();
    let world = world(&receiver, "x", &[("headerFile", "headers")]);
    let secrets = world.server().join("webhook/secret");
    fs::create_dir_all(&secrets).unwrap();
    fs::write(secrets.join("headers"), "X-Own: x\n").unwrap();
    let template = world.server().join("webhook/template/own.json");
    let said = || String::from_utf8_lossy(&world.webhook(&["check"]).stdout).into_owned();
    fs::write(&template, b"\xff").unwrap();
    assert!(said().contains(&format!("\"${{EDITOR:-vi}}\" {}\n", template.display())), "{}", said());
    let open = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666);
    fs::set_permissions(&template, open).unwrap();
    assert!(said().contains(&format!("chmod o= {}\n", template.display())), "{}", said());
    fs::remove_file(&template).unwrap();
    assert!(
        said().contains(&format!("\"${{EDITOR:-vi}}\" {}\n", world.server().join("config").display())),
        "{}",
        said()
    );
}
