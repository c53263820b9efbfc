//! A URL in which expressions stand: in segments of its path, values of its query or its fragment, never where they could lead to
//! another server.

use super::Address;
use crate::message;
use crate::template::{Flaw, Template};
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
        // The URL parser encodes what stands around, and makes capitals small before the path; letters and digits it leaves alone.
        let is_free = |mark: &String| !text.to_lowercase().contains(mark) && !text.contains(mark);
        let mark = (0..).map(|number| format!("gw{number}x")).find(is_free).unwrap_or_default();
        let marked = |number: usize| format!("{mark}{number}x");
        let numbered = parts.pieces.iter().enumerate();
        let sample: String = numbered.map(|(number, (before, _))| format!("{before}{}", marked(number))).collect();
        let address = Address::parse(&(sample + parts.end))?;
        let (origin, behind) = address.dial().split_at(address.dial().len() - address.behind_authority().len());
        let (mut before, mut rest, mut pieces) = (origin.to_owned(), behind, Vec::new());
        for (number, (_, expression)) in parts.pieces.iter().enumerate() {
            match rest.split_once(&marked(number)) {
                Some((text, behind)) => {
                    let source = (*expression).to_owned();
                    pieces.push((before + text, Template { name: "url".into(), source }));
                    (before, rest) = (String::new(), behind);
                }
                // What stands in the fragment is not sent; what stood before a step up would be left out unseen.
                None if parts.is_in_fragment(number) => {}
                None => return Err(message::url_steps_up().into()),
            }
        }
        let end = before + rest;
        Ok((address, Self { pieces, end }))
    }

    /// The expressions, each with how many bytes it may make.
    pub fn templates(&self) -> impl Iterator<Item = (&Template, usize)> {
        self.pieces.iter().map(|(_, template)| (template, LONGEST))
    }

    /// The URL to dial with what came of each expression: all of that is percent-encoded, slashes and segments of dots too.
    ///
    /// # Errors
    /// Where the URL becomes too long.
    pub fn fill(&self, texts: impl IntoIterator<Item = String>) -> Result<String, Flaw> {
        let mut url = String::new();
        for ((before, _), text) in self.pieces.iter().zip(texts) {
            url = url + before + &encode_whole(text.as_bytes());
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

    /// Whether the expression with this number stands behind a `#`.
    fn is_in_fragment(&self, number: usize) -> bool {
        self.pieces.iter().take(number + 1).any(|(before, _)| before.contains('#'))
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
    let segments = path.split('/').map(|segment| {
        let dots = segment.replace("%2e", ".").replace("%2E", ".");
        if matches!(dots.as_str(), "." | "..") { dots.replace('.', "%2E") } else { segment.to_owned() }
    });
    segments.collect::<Vec<_>>().join("/") + query
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filled with one text for every expression.
    fn filled(url: &str, text: &str) -> Result<String, String> {
        let (_, template) = UrlTemplate::parse(url)?;
        let texts: Vec<_> = template.templates().map(|_| text.to_owned()).collect();
        template.fill(texts).map_err(|flaw| flaw.why)
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
            ("http://h/?a={{ x ~ '}}' }}&b={{ x }}", "1", "http://h/?a=1&b=1"),
            ("http://h/%2e{{ x }}/y", ".", "http://h/%2E%2E/y"),
            ("http://GW0X0X.h/GW0X0X/{{ x }}", "1", "http://gw0x0x.h/GW0X0X/1"),
            ("http://h/gw0x{{ x }}", "1", "http://h/gw0x1"),
            ("http://h/{{ x }}{{ x }}", "@", "http://h/%40%40"),
        ] {
            assert_eq!(filled(url, text).as_deref(), Ok(expected), "{url} {text}");
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
            "http://h/{{ x }}/../{{ x }}",
        ] {
            assert!(UrlTemplate::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_is_too_long_is_an_error() {
        assert!(filled("http://h/{{ x }}", &"a".repeat(9000)).is_err());
        assert!(filled("http://h/{{ x }}", &"/".repeat(4000)).is_err());
    }
}
