//! A URL in which expressions stand: in segments of its path, values of its query or its fragment, never where they could lead to
//! another server.

use super::Address;
use crate::message;
use crate::template::{Flaw, Template, Value};
use crate::urls::encode_whole;

/// What a filled URL has at most, in bytes, as one that is configured.
const LONGEST: usize = 8 * 1024;

/// A URL with expressions in path and query.
#[derive(Debug)]
pub struct UrlTemplate {
    /// What stands before each expression, as a URL has it, and the expression.
    pieces: Vec<(String, Template)>,
    /// What stands behind the last.
    end: String,
}

/// A URL, taken apart: what stands before each expression, the expressions, and what stands behind the last.
struct Parts<'t> {
    pieces: Vec<(&'t str, &'t str)>,
    end: &'t str,
}

impl UrlTemplate {
    /// Reads a URL that holds expressions; with it comes the address that it has whatever they are.
    ///
    /// # Errors
    /// What is wrong with the URL or an expression in it, in words that do not repeat the URL.
    pub fn parse(text: &str) -> Result<(Address, Self), String> {
        let parts = Parts::of(text)?;
        parts.check_places()?;
        // The URL parser encodes what stands around; letters and digits it leaves alone.
        let mark = (0..).map(|number| format!("gw{number}x")).find(|mark| !text.contains(mark)).unwrap_or_default();
        let marked = |number: usize| format!("{mark}{number}x");
        let numbered = parts.pieces.iter().enumerate();
        let sample: String = numbered.map(|(number, (before, _))| format!("{before}{}", marked(number))).collect();
        let address = Address::parse(&(sample + parts.end))?;
        let (mut rest, mut pieces) = (address.dial(), Vec::new());
        for (number, (_, expression)) in parts.pieces.iter().enumerate() {
            let template = Template::parse("url", expression).map_err(|flaw| message::bad_expression(flaw.why))?;
            // What stood in the fragment is not sent.
            if let Some((before, behind)) = rest.split_once(&marked(number)) {
                pieces.push((before.to_owned(), template));
                rest = behind;
            }
        }
        let end = rest.to_owned();
        Ok((address, Self { pieces, end }))
    }

    /// The URL to dial for a value: all that comes from it is percent-encoded, slashes and segments of dots too.
    ///
    /// # Errors
    /// Where an expression goes wrong for this value, or the URL becomes too long.
    pub fn fill(&self, value: &Value) -> Result<String, Flaw> {
        let mut url = String::new();
        for (before, expression) in &self.pieces {
            let text = expression.render(value, LONGEST)?;
            url = url + before + &encode_whole(&text);
        }
        let url = without_dot_segments(&(url + &self.end));
        if url.len() > LONGEST { Err(Flaw::new(message::url_too_long())) } else { Ok(url) }
    }
}

impl<'t> Parts<'t> {
    /// Takes a URL apart at its expressions.
    fn of(text: &'t str) -> Result<Self, String> {
        if ["{%", "{#"].iter().any(|open| text.contains(open)) {
            return Err(message::url_statement().into());
        }
        let (mut rest, mut pieces) = (text, Vec::new());
        while let Some((before, behind)) = rest.split_once("{{") {
            let length = end_of_expression(behind).ok_or(message::url_open_expression())?;
            let start = text.len() - rest.len() + before.len();
            let expression = &text[start..start + 2 + length];
            pieces.push((before, expression));
            rest = &behind[length..];
        }
        Ok(Self { pieces, end: rest })
    }

