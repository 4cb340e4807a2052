//! The document of the API against what a running engine answers: every path, every answer, every field.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod schema;

use std::collections::BTreeSet;
use std::process::Command;

use common::program::Program;
use schema::Document;
use serde_json::Value;

/// An engine that has seen a bit of everything: logs of two kinds moved to now, a segment that can't be read, a wrong secret.
fn fed() -> Program {
    let program = Program::start(&["--expect-nodes", "3", "--filter", "status:200,404"]);
    let captures = [
        "ats-8.1-collation-rich",
        "ats-8.1-collation-reconnect.conn0",
        "ats-8.1-collation-many-objects.conn6-aggregate",
    ];
    let files = captures.map(|name| common::own().join(format!("{name}.bin.zst")));
    let replay = Command::new(env!("CARGO_BIN_EXE_visulate"))
        .args(["replay", "--shift-to-now", "--to", &program.collation.to_string()])
        .args(files)
        .status();
    assert!(replay.unwrap().success());
    let entries = captures.map(|name| common::capture(name).entries).iter().sum();
    let requests = program.received(entries)["requests"].as_u64().unwrap();
    // Tables of large dimensions come once a second.
    program.top("client", requests);
    let mut bad = common::capture("ats-8.1-collation-reconnect.conn1").stream;
    bad.truncate(2000);
    program.send(&bad);
    program.send(b"\x05\0\0\0wrong");
    program.summary(|summary| {
        ["secret", "cut"].iter().all(|cause| summary["rejected"][cause]["connections"].as_u64() > Some(0))
    });
    program
}

fn document(program: &Program) -> Document {
    Document(program.json("/api/v1/openapi.json"))
}

/// Questions for a documented path: with none but the needed parameters, and each parameter with each of its words.
fn questions(document: &Document, path: &str, get: &Value) -> Vec<String> {
    let parameters: Vec<&Value> =
        get["parameters"].as_array().into_iter().flatten().map(|parameter| document.resolved(parameter)).collect();
    let words = |parameter: &Value| -> Vec<String> {
        let schema = document.resolved(&parameter["schema"]);
        match schema["enum"].as_array() {
            Some(words) => words.iter().map(|word| word.as_str().unwrap().to_owned()).collect(),
            None => ["minimum", "maximum"].iter().filter_map(|bound| schema.get(bound)).map(Value::to_string).collect(),
        }
    };
    let asked = |parameter: &Value, word: &str| format!("{}={word}", parameter["name"].as_str().unwrap());
    let needed: Vec<&&Value> = parameters.iter().filter(|parameter| parameter["required"] == true).collect();
    let mut questions = BTreeSet::new();
    let usual: Vec<String> = needed.iter().map(|parameter| asked(parameter, "status")).collect();
    questions.insert(usual.clone());
    for parameter in &parameters {
        for word in words(parameter) {
            let mut one: Vec<String> = if needed.iter().any(|needed| needed["name"] == parameter["name"]) {
                Vec::new()
            } else {
                usual.clone()
            };
            one.push(asked(parameter, &word));
            questions.insert(one);
        }
    }
    questions.into_iter().map(|question| format!("{path}?{}", question.join("&"))).collect()
}

/// The schema of an answer of that kind.
fn schema<'a>(document: &'a Document, get: &'a Value, status: &str, kind: &str) -> &'a Value {
    let answer = document.resolved(&get["responses"][status]);
    let content = answer["content"].as_object().unwrap_or_else(|| panic!("no {status} of {kind} is documented: {get}"));
    let is_of = |name: &str| kind == name || kind.starts_with(&format!("{name};"));
    &content.iter().find(|(name, _)| is_of(name)).unwrap_or_else(|| panic!("{kind} is not documented: {get}")).1["schema"]
}

/// Checks an answer; gives its body.
fn check(program: &Program, document: &Document, get: &Value, question: &str) -> (u16, Value) {
    let (status, kind, body) = program.ask("GET", question, "");
    let schema = schema(document, get, &status.to_string(), &kind);
    let value = if kind == "application/json" { serde_json::from_str(&body).unwrap() } else { Value::from(body) };
    let errors = document.errors(schema, &value);
    assert!(errors.is_empty(), "{question}: {}", errors[..errors.len().min(20)].join("\n"));
    (status, value)
}

#[test]
fn every_answer_is_as_documented() {
    let program = fed();
    let document = document(&program);
    let paths = document.0["paths"].as_object().unwrap();
    for (path, item) in paths {
        let get = &item["get"];
        if path == "/ws" {
            let (status, kind, body) = program.ask("GET", path, "");
            assert_eq!(status, 426);
            let errors = document.errors(schema(&document, get, "426", &kind), &serde_json::from_str(&body).unwrap());
            assert_eq!(errors, [""; 0]);
            continue;
        }
        let mut answered = 0;
        for question in questions(&document, path, get) {
            let (status, _) = check(&program, &document, get, &question);
            assert!(status == 200 || question.contains("dimension="), "{question}");
            answered += usize::from(status == 200);
        }
        assert!(answered > 0, "{path}");
        let filterable = get["parameters"].as_array().into_iter().flatten();
        if filterable.into_iter().any(|parameter| document.resolved(parameter)["name"] == "filter") {
            let separator = if path.ends_with("/top") || path.ends_with("/rank") { "dimension=site&" } else { "" };
            let ask = |filter: &str| check(&program, &document, get, &format!("{path}?{separator}filter={filter}")).0;
            assert_eq!(ask("status:200&filter=status:404"), 200, "{path}: kept from the start");
            // Records are looked through one by one, whatever the filter.
            let of_any = if path.ends_with("/entries") { 200 } else { 409 };
            assert_eq!(ask("status:200&filter=method:GET"), of_any, "{path}");
            assert_eq!(ask("statuses:200"), 400, "{path}");
        }
        if path.starts_with("/api/") {
            assert_eq!(check(&program, &document, get, &format!("{path}?colour=red")).0, 400);
        }
        let (status, kind, body) = program.ask("POST", path, "");
        let errors =
            document.errors(schema(&document, get, &status.to_string(), &kind), &serde_json::from_str(&body).unwrap());
        assert_eq!((status, errors), (405, Vec::new()), "{path}");
    }
}

