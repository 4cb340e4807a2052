//! Values against the part of JSON Schema 2020-12 that the document uses; a word that it doesn't know is an error.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Words that say nothing about a value.
const SILENT: [&str; 4] = ["description", "format", "default", "title"];

/// A document whose schemas refer to each other.
pub struct Document(pub Value);

impl Document {
    /// What `{"$ref": "#/…"}` stands for; anything else is itself.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(text) => {
                let target = self.0.pointer(text.strip_prefix('#').expect("references are within the document"));
                self.resolved(target.unwrap_or_else(|| panic!("{text} leads nowhere")))
            }
            None => value,
        }
    }

    /// All that is wrong with a value.
    pub fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        self.check(schema, value, "", &mut errors);
        errors
    }

    /// Collects what is wrong; gives the names of an object's fields that some schema knows.
    fn check(&self, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) -> BTreeSet<String> {
        let schema = schema.as_object().unwrap_or_else(|| panic!("no schema: {schema}"));
        let mut known = BTreeSet::new();
        for (word, rule) in schema {
            let mut wrong = |text: String| errors.push(format!("{at}: {text}"));
            match word.as_str() {
                "$ref" => known.extend(self.check(self.resolved(&Value::Object(schema.clone())), value, at, errors)),
                "allOf" => {
                    for part in rule.as_array().unwrap() {
                        known.extend(self.check(part, value, at, errors));
                    }
                }
                "oneOf" => {
                    let all: Vec<Vec<String>> =
                        rule.as_array().unwrap().iter().map(|part| self.errors(part, value)).collect();
                    if all.iter().filter(|errors| errors.is_empty()).count() != 1 {
                        wrong(format!("not one of several: {all:?}"));
                    }
                }
                "type" => {
                    let types = rule.as_array().map_or_else(|| vec![rule], |types| types.iter().collect());
                    if !types.iter().any(|name| is_of(value, name.as_str().unwrap())) {
                        wrong(format!("{value} is no {rule}"));
                    }
                }
                "enum" if !rule.as_array().unwrap().contains(value) => wrong(format!("{value} is none of {rule}")),
                "const" if rule != value => wrong(format!("{value} is not {rule}")),
                "minimum" | "maximum" => {
                    let bound = rule.as_f64().unwrap();
                    let is_beyond = |number: f64| if word == "minimum" { number < bound } else { number > bound };
                    if value.as_f64().is_some_and(is_beyond) {
                        wrong(format!("{value} is beyond the {word} {rule}"));
                    }
                }
                "minItems" | "maxItems" => {
                    let length = value.as_array().map_or(0, Vec::len) as u64;
                    let bound = rule.as_u64().unwrap();
                    let is_beyond = if word == "minItems" { length < bound } else { length > bound };
                    if is_beyond {
                        wrong(format!("{length} items, {word} {bound}"));
                    }
                }
                "items" => {
                    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}[{number}]"), errors);
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.as_object().is_some_and(|fields| !fields.contains_key(name.as_str().unwrap())) {
                            wrong(format!("{name} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, part) in rule.as_object().unwrap() {
                        if let Some(field) = value.get(name) {
                            known.insert(name.clone());
                            self.check(part, field, &format!("{at}.{name}"), errors);
                        }
                    }
                }
                "enum" | "const" | "additionalProperties" | "unevaluatedProperties" => {}
                word if SILENT.contains(&word) => {}
                word => panic!("{at}: the word {word} is not understood"),
            }
        }
        self.close(schema, value, at, &known, errors);
        known
    }

    /// Nothing may be in a closed object that no schema knows.
    fn close(
        &self,
        schema: &Map<String, Value>,
        value: &Value,
        at: &str,
        known: &BTreeSet<String>,
        errors: &mut Vec<String>,
    ) {
        let closed = ["additionalProperties", "unevaluatedProperties"].map(|word| schema.get(word));
        if closed.contains(&Some(&Value::Bool(false))) {
            let names = value.as_object().into_iter().flatten().map(|(name, _)| name);
            errors.extend(
                names.filter(|name| !known.contains(*name)).map(|name| format!("{at}: {name} is not documented")),
            );
        }
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("there is no type {name}"),
    }
}

#[test]
fn what_is_wrong_is_found() {
    let document = Document(serde_json::json!({
        "base": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "required": ["a"]},
        "whole": {
            "type": "object", "allOf": [{"$ref": "#/base"}], "properties": {
                "b": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}]},
                "c": {"type": ["number", "null"]}, "d": {"enum": ["x", "y"]}, "e": {"const": true}
            },
            "required": ["b"], "unevaluatedProperties": false
        }
    }));
    let schema = serde_json::json!({"$ref": "#/whole"});
    for (value, errors) in [
        (r#"{"a": 1, "b": "x", "c": null, "d": "y", "e": true}"#, 0),
        (r#"{"a": 1, "b": ["x", "y"], "c": 1.5}"#, 0),
        (r#"{"b": "x"}"#, 1),
        (r#"{"a": 1}"#, 1),
        (r#"{"a": -1, "b": "x"}"#, 1),
        (r#"{"a": 1.0, "b": "x"}"#, 1),
        (r#"{"a": 1, "b": ["x"]}"#, 1),
        (r#"{"a": 1, "b": ["x", 1]}"#, 1),
        (r#"{"a": 1, "b": "x", "c": "1"}"#, 1),
        (r#"{"a": 1, "b": "x", "d": "z", "e": false}"#, 2),
        (r#"{"a": 1, "b": "x", "f": 1}"#, 1),
        ("[]", 2),
    ] {
        let found = document.errors(&schema, &serde_json::from_str(value).unwrap());
        assert_eq!(found.len(), errors, "{value}: {found:?}");
    }
}
