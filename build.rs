//! Makes the page, which the program embeds from `web/dist`, before the program is compiled.
//!
//! Without npm, or with `VISULATE_SKIP_PAGE=1`, the program is built with whatever page an earlier build left, if any, and
//! says so; its engine and API are the same. Nothing is done while `web/dist` is newer than all it is made from.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where the page's sources are.
const WEB: &str = "web";
/// What is in there but isn't a source of the page: results of installing and building, and tests.
const NOT_SOURCES: [&str; 7] = [
    "web/browser",
    "web/dist",
    "web/node_modules",
    "web/public/inter-licence.txt",
    "web/screenshot.png",
    "web/src/font",
    "web/test",
];
/// The page itself. Its time is set to that of its newest source, so that Cargo doesn't take it for a change by hand.
const PAGE: &str = "web/dist/index.html";
/// Written by npm once everything that the lock file names is installed.
const INSTALLED: &str = "web/node_modules/.package-lock.json";
const LOCK: &str = "web/package-lock.json";
/// The oldest Node.js that the page's build runs on.
const NODE: (u32, u32) = (20, 19);
/// A variable that leaves the page as it is.
const SKIP: &str = "VISULATE_SKIP_PAGE";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={SKIP}");
    if let Err(error) = page() {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
    }
}

fn page() -> Result<()> {
    // The embedded folder has to be there, even if there is nothing in it.
    fs::create_dir_all("web/dist")?;
    if !Path::new("web/package.json").exists() {
        if !Path::new(PAGE).exists() {
            println!("cargo::warning=there are no sources of the page in {WEB}/: the program is built without it");
        }
        return Ok(());
    }
    if std::env::var_os(SKIP).is_some_and(|value| !value.is_empty() && value != "0") {
        left_out(&format!("{SKIP} is set"));
        return Ok(());
    }
    let mut sources = Vec::new();
    list(Path::new(WEB), &mut sources)?;
    for source in &sources {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    if let Some(lack) = lack() {
        // Installing Node.js changes these, and the next build makes the page.
        println!("cargo::rerun-if-env-changed=PATH");
        for folder in ["/usr/bin", "/usr/local/bin"].iter().filter(|folder| Path::new(folder).exists()) {
            println!("cargo::rerun-if-changed={folder}");
        }
        left_out(&format!("{lack}; install Node.js {}.{} or later with npm, and build again", NODE.0, NODE.1));
        return Ok(());
    }
    println!("cargo::rerun-if-changed={PAGE}");
    // Two builds at once (a terminal's and an editor's, say) make it one after the other.
    let lock = File::open("web/package.json")?;
    lock.lock()?;
    let newest = sources.iter().filter_map(|source| modified(source)).max().ok_or("the page has no sources")?;
    if modified(Path::new(PAGE)).is_some_and(|made| made >= newest) {
        return Ok(());
    }
    if modified(Path::new(INSTALLED)).is_none_or(|installed| Some(installed) < modified(Path::new(LOCK))) {
        npm(&["ci", "--include=dev", "--no-audit", "--no-fund"])?;
    }
    npm(&["run", "build"])?;
    File::options().write(true).open(PAGE)?.set_modified(newest)?;
    Ok(())
}

/// Says that the page isn't made, and why.
fn left_out(why: &str) {
    let what = match Path::new(PAGE).exists() {
        true => "built with the page that an earlier build left",
        false => "built without its page",
    };
    println!("cargo::warning=the program is {what}: {why}");
}

/// What is missing to make the page.
fn lack() -> Option<String> {
    if output("npm", "--version").is_none() {
        return Some("there is no npm".to_owned());
    }
    let Some(version) = output("node", "--version").map(|text| text.trim_start_matches('v').to_owned()) else {
        return Some("there is no node".to_owned());
    };
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (found < NODE).then(|| format!("Node.js {version} is too old"))
}

/// What a program prints, if there is one and it succeeds.
fn output(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs npm in the page's folder; the error holds all it printed.
fn npm(arguments: &[&str]) -> Result<()> {
    let output = Command::new("npm").args(arguments).current_dir(WEB).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`npm {}` in {WEB}/ failed ({}); {SKIP}=1 builds the program without the page\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// Adds all sources of the page under a folder.
fn list(folder: &Path, sources: &mut Vec<PathBuf>) -> Result<()> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden || NOT_SOURCES.iter().any(|other| path == Path::new(other)) {
            continue;
        }
        if path.is_dir() { list(&path, sources)? } else { sources.push(path) }
    }
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|about| about.modified()).ok()
}
