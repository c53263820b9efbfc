//! What `--json` prints is documented once, in `docs/json`; the manual's page is made from that.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::{Tree, root, text};

const PAGE: &str = "man/git-webhook-json.5";

const HEAD: &str = r#".\" Made from docs/json by UPDATE_GOLDEN=1 cargo test --test house.
.Dd November 30, 2026
.Dt GIT-WEBHOOK-JSON 5
.Os
.Sh NAME
.Nm git-webhook-json
.Nd what the verbs of git webhook tell programs
.Sh DESCRIPTION
With
.Fl -json
a verb prints one object: its
.Va version ,
which is 1, and its rows under a name of their own.
A time is text of RFC 3339 in UTC, a duration a number of seconds.
The version is raised where a field goes or means something else; a new field does not raise it.
"#;

const TAIL: &str = ".Sh SEE ALSO\n.Xr git-webhook 1\n";

/// The schemas, by verb.
fn schemas(tree: &Tree) -> Vec<(&str, Value)> {
    let files = tree.iter().filter_map(|(path, text)| {
        let verb = path.strip_prefix("docs/json/")?.strip_suffix(".json")?;
        Some((verb, serde_json::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"))))
    });
    files.collect()
}

/// A verb that takes `--json` has its schema, and the page says what the schemas say.
pub fn documented(tree: &Tree) -> Vec<String> {
    let command = text(tree, "src/command/mod.rs");
    let verbs = command.split("enum Verb {").nth(1).and_then(|text| text.split("\n}").next()).unwrap_or_default();
    let answers = verbs
        .split("\n    /// ")
        .filter(|verb| verb.contains("json: bool") || verb.contains("Reach") || verb.contains("test::Trial"));
    let names = answers.filter_map(|verb| verb.lines().find_map(|line| line.strip_prefix("    ")?.strip_suffix(" {")));
    let files = names.map(|name| format!("docs/json/{}.json", name.to_lowercase()));
    let mut faults: Vec<_> =
        files.filter(|file| !tree.contains_key(file)).map(|file| format!("there is no {file}")).collect();
    if text(tree, PAGE) != page(tree) {
        faults
            .push(format!("{PAGE} is not what docs/json says: UPDATE_GOLDEN=1 cargo test --test house writes it anew"));
    }
    faults
}

/// Writes the page anew.
pub fn write_page(tree: &Tree) {
    fs::write(root().join(PAGE), page(tree)).unwrap_or_else(|error| panic!("{PAGE}: {error}"));
}

fn page(tree: &Tree) -> String {
    let mut page = HEAD.to_owned();
    for (verb, schema) in schemas(tree) {
        // Writing to a String cannot fail.
        // What no verb prints is called by the key that it belongs to.
        let title = schema["title"].as_str().filter(|title| title.starts_with("webhook."));
        let name = title.map_or_else(|| verb.replace('-', " \\-\\-"), String::from);
        let _ = writeln!(page, ".Ss {name}");
        let properties = schema["properties"].as_object();
        let rows = properties.and_then(|all| all.iter().find(|(_, value)| value["type"] == "array"));
        let _ = writeln!(page, "{}", prose(&schema["description"]));
        match rows {
            Some((name, rows)) if name != "event" && !rows["items"]["properties"].is_null() => {
                let _ = writeln!(page, "Its rows are");
                let _ = writeln!(page, ".Va {name} :");
                fields(&mut page, &rows["items"]);
            }
            _ => fields(&mut page, &schema),
        }
    }
    page + TAIL
}

/// An item for each field, those of what it holds below it.
fn fields(page: &mut String, object: &Value) {
    let required = |name: &str| object["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let _ = writeln!(page, ".Bl -tag -width Ds");
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let missing = if required(name) { "" } else { ", or left out" };
        let _ = writeln!(page, ".It Va {name} No ( {}{missing} )", kind(field));
        let _ = writeln!(page, "{}", prose(&field["description"]));
        let inner = if field["properties"].is_object() { field } else { &field["items"] };
        if inner["properties"].is_object() {
            fields(page, inner);
        }
    }
    let _ = writeln!(page, ".El");
}

/// What a field can be, in a few words.
fn kind(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    }
    if let Some(value) = field.get("const") {
        return value.to_string();
    }
    let word = |name: &str| match (name, field["format"].as_str()) {
        ("string", Some("date-time")) => "time".into(),
        ("string", Some("uuid")) => "id".into(),
        ("string", _) => "text".into(),
        (name, _) => name.to_owned(),
    };
    match &field["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(word).collect::<Vec<_>>().join(" or "),
        one => word(one.as_str().unwrap_or_default()),
    }
}

/// Text with its words in backquotes set apart, none of which mdoc takes for a macro.
fn prose(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace('`', "").replace('-', "\\-")
}

mod tests {
    use super::*;
    use crate::finds_changed;

    #[test]
    fn an_answer_is_documented() {
        let fault =
            "man/git-webhook-json.5 is not what docs/json says: UPDATE_GOLDEN=1 cargo test --test house writes it anew";
        finds_changed(documented, ("docs/json/status.json", "How many deliveries", "So many deliveries"), fault);
        let mut tree = crate::repository();
        tree.remove("docs/json/flush.json");
        assert!(documented(&tree).contains(&"there is no docs/json/flush.json".to_owned()));
    }
}