#[test]
fn the_document_is_of_this_version_and_has_all_paths_and_words() {
    let program = Program::start(&[]);
    let document = document(&program);
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"));
    let documented: BTreeSet<&str> = document.0["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let allowed = |question: &str| -> Value {
        serde_json::from_str::<Value>(&program.get(question).1).unwrap()["allowed"].take()
    };
    let paths = allowed("/nothing");
    assert_eq!(documented, paths.as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect());
    let words = |name: &str| &document.0["components"]["parameters"][name]["schema"]["enum"];
    assert_eq!(*words("dimension"), allowed("/api/v1/top?dimension=x"));
    assert_eq!(*words("measure"), allowed("/api/v1/top?dimension=site&measure=x"));
    assert_eq!(*words("window"), allowed("/api/v1/summary?window=x"));
}

#[test]
fn all_objects_of_the_document_are_closed() {
    let program = Program::start(&[]);
    let document = document(&program);
    let mut open = Vec::new();
    fn walk(value: &Value, at: &str, open: &mut Vec<String>) {
        if let Value::Object(fields) = value {
            let is_closed = ["additionalProperties", "unevaluatedProperties"].iter().any(|word| value[*word] == false);
            if fields.get("properties").is_some_and(Value::is_object) && !is_closed {
                open.push(at.to_owned());
            }
            for (name, field) in fields {
                walk(field, &format!("{at}/{name}"), open);
            }
        }
    }
    walk(&document.0["components"]["schemas"], "", &mut open);
    assert_eq!(open, ["/Moment", "/Numbers"], "those are parts of others");
}

/// Names of all values in a row, as CSV has them: `whole.part`.
fn names(row: &Value, before: &str, found: &mut BTreeSet<String>) {
    match row {
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if before.is_empty() { "" } else { "." };
                names(field, &format!("{before}{dot}{name}"), found);
            }
        }
        _ => drop(found.insert(before.to_owned())),
    }
}

#[test]
fn csv_has_what_json_has() {
    let program = fed();
    let document = document(&program);
    let mut kinds = 0;
    for (path, item) in document.0["paths"].as_object().unwrap() {
        let get = &item["get"];
        if get["responses"]["200"]["content"].get("text/csv").is_none() {
            continue;
        }
        kinds += 1;
        for question in questions(&document, path, get) {
            let (status, kind, body) = program.ask("GET", &question, "Accept: text/csv\r\n");
            if status != 200 {
                assert_eq!(kind, "application/json", "{question}");
                continue;
            }
            assert_eq!(kind, "text/csv; charset=utf-8; header=present", "{question}");
            schema(&document, get, "200", &kind);
            let mut reader = csv::Reader::from_reader(body.as_bytes());
            let headings: BTreeSet<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
            let lines: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            let json = program.json(&question);
            let list = if path == "/api/v1/matrix" { "cells" } else { "rows" };
            let list =
                [list, "points", "buckets", "entries"].into_iter().find_map(|name| json[name].as_array()).unwrap();
            if json["tick"].is_u64() && !path.ends_with("series") {
                assert_eq!(lines.len(), list.len(), "{question}");
            }
            let mut expected = BTreeSet::new();
            list.iter().for_each(|row| names(row, "", &mut expected));
            // The fields of a record are those of its format: one cell of JSON.
            expected.retain(|name| !name.starts_with("fields."));
            let dimension = json["dimension"].as_str().unwrap_or_default();
            if path == "/api/v1/top" && dimension.contains(',') {
                let has_both = dimension.split(',').all(|of| headings.contains(of));
                assert!(has_both && (list.is_empty() || expected.remove("key")), "{question}");
            }
            let lacking: Vec<&String> = expected.difference(&headings).collect();
            assert!(lacking.is_empty(), "{question}: {lacking:?}");
        }
    }
    assert_eq!(kinds, 12);
    let (_, _, csv) = program.ask("GET", "/api/v1/top?dimension=status", "Accept: text/csv\r\n");
    let json = program.json("/api/v1/top?dimension=status");
    let first: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(
        (first[0], first[1].to_owned()),
        (json["rows"][0]["key"].as_str().unwrap(), json["rows"][0]["requests"].to_string())
    );
    let (_, kind, _) = program.ask("GET", "/api/v1/summary", "Accept: text/csv\r\n");
    assert_eq!(kind, "application/json");
}