    /// Sees to it that no expression stands where it could change what is asked of which server.
    fn check_places(&self) -> Result<(), String> {
        let mut before = String::new();
        for (text, _) in &self.pieces {
            before += text;
            let behind_scheme = before.split_once("://").map_or("", |(_, rest)| rest);
            let Some(at) = behind_scheme.find(['/', '?', '#']) else {
                return Err(message::url_expression_in_host().into());
            };
            let (path, query) = behind_scheme[at..].split_once('?').unwrap_or((&behind_scheme[at..], ""));
            let is_in_query = !path.contains('#') && before.contains('?') && !query.contains('#');
            if is_in_query && !query.rsplit(['&', ';']).next().unwrap_or_default().contains('=') {
                return Err(message::url_expression_in_name().into());
            }
            before.push('x');
        }
        Ok(())
    }
}

/// The length of an expression with its closing braces, which may stand in its strings too.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            _ if is_escaped => is_escaped = false,
            Some(_) if c == '\\' => is_escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some(at + 2),
            None => {}
        }
    }
    None
}

/// Servers take a segment of one or two dots for a step, encoded or not; encoded it is at least no step to what lies between.
fn without_dot_segments(url: &str) -> String {
    let (path, query) = url.split_at(url.find('?').unwrap_or(url.len()));
    let segments = path.split('/').map(|segment| match segment {
        "." | ".." => segment.replace('.', "%2E"),
        _ => segment.to_owned(),
    });
    segments.collect::<Vec<_>>().join("/") + query
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(url: &str, value: &Value) -> Result<String, String> {
        let (_, template) = UrlTemplate::parse(url)?;
        template.fill(value).map_err(|flaw| flaw.why)
    }

    #[test]
    fn what_is_filled_in_stays_where_it_stands() {
        for (url, text, expected) in [
            ("http://h/a/{{ x }}/b?c={{ x }}&d", "e f", "http://h/a/e%20f/b?c=e%20f&d"),
            ("http://h/{{x}}", "../a/?b#c&d=e", "http://h/..%2Fa%2F%3Fb%23c%26d%3De"),
            ("http://h/é/{{x}}/ü?ä={{x}}", "ß", "http://h/%C3%A9/%C3%9F/%C3%BC?%C3%A4=%C3%9F"),
            ("http://h/a/{{ x }}/b", "..", "http://h/a/%2E%2E/b"),
            ("http://h/a/.{{ x }}", ".", "http://h/a/%2E%2E"),
            ("http://h/a/{{ x }}", "...", "http://h/a/..."),
            ("http://h/{{ x }}#{{ x }}", "1", "http://h/1"),
            ("http://h/?a={{ x ~ '}}' }}", "1", "http://h/?a=1%7D%7D"),
            ("http://h/gw0x{{ x }}", "1", "http://h/gw0x1"),
            ("http://h/{{ x }}{{ x }}", "@", "http://h/%40%40"),
        ] {
            assert_eq!(filled(url, &json!({ "x": text })).as_deref(), Ok(expected), "{url} {text}");
        }
    }

    #[test]
    fn an_expression_leads_to_no_other_server() {
        for url in [
            "http://{{ x }}/",
            "{{ x }}://h/",
            "http://h:{{ x }}/",
            "http://{{ x }}@h/",
            "http://u:{{ x }}@h/",
            "http://h{{ x }}/",
            "http://h/?{{ x }}",
            "http://h/?{{ x }}=1",
            "http://h/?a=1&{{ x }}",
            "http://h/?a=1;{{ x }}=2",
            "http://h/{% if x %}a{% endif %}",
            "http://h/{# x #}",
            "http://h/{{ x ",
            "http://h/{{ x | }}",
            "http://h/{{ }}",
        ] {
            assert!(UrlTemplate::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_is_not_known_or_too_long_is_an_error() {
        assert!(filled("http://h/{{ y }}", &json!({ "x": 1 })).is_err());
        assert!(filled("http://h/{{ x | nothing }}", &json!({ "x": 1 })).is_err());
        assert!(filled("http://h/{{ x }}", &json!({ "x": "a".repeat(9000) })).is_err());
        assert!(filled("http://h/{{ x }}", &json!({ "x": "/".repeat(4000) })).is_err());
    }
}
