//! Push options that open a review, change or close it.

use crate::signature;

/// What the push options `merge_request.*` ask for, as GitLab taught everybody's git to write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewOptions {
    /// `merge_request.create`.
    pub creates: bool,
    /// `merge_request.close`.
    pub closes: bool,
    /// `merge_request.target`.
    pub target: Option<String>,
    /// `merge_request.title`.
    pub title: Option<String>,
    /// `merge_request.description`.
    pub description: Option<String>,
    /// `merge_request.draft`.
    pub is_draft: bool,
    /// Those that nobody knows here.
    pub unknown: Vec<String>,
}

impl ReviewOptions {
    /// Reads them out of all options of a push.
    pub fn of(options: &[String]) -> Self {
        let mut all = Self::default();
        let own =
            options.iter().filter_map(|option| option.strip_prefix("merge_request.").or(option.strip_prefix("mr.")));
        for option in own {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let text = |is_kept: fn(char) -> bool| Some(decoded(value, is_kept)).filter(|text| !text.is_empty());
            match key {
                "create" => all.creates = true,
                "close" => all.closes = true,
                "draft" => all.is_draft = true,
                "target" => all.target = text(|_| false),
                "title" => all.title = text(|_| false),
                "description" => all.description = text(|c| c == '\n' || c == '\t'),
                other => all.unknown.push(format!("merge_request.{other}")),
            }
        }
        all
    }

    /// Whether they say what a review is called, or what it is for.
    pub fn have_text(&self) -> bool {
        self.title.is_some() || self.description.is_some() || self.is_draft
    }

    /// The title that a review gets which has this one so far.
    pub fn titled(&self, known: String) -> String {
        let title = self.title.clone().unwrap_or(known);
        let is_marked = title.to_ascii_lowercase().starts_with("draft");
        if self.is_draft && !is_marked { format!("Draft: {title}") } else { title }
    }
}

/// A value that is written in base64 says so: options are of one line each. What no line of text holds, unless it is kept,
/// becomes a blank.
fn decoded(value: &str, is_kept: fn(char) -> bool) -> String {
    let bytes = value.strip_prefix("{base64}").and_then(signature::from_base64);
    let text = bytes.map_or_else(|| value.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    let fit = |c: char| if c.is_control() && !is_kept(c) { ' ' } else { c };
    text.replace("\r\n", "\n").chars().map(fit).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[&str]) -> ReviewOptions {
        ReviewOptions::of(&options.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_as_gitlab_reads_them() {
        let options = of(&[
            "ci.skip",
            "merge_request.create",
            "merge_request.title=Try: it = now",
            "mr.target=main",
            "mr.label=x",
        ]);
        assert!(options.creates && !options.closes);
        assert_eq!((options.title.as_deref(), options.target.as_deref()), (Some("Try: it = now"), Some("main")));
        assert_eq!(options.unknown, ["merge_request.label"]);
        assert_eq!(of(&["merge_request.title={base64}w6Q="]).title.as_deref(), Some("\u{e4}"));
        assert_eq!(of(&["merge_request.title={base64}!"]).title.as_deref(), Some("{base64}!"));
        assert_eq!(of(&["merge_request.title="]).title, None);
        // "a\nb\0c\x1b[1m\r\nd"
        let odd = "{base64}YQpiAGMbWzFtDQpk";
        assert_eq!(of(&[&format!("merge_request.title={odd}")]).title.as_deref(), Some("a b c [1m d"));
        let description = of(&[&format!("merge_request.description={odd}")]).description;
        assert_eq!(description.as_deref(), Some("a\nb c [1m\nd"));
        assert_eq!(of(&["merge_request", "x.merge_request.create"]), ReviewOptions::default());
    }

    #[test]
    fn a_draft_is_marked_once() {
        let draft = ReviewOptions { is_draft: true, ..ReviewOptions::default() };
        assert_eq!([draft.titled("x".into()), draft.titled("Draft: x".into())], ["Draft: x", "Draft: x"]);
        assert_eq!(ReviewOptions::default().titled("x".into()), "x");
    }
}
