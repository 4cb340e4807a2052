//! Comparing what was found with what was expected, down to the last name: what is found and not expected is as wrong as the opposite.

use serde_json::Value as Json;

/// Differences that are told.
const TOLD: usize = 20;

/// Panics if anything differs, and says the first places; numbers may differ by rounding.
pub fn same(found: &Json, expected: &Json, place: &str) {
    let mut differences = Vec::new();
    compare(found, expected, place, &mut differences);
    let told = &differences[..differences.len().min(TOLD)];
    assert!(told.is_empty(), "{} differences:\n{}", differences.len(), told.join("\n"));
}

fn compare(found: &Json, expected: &Json, place: &str, differences: &mut Vec<String>) {
    match (found, expected) {
        (Json::Object(found), Json::Object(expected)) => {
            for name in found.keys().filter(|name| !expected.contains_key(*name)) {
                differences.push(format!("{place}.{name} is not recounted"));
            }
            for (name, expected) in expected {
                let place = format!("{place}.{name}");
                match found.get(name) {
                    Some(found) => compare(found, expected, &place, differences),
                    None => differences.push(format!("{place} is missing")),
                }
            }
        }
        (Json::Array(found), Json::Array(expected)) => {
            for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                compare(found, expected, &format!("{place}[{at}]"), differences);
            }
            let longer = if found.len() > expected.len() { &found[expected.len()..] } else { &expected[found.len()..] };
            if let Some(next) = longer.first() {
                differences.push(format!("{place} has {} for {}: {next}", found.len(), expected.len()));
            }
        }
        (Json::Number(a), Json::Number(b)) if !(a.is_u64() && b.is_u64()) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            if (a - b).abs() > 1e-9 * b.abs().max(1.0) {
                differences.push(format!("{place}: {a} is not {b}"));
            }
        }
        _ if found == expected => {}
        _ => differences.push(format!("{place}: {found} is not {expected}")),
    }
}

/// Takes what is at a path of names out of a value, which must have it.
pub fn take(value: &mut Json, path: &str) -> Json {
    let (parent, name) = path.rsplit_once('/').map_or((None, path), |(parent, name)| (Some(parent), name));
    let holder = match parent {
        Some(parent) => value.pointer_mut(&format!("/{parent}")).unwrap_or_else(|| panic!("nothing at {path}")),
        None => value,
    };
    holder.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("nothing at {path}"))
}
