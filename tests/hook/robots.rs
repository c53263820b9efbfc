//! Chats of their own shape: what each is sent, how it is signed, and what is made of answers that say in the body what became
//! of a message. The answers are those of the chats' specifications, which no test can call.

use std::time::{SystemTime, UNIX_EPOCH};

use git_webhook::format::{FORMATS, Format, Method};
use serde_json::{Value, json};

use crate::support::{Answer, Receiver, Request, World};

const SECRET: &str = "a secret of more than 24 bytes";

fn chats() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().filter(|format| format.is_chat)
}

fn world(receiver: &Receiver, format: &str) -> World {
    let world = World::told_plainly_to(receiver, format);
    world.configure("webhook.homepage", "https://git.example.org/{repository}");
    world
}

fn logged(world: &World) -> Value {
    let output = world.webhook(&["log", "--json"]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    log["deliveries"][0].clone()
}

/// Every text that people read in a body.
fn texts(body: &Value, found: &mut Vec<String>) {
    match body {
        Value::Object(map) => map.iter().for_each(|(name, value)| match value {
            Value::String(text)
                if ["text", "description", "body", "formatted_body", "content", "title"].contains(&name.as_str()) =>
            {
                found.push(text.clone());
            }
            value => texts(value, found),
        }),
        Value::Array(all) => all.iter().for_each(|value| texts(value, found)),
        _ => {}
    }
}

fn said(body: &Value) -> String {
    let mut found = Vec::new();
    texts(body, &mut found);
    found.join("")
}

/// What each takes at most, of what, by its specification.
fn is_within_limits(format: &Format, request: &Request) -> bool {
    let body = request.json();
    match format.name {
        "slack" => body["text"].as_str().unwrap().encode_utf16().count() <= 2000,
        "discord" => body["embeds"][0]["description"].as_str().unwrap().encode_utf16().count() <= 4096,
        "wecom" => body["markdown"]["content"].as_str().unwrap().len() <= 4096,
        "dingtalk" => request.body.len() <= 20_000,
        "feishu" => request.body.len() <= 20 * 1024,
        "teams" => request.body.len() <= 28 * 1024,
        "matrix" => request.body.len() <= 60 * 1024,
        name => panic!("{name} has no limit here"),
    }
}

#[test]
fn every_chat_is_told_who_did_what_where() {
    for format in chats() {
        let receiver = Receiver::taking(format);
        let world = world(&receiver, format.name);
        world.configure("webhook.ci.event", "all");
        world.commit("one");
        world.commit("two");
        world.push(&["main"]);
        let body = receiver.take_one().json();
        let id = &world.id("main")[..7];
        let page = format!("https://git.example.org/group/project/commit/{}", world.id("main"));
        let text = said(&body);
        for part in
            ["alice", " created branch ", "main", " in ", "group/project", ", with 2 commits", id, "one", "A U Thor"]
        {
            assert!(text.contains(part), "{}: {part}: {body:#}", format.name);
        }
        assert!(body.to_string().contains(&page), "{}: {body:#}", format.name);
        for (event, part) in [("note", " commented on "), ("merge_request", " opened ")] {
            let output = world.webhook(&["test", "ci", "--event", event]);
            assert!(output.status.success(), "{}: {output:?}", format.name);
            let body = receiver.take_one().json();
            assert!(said(&body).contains(part), "{} {event}: {body:#}", format.name);
        }
    }
}

#[test]
fn whatever_is_pushed_no_chat_gets_more_than_it_takes() {
    for format in chats() {
        let receiver = Receiver::taking(format);
        let mut world = world(&receiver, format.name);
        let long = "&<@everyone> **\"x\"** ".repeat(60);
        world.configure_globally("webhookUser.alice.name", long.trim());
        world.configure("webhook.ci.maxCommits", "200");
        world.set("GIT_AUTHOR_NAME", long.trim());
        let mut script = String::new();
        for number in 0..150 {
            let message = format!("{number} {long}");
            let time = 1_700_000_000 + number;
            script += "commit refs/heads/main\n";
            script += &format!("author {} <a@x> {time} +0000\n", long.replace(['<', '>'], "").trim());
            script += &format!("committer C <c@x> {time} +0000\ndata {}\n{message}\n", message.len());
        }
        world.git_with_input(&["fast-import", "--quiet"], script.as_bytes());
        world.push(&["main"]);
        let request = receiver.take_one();
        assert!(is_within_limits(format, &request), "{}: {}", format.name, request.body.len());
        assert!(said(&request.json()).contains(" older"), "{}", format.name);
        world.configure("webhook.homepage", &format!("https://git.example.org/{}", "(x)".repeat(2600)));
        world.push(&[&format!("main:refs/heads/{}", ["&".repeat(200), "*".repeat(200).replace('*', "_")].join("/"))]);
        let request = receiver.take_one();
        assert!(is_within_limits(format, &request), "{}: {}", format.name, request.body.len());
        let has_room = ["teams", "feishu", "matrix", "dingtalk"].contains(&format.name);
        assert!(has_room || !said(&request.json()).contains("x)"), "{}: no room for links", format.name);
    }
}

#[test]
fn nobody_is_called_and_nothing_leads_elsewhere_in_any_chat() {
    for format in chats() {
        let receiver = Receiver::taking(format);
        let mut world = world(&receiver, format.name);
        world.set("GIT_AUTHOR_NAME", "@bob *the* <!here>");
        world.commit(
            "@everyone @room <at>bob</at> <@all> <font> [click](https://evil.example) ![](https://evil.example/i)",
        );
        world.push(&["main:refs/heads/@all"]);
        let body = receiver.take_one().json();
        let text = said(&body);
        for part in ["@everyone", "@room", "@all", "@bob", "https://evil"] {
            assert!(!text.contains(part), "{} {part}: {text}", format.name);
        }
        let reads_markdown = ["slack", "discord", "dingtalk", "wecom"].contains(&format.name);
        let is_code = text.contains("`@");
        assert!(!reads_markdown || is_code || !text.contains("[click]("), "{}: {text}", format.name);
        assert!(!reads_markdown || !text.contains("<@"), "{}: {text}", format.name);
        let reads_tags = ["matrix", "wecom", "dingtalk"].contains(&format.name);
        let formatted = body["formatted_body"].as_str().unwrap_or(&text);
        assert!(!reads_tags || !formatted.contains("<font") && !formatted.contains("<at"), "{}: {text}", format.name);
        match format.name {
            "discord" => assert_eq!(body["allowed_mentions"], json!({ "parse": [] })),
            "matrix" => assert_eq!(body["m.mentions"], json!({})),
            _ => {}
        }
    }
}

/// Good for an hour only, so that of a message that waited is another one.
#[test]
fn a_signature_is_made_at_each_attempt_and_kept_nowhere() {
    for (format, taken) in [("feishu", r#"{"code":0,"msg":"success"}"#), ("dingtalk", r#"{"errcode":0,"errmsg":"ok"}"#)]
    {
        let receiver = Receiver::in_turn([Answer::Busy, Answer::Body(200, taken.into())]);
        let world = world(&receiver, format);
        world.configure("webhook.ci.secret", SECRET);
        world.commit("one");
        world.push(&["main"]);
        let signed = |request: &Request| match format {
            "feishu" => request.json()["sign"].as_str().is_some_and(|sign| sign.len() == 44),
            _ => request.path.contains("?timestamp=") && request.path.contains("&sign="),
        };
        assert!(signed(&receiver.take_one()), "{format}");
        let waits = world.webhook(&["show", logged(&world)["id"].as_str().unwrap(), "--json"]);
        let waits = String::from_utf8_lossy(&waits.stdout).into_owned();
        assert!(waits.contains("created branch") && !waits.contains("sign"), "{format}: {waits}");
        world.server_git(&["config", "--unset", "webhook.ci.secret"]);
        world.time_passes("ci");
        world.webhook(&["flush"]);
        assert!(!signed(&receiver.take_one()), "{format}: without a secret there is none");
        assert_eq!(logged(&world)["state"], "delivered", "{format}");
    }
}

#[test]
fn a_refusal_in_a_body_of_200_is_none_the_less_one() {
    for (format, answer, words) in [
        (
            "feishu",
            r#"{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}"#,
            "code 19021: sign match",
        ),
        ("dingtalk", r#"{"errcode":310000,"errmsg":"keywords not in content"}"#, "errcode 310000: keywords not"),
        ("wecom", r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, "errcode 93000: invalid"),
    ] {
        let receiver = Receiver::answering(Answer::Body(200, answer.into()));
        let world = world(&receiver, format);
        world.commit("one");
        let pushed = world.push(&["main"]).said();
        assert!(pushed[0].contains("the receiver refuses it"), "{format}: {pushed:?}");
        let logged = logged(&world);
        assert_eq!((&logged["state"], &logged["status"]), (&"waiting".into(), &200.into()), "{format}: {logged}");
        assert!(logged["reason"].as_str().unwrap().contains(words), "{format}: {logged}");
    }
}

#[test]
fn too_many_are_sent_again_when_the_chat_says() {
    for (format, status, answer, seconds) in [
        ("feishu", 200, r#"{"code":11232,"msg":"frequency limited"}"#, 0),
        ("dingtalk", 200, r#"{"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}"#, 600),
        ("wecom", 200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, 60),
        ("discord", 429, r#"{"message":"You are being rate limited.","retry_after":1336.57,"global":false}"#, 1337),
        ("matrix", 429, r#"{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":1336001}"#, 1337),
    ] {
        let receiver = Receiver::answering(Answer::Body(status, answer.into()));
        let world = world(&receiver, format);
        world.commit("one");
        let before = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let pushed = world.push(&["main"]).said();
        assert!(pushed[0].contains("tried again later"), "{format}: {pushed:?}");
        let logged = logged(&world);
        let next: jiff::Timestamp = logged["next"].as_str().unwrap_or_else(|| panic!("{logged}")).parse().unwrap();
        assert!(next.as_second() - before >= seconds, "{format}: {logged}");
    }
}

/// A proxy's page of 200, an answer that ends early: the chat may have shown the message.
#[test]
fn an_answer_that_does_not_say_is_ambiguous() {
    let cut = "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"errcode\":0";
    let large = format!("HTTP/1.1 200 X\r\n\r\n{{\"errcode\":0,\"x\":\"{}\"}}", "x".repeat(20_000));
    for answer in [
        Answer::Status(200),
        Answer::Body(200, "<html>ok</html>".into()),
        Answer::Body(200, "{}".into()),
        Answer::Raw(cut.into()),
        Answer::Raw(large.into()),
    ] {
        let receiver = Receiver::answering(answer.clone());
        let world = world(&receiver, "wecom");
        world.commit("one");
        world.push(&["main"]);
        let logged = logged(&world);
        assert_eq!(logged["state"], "waiting", "{answer:?}: {logged}");
        let reason = logged["reason"].as_str().unwrap();
        assert!(
            reason.contains("the answer does not say") && reason.contains("may have acted"),
            "{answer:?}: {reason}"
        );
    }
}

#[test]
fn matrix_is_told_by_a_put_of_the_delivery_s_own_address() {
    let receiver = Receiver::in_turn([Answer::Busy, Answer::Body(200, r#"{"event_id":"$1"}"#.into())]);
    let world = world(&receiver, "matrix");
    let room = "_matrix/client/v3/rooms/!abc:example.org";
    world.server_git(&["config", "webhook.ci.url", &format!("{}/{room}", receiver.origin())]);
    world.configure("webhook.ci.secret", SECRET);
    world.commit("one");
    world.push(&["main"]);
    let first = receiver.take_one();
    let id = first.header("Idempotency-Key").to_owned();
    assert_eq!((first.method.as_str(), first.path), ("PUT", format!("/{room}/send/m.room.message/{id}")));
    assert_eq!(first.headers.iter().find(|(name, _)| name == "Authorization").unwrap().1, format!("Bearer {SECRET}"));
    let shown = world.webhook(&["show", logged(&world)["id"].as_str().unwrap()]);
    assert!(shown.status.success() && !String::from_utf8_lossy(&shown.stdout).contains(SECRET), "{shown:?}");
    world.time_passes("ci");
    world.webhook(&["flush"]);
    let second = receiver.take_one();
    assert!(second.path.ends_with(&id), "a server shows what it has already once: {}", second.path);
    assert_eq!(logged(&world)["state"], "delivered");
}

#[test]
fn an_address_of_a_chat_is_known_to_add_and_to_check() {
    for (name, url, format) in [
        ("discord", "https://discord.com/api/webhooks/1/x", "discord"),
        ("slackly", "https://discord.com/api/webhooks/1/x/slack", "slack"),
        ("teams", "https://prod-1.westeurope.logic.azure.com/workflows/1?sig=x", "teams"),
        ("feishu", "https://open.feishu.cn/open-apis/bot/v2/hook/x", "feishu"),
        ("dingtalk", "https://oapi.dingtalk.com/robot/send?access_token=x", "dingtalk"),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x", "wecom"),
        ("matrix", "https://matrix.example.org/_matrix/client/v3/rooms/!a:example.org", "matrix"),
    ] {
        let world = World::new();
        assert!(world.webhook(&["add", name, url]).status.success());
        assert_eq!(world.server_git(&["config", &format!("webhook.{name}.format")]), format);
        let check = || String::from_utf8_lossy(&world.webhook(&["check"]).stdout).into_owned();
        assert!(!check().contains("has an address of"), "{name}: {}", check());
        world.server_git(&["config", &format!("webhook.{name}.format"), "gitlab"]);
        let found = check();
        assert!(found.contains(&format!("advice: target '{name}' has an address of ")), "{found}");
        assert!(found.contains(&format!("webhook.{name}.format {format}")), "{found}");
    }
}

/// Its own methods and its own answers: the table says so, and documents are made of it.
#[test]
fn what_chats_do_otherwise_stands_in_their_rows() {
    let methods: Vec<_> = FORMATS.iter().filter(|it| it.exchange.method == Method::Put).map(|it| it.name).collect();
    assert_eq!(methods, ["matrix"]);
}
