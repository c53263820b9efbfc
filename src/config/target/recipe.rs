//! A target's own template, with expressions in its URL and headers: read here, so that what renders it needs no files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{TargetReader, header};
use crate::config::entry::{Entry, Scope};
use crate::config::problem::Problem;
use crate::config::secret_file;
use crate::config::value::{Wrong, text};
use crate::format::{Encoding, Format, Method};
use crate::message;
use crate::target::{Address, Recipe, UrlTemplate};
use crate::template::{Renderer, Template};

impl<'a> TargetReader<'a> {
    /// The address, and the URL's expressions where the format has a use for them.
    pub(super) fn address(
        &mut self,
        entry: &'a Entry,
        format: Option<&Format>,
    ) -> Option<(Address, Option<UrlTemplate>)> {
        let takes_expressions = format.is_some_and(Format::takes_template);
        self.parse("url", entry, |text| match takes_expressions && text.contains("{{") {
            true => UrlTemplate::parse(text).map(|(address, template)| (address, Some(template))),
            false => Ok((Address::parse(text)?, None)),
        })
    }

    /// What makes the requests of a target whose format is a template of its own.
    pub(super) fn recipe(&mut self, format: &Format, url: Option<UrlTemplate>) -> Option<Arc<Recipe>> {
        if !format.takes_template() {
            self.warn_of_unused(format);
            return None;
        }
        let method = self.value("method", method).unwrap_or(Method::Post);
        let media_type = self.value("contentType", media_type).unwrap_or_else(|| Encoding::Json.media_type().into());
        let (body, file) = self.body(method);
        let headers = self.header_templates(format);
        Some(Arc::new(Recipe { method, body, file, media_type, url, headers, renderer: Renderer::default() }))
    }

    /// The template, where it can be read, and the file that it stands in.
    fn body(&mut self, method: Method) -> (Option<Template>, Option<PathBuf>) {
        let Some(entry) = self.last("template") else {
            if method != Method::Get
                && let Some(entry) = self.last("url")
            {
                let key = format!("webhook.{}.template", self.name);
                self.problems.push(Problem::new(&key, entry, message::lacks_template()));
            }
            return (None, None);
        };
        let Some(name) = self.parse("template", entry, text) else { return (None, None) };
        let dir = self.settings.template_dir.as_deref();
        let source = secret_file::read_template(&name, entry.scope, self.templates, dir);
        let source = source.map_err(|why| self.problem("template", entry, why)).ok();
        let file = self.place_of_template(&name, entry.scope);
        (source.map(|source| Template { name, source }), Some(file))
    }

    /// Where the template of this name is looked for.
    pub(super) fn place_of_template(&self, name: &str, scope: Scope) -> PathBuf {
        let of_server = self.settings.template_dir.as_deref().filter(|_| scope < Scope::Repository);
        of_server.map_or_else(|| self.templates.path(), Path::to_path_buf).join(name)
    }

    /// Whether a header's value is for the target's own format to fill in.
    pub(super) fn is_header_template(format: Option<&Format>, value: &str) -> bool {
        format.is_some_and(Format::takes_template) && (value.contains("{{") || value.contains("{%"))
    }

    fn header_templates(&mut self, format: &Format) -> Vec<(String, Template)> {
        let mut templates = Vec::new();
        for (entry, value) in self.list("header") {
            if Self::is_header_template(Some(format), value) {
                match header_template(value, format) {
                    Ok(template) => templates.push(template),
                    Err(why) => self.problem("header", entry, why),
                }
            }
        }
        templates
    }

    /// What is the default of all targets is for those that have a use for it.
    fn warn_of_unused(&mut self, format: &Format) {
        for name in ["template", "method"] {
            if let Some(entry) = self.last(name).filter(|entry| entry.subsection.is_some()) {
                self.warn(name, entry, message::unused_by_format(format.name));
            }
        }
    }
}

/// A name that is written down, and what is filled in behind it. What lets a request in is nobody's to fill in but the
/// administrator's.
fn header_template(line: &str, format: &Format) -> Result<(String, Template), String> {
    let (name, value) = header::parse(line)?;
    if format.sets_header(&name) {
        return Err(message::header_of_format().into());
    }
    if name.eq_ignore_ascii_case("authorization") {
        return Err(message::header_not_filled_in().into());
    }
    Ok((name, Template { name: "header".into(), source: value }))
}

fn method(value: &str) -> Result<Method, Wrong> {
    match value.to_ascii_uppercase().as_str() {
        "GET" => Ok(Method::Get),
        "POST" => Ok(Method::Post),
        "PUT" => Ok(Method::Put),
        _ => Err(message::no_method()),
    }
}

/// RFC 9110, section 8.3.1; the two words that every format has stand for the media types that they send.
fn media_type(value: &str) -> Result<String, Wrong> {
    match value {
        "json" => return Ok(Encoding::Json.media_type().into()),
        "form" => return Ok(Encoding::Form.media_type().into()),
        _ => {}
    }
    let is_token = |word: &str| !word.is_empty() && word.chars().all(header::is_of_token);
    let (essence, _) = value.split_once(';').unwrap_or((value, ""));
    let is_type = essence.trim_end().split_once('/').is_some_and(|(one, other)| is_token(one) && is_token(other));
    let is_plain = value.chars().all(|c| matches!(c, ' '..='~'));
    if is_type && is_plain { Ok(value.into()) } else { Err(message::no_media_type()) }
}
