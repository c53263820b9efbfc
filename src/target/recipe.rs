//! How a target that has a template of its own is told of an event: the body, and expressions in URL and headers.

use std::path::PathBuf;

use super::{Target, UrlTemplate};
use crate::event::{Event, EventName};
use crate::format::{self, Limits, Method, Payload, Rendered};
use crate::message;
use crate::template::{Flaw, Renderer, Template, Value};

/// What an expression makes of a header at most, in bytes.
const LONGEST_HEADER: usize = 4 * 1024;

/// What a target's requests are made by, beside its format.
#[derive(Debug)]
pub struct Recipe {
    /// The method.
    pub method: Method,
    /// What makes the body; `None` where a GET has none.
    pub body: Option<Template>,
    /// The file that it stands in, or should.
    pub file: Option<PathBuf>,
    /// The media type of the body.
    pub media_type: String,
    /// The URL, where it holds expressions.
    pub url: Option<UrlTemplate>,
    /// The headers that hold expressions, by their names.
    pub headers: Vec<(String, Template)>,
    /// Who renders all that.
    pub renderer: Renderer,
}

/// What expressions make of a request at each attempt.
#[derive(Debug, Default)]
pub struct RequestParts {
    /// The URL to dial, where it is not the target's.
    pub url: Option<String>,
    /// Headers, by their names.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Recipe {
    /// The body that tells a value, in at most so many bytes.
    ///
    /// # Errors
    /// Where the template goes wrong for this value.
    pub fn body(&self, value: &Value, most: usize) -> Result<Vec<u8>, Flaw> {
        let Some(body) = &self.body else { return Ok(Vec::new()) };
        let made = self.renderer.render(&[(body, most)], value).pop();
        made.unwrap_or_else(|| Ok(String::new())).map(String::into_bytes)
    }

    /// The payload of an event. Of one that it goes wrong for, in URL or headers too, there is the value and what is wrong.
    fn payload(&self, event: &Event, name: EventName, limits: &Limits, most: usize) -> Option<Payload> {
        let value = format::event_value(event, name, limits)?;
        let made = self.body(&value, most).and_then(|body| self.request_parts(&value).map(|_| body));
        let (body, flaw) = made.map_or_else(|flaw| (Vec::new(), Some(flaw)), |body| (body, None));
        Some(Payload { event: name.word().into(), body, value: Some(value), flaw })
    }

    /// URL and headers for a value.
    ///
    /// # Errors
    /// Where an expression goes wrong for this value, or makes what a URL or a header cannot hold.
    pub fn request_parts(&self, value: &Value) -> Result<RequestParts, Flaw> {
        let of_url: Vec<_> = self.url.iter().flat_map(UrlTemplate::templates).collect();
        let of_headers = self.headers.iter().map(|(_, template)| (template, LONGEST_HEADER));
        let all: Vec<_> = of_url.iter().copied().chain(of_headers).collect();
        let made = self.renderer.render(&all, value).into_iter().zip(&all);
        let mut made = made.map(|(made, (_, most))| made.map_err(|flaw| short(flaw, *most)));
        let fill = |url: &UrlTemplate| url.fill(made.by_ref().take(of_url.len()).collect::<Result<Vec<_>, _>>()?);
        let url = self.url.as_ref().map(fill).transpose().map_err(|flaw| Flaw::new(message::of_url(flaw)))?;
        let header = |(name, made): (&String, Result<String, Flaw>)| {
            let text = made.map_err(|flaw| Flaw::new(message::of_header(name, flaw)))?;
            let is_bad = text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t');
            if is_bad {
                Err(Flaw::new(message::header_control_character(name)))
            } else {
                Ok((name.clone(), text.into()))
            }
        };
        let names = self.headers.iter().map(|(name, _)| name);
        Ok(RequestParts { url, headers: names.zip(made).map(header).collect::<Result<_, _>>()? })
    }

    /// About how many bytes expressions add to the head of a request at most.
    pub fn most_added(&self) -> usize {
        let headers = self.headers.iter().map(|(name, _)| name.len() + LONGEST_HEADER).sum::<usize>();
        headers + if self.url.is_some() { 8 * 1024 } else { 0 }
    }
}

/// Of a piece of a URL or a header no event that tells less makes a shorter one.
fn short(flaw: Flaw, most: usize) -> Flaw {
    if flaw.is_of_size { Flaw::new(message::expression_too_long(most)) } else { flaw }
}

impl Target {
    /// The payload that tells this target of an event; `None` where its forge has no such event, or tells it with all of its push.
    pub fn render(&self, event: &Event, name: EventName) -> Option<Rendered> {
        let shape = &self.shape;
        // What is built again is built for the format that it had.
        if !self.format.takes_template() {
            return self.format.render(event, name, shape);
        }
        let Some(recipe) = &self.recipe else {
            let value = format::event_value(event, name, &shape.limits)?;
            let flaw = Some(Flaw::new(message::made_for_template()));
            let payload = Payload { event: name.word().into(), body: Vec::new(), value: Some(value), flaw };
            return Some(Rendered { payload, reduced: None });
        };
        let build = |limits: &Limits| recipe.payload(event, name, limits, shape.most_bytes);
        format::fit(shape, self.format.wants.commits, build)
    }
}
