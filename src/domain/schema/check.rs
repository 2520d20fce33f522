//! Rows against a schema: each parameter by itself, then what must be there, then all together.

use std::fmt;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Map, Value};

use super::Schema;
use super::clean::without;
use super::param::{Kind, Param, TEXT_BOUNDS, expects, quote};
use crate::domain::text;

/// Parameters that every submission may have (atlas-api.md 1.6).
const ALWAYS: [&str; 1] = ["webhook_url"];
/// Names told where a parameter is unknown.
const TOLD: usize = 20;

/// What a schema has against a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The parameter it is about; `None` where it is about the whole request.
    pub param: Option<String>,
    /// What was found and what is expected.
    pub message: String,
}

/// Validators, compiled once for a model.
pub(super) struct Rules {
    compiled: Schemas,
    /// In the order of the parameters; `None` takes everything.
    params: Vec<Option<SchemaIndex>>,
    /// What is said of several parameters at once.
    whole: Option<(SchemaIndex, String)>,
}

impl Rules {
    /// Compiles the rules of parameters and of their combinations. A rule that does not compile even
    /// without its patterns holds nothing.
    pub(super) fn compile(params: &[Param], root: &Value) -> Self {
        let mut compiled = Schemas::new();
        let params = params
            .iter()
            .enumerate()
            .map(|(n, param)| compile(&format!("p{n}"), param.shape(), &mut compiled))
            .collect();
        let whole = combinations(root).and_then(|shape| {
            Some((compile("whole", &shape, &mut compiled)?, alternatives(&shape)))
        });
        Self { compiled, params, whole }
    }

    fn holds(&self, rule: Option<SchemaIndex>, value: &Value) -> bool {
        rule.is_none_or(|rule| self.compiled.validate(value, rule).is_ok())
    }
}

/// Adds a rule. One that is not understood is tried without its patterns.
fn compile(name: &str, shape: &Value, rules: &mut Schemas) -> Option<SchemaIndex> {
    let mut add = |shape: Value, place: String| {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(&place, shape).ok()?;
        compiler.compile(&place, rules).ok()
    };
    add(shape.clone(), format!("mem:///{name}")).or_else(|| {
        let mut plain = shape.clone();
        without(&mut plain, &["pattern"]);
        add(plain, format!("mem:///{name}-plain"))
    })
}

/// The part of an input that speaks of several parameters at once. How texts must look is said of
/// each by itself, and a part may not close what its neighbours add to.
fn combinations(root: &Value) -> Option<Value> {
    let kept: Map<String, Value> = ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), root.get(name)?.clone())))
        .collect();
    if kept.is_empty() {
        return None;
    }
    let mut shape = Value::Object(kept);
    without(&mut shape, &TEXT_BOUNDS);
    without(&mut shape, &["additionalProperties"]);
    Some(shape)
}

/// What the alternatives of an input require, in words.
fn alternatives(shape: &Value) -> String {
    let parts =
        ["anyOf", "oneOf"].into_iter().filter_map(|name| shape.get(name)?.as_array()).flatten();
    let required = parts.map(|part| {
        let names = part.get("required").and_then(Value::as_array).into_iter().flatten();
        let names = names.filter_map(Value::as_str).filter(|name| *name != "model");
        names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
    });
    required.filter(|names| !names.is_empty()).take(4).collect::<Vec<_>>().join(", or ")
}

impl Schema {
    /// Everything that is wrong with the parameters of a request to `model`; nothing where it is right.
    #[must_use]
    pub fn check(&self, model: &str, params: &Map<String, Value>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let missing: Vec<String> = self
            .params
            .iter()
            .filter(|param| param.required && params.get(&param.name).is_none_or(is_blank))
            .map(|param| format!("`{}`", param.name))
            .collect();
        if !missing.is_empty() {
            let message = format!("{model} needs {}", missing.join(" and "));
            faults.push(Fault { param: None, message });
        }
        for (name, value) in params {
            faults.extend(self.check_one(model, name, value));
        }
        if let (Some((rule, needs)), true) = (&self.rules.whole, faults.is_empty())
            && !self.rules.holds(Some(*rule), &self.whole(model, params))
        {
            let hint = if needs.is_empty() { String::new() } else { format!("; it needs {needs}") };
            let message = format!("these parameters do not go together for {model}{hint}");
            faults.push(Fault { param: None, message });
        }
        faults
    }

    fn check_one(&self, model: &str, name: &str, value: &Value) -> Option<Fault> {
        let fault = |message| Some(Fault { param: Some(name.to_owned()), message });
        let Some(place) = self.params.iter().position(|param| param.name == name) else {
            let known = self.open || ALWAYS.contains(&name);
            return if known { None } else { fault(self.unknown(model, name)) };
        };
        let (param, rule) = (&self.params[place], self.rules.params[place]);
        if self.rules.holds(rule, value) {
            return None;
        }
        if let (Value::Array(items), Some(shape)) = (value, param.shape().get("items"))
            && let Some((n, item)) = self.wrong_item(place, items)
        {
            let (found, expected) = (quote(item), expects(shape));
            return fault(format!(
                "item {} of `{name}` is {found}; {model} takes {expected}",
                n + 1
            ));
        }
        if value.is_object() && param.kinds.contains(&Kind::Table) {
            return fault(format!(
                "something in the table `{name}` does not fit what {model} takes"
            ));
        }
        let near = nearest_allowed(param, value).unwrap_or_default();
        fault(format!("`{name}` is {}; {model} takes {}{near}", quote(value), param.expects()))
    }

    /// The item that makes a list wrong, where it is one.
    fn wrong_item<'a>(&self, place: usize, items: &'a [Value]) -> Option<(usize, &'a Value)> {
        let rule = self.rules.params[place];
        let full = |item: &Value| Value::Array(vec![item.clone(); items.len()]);
        items
            .iter()
            .enumerate()
            .find(|(_, item)| !self.rules.holds(rule, &full(item)))
            .filter(|_| items.iter().any(|item| self.rules.holds(rule, &full(item))))
    }

    /// What is checked as a whole: the body, and what it will have without being sent.
    fn whole(&self, model: &str, params: &Map<String, Value>) -> Value {
        let mut all = params.clone();
        all.insert("model".to_owned(), model.into());
        for param in &self.params {
            if let (Some(value), false) = (param.default(), all.contains_key(&param.name)) {
                all.insert(param.name.clone(), value.clone());
            }
        }
        Value::Object(all)
    }

    fn unknown(&self, model: &str, name: &str) -> String {
        let shown = text::cut(&text::visible(name), 80);
        let names = || self.params.iter().map(|param| param.name.as_str());
        if let Some(near) = text::nearest(name, names()) {
            return format!("unknown parameter `{shown}`, did you mean `{near}`?");
        }
        let told: Vec<&str> = names().take(TOLD).collect();
        let more = if self.params.len() > TOLD { " …" } else { "" };
        format!("unknown parameter `{shown}`; {model} takes {}{more}", told.join(", "))
    }
}

fn nearest_allowed(param: &Param, value: &Value) -> Option<String> {
    let wrong = value.as_str()?;
    let near = text::nearest(wrong, param.allowed.iter().filter_map(Value::as_str))?;
    Some(format!("; did you mean `{near}`?"))
}

/// Whether nothing was given: empty texts and lists are refused by the API like missing ones.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = self.params.iter().filter(|rule| rule.is_some()).count();
        f.debug_struct("Rules").field("params", &params).finish_non_exhaustive()
    }
}
