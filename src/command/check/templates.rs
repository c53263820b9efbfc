//! Templates: whether each has something to say of every kind of event that its target is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Scene;
use super::finding::{Finding, Kind};
use super::mend;
use super::receivers::file_of;
use crate::command::sample;
use crate::event::Event;
use crate::format;
use crate::message;
use crate::target::{Recipe, Target};

pub(super) fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let targets = scene.place.configuration.ready().filter(|target| target.switch.is_on());
    let with_recipe = targets.filter_map(|target| Some((target, target.recipe.as_deref()?)));
    with_recipe.flat_map(|(target, recipe)| of_target(scene, target, recipe)).collect()
}

/// A mistake is told once, however many kinds of events have it.
fn of_target(scene: &Scene<'_>, target: &Target, recipe: &Recipe) -> Vec<Finding> {
    // What cannot be opened is told elsewhere.
    let Ok(objects) = scene.place.objects() else { return Vec::new() };
    let context = Arc::new(scene.place.context(target.is_protected, &objects, scene.environment));
    let file = recipe.file.clone().unwrap_or_else(|| file_of(scene, target, "url"));
    let of_configuration = file_of(scene, target, "header");
    let (mut wrong, mut no_json) = (BTreeSet::new(), false);
    for event in &sample::events(&context) {
        match tried(target, recipe, event) {
            Some(Ok(body)) => no_json |= is_said_to_be_json(recipe) && !is_json(&body),
            Some(Err(Wrong::Body(why))) => drop(wrong.insert((why, &file))),
            Some(Err(Wrong::Rest(why))) => drop(wrong.insert((why, &of_configuration))),
            None => {}
        }
    }
    let wrong = wrong.into_iter().map(|(why, file)| Finding::error(Kind::TemplateFails, why).mend(mend::edit(file)));
    let advice = || Finding::advice(Kind::TemplateNoJson, message::check_no_json(&target.name)).mend(mend::edit(&file));
    wrong.chain(no_json.then(advice)).map(|finding| finding.of(target.name.as_str())).collect()
}

/// What is wrong, and where.
enum Wrong {
    /// In the template's file.
    Body(String),
    /// In URL or headers.
    Rest(String),
}

/// What comes of an event that the target is told; `None` of any other.
fn tried(target: &Target, recipe: &Recipe, event: &Event) -> Option<Result<Vec<u8>, Wrong>> {
    let name = event.names().find(|name| target.events.contains(name) && target.format.has(*name))?;
    let value = format::event_value(event, name, &target.shape.limits)?;
    let told = |flaw| message::check_template(&target.name, name.word(), flaw);
    let body = recipe.body(&value, target.shape.most_bytes).map_err(|flaw| Wrong::Body(told(flaw)));
    let rest = || recipe.request_parts(&value).map_err(|flaw| Wrong::Rest(told(flaw)));
    Some(body.and_then(|body| rest().map(|_| body)))
}

fn is_said_to_be_json(recipe: &Recipe) -> bool {
    let essence = recipe.media_type.split(';').next().unwrap_or_default().trim_end();
    recipe.body.is_some() && (essence == "application/json" || essence.ends_with("+json"))
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
