//! The page's own files, which are embedded in the program.

use bytes::Bytes;
use hyper::{Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

use super::answer::{Body, answer};

/// What the page's build leaves; empty where it was not built.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Files;

/// Files under this have a hash of their content in their name.
const HASHED: &str = "assets/";

const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Visulate</title><link rel=\"icon\" href=\"data:,\"></head>
<body>
<h1>Visulate</h1>
<p>The engine runs, but this program was built without its page. Building the page needs npm:
run <code>scripts/run</code> in the source, or <code>npm ci &amp;&amp; npm run build</code> in its folder
<code>web</code>, and build the program again.</p>
<p>The figures are there all the same:</p>
<ul>
<li><a href=\"/api/v1/summary\">/api/v1/summary</a></li>
<li><a href=\"/api/v1/top?dimension=site\">/api/v1/top?dimension=site</a></li>
<li><a href=\"/api/v1/nodes\">/api/v1/nodes</a></li>
<li><a href=\"/metrics\">/metrics</a></li>
</ul>
</body>
</html>
";

/// A file of the page's build; `None` if there is none.
pub fn embedded(name: &str) -> Option<EmbeddedFile> {
    Files::get(name)
}

/// The file at a path; `None` if there is none.
pub fn file(path: &str) -> Option<Response<Body>> {
    let name = path.strip_prefix('/')?;
    match name {
        "" | "index.html" => Some(match Files::get("index.html") {
            Some(page) => shown("index.html", page),
            None => answer(StatusCode::OK, content_type("index.html"), None, Bytes::from_static(NOT_BUILT.as_bytes())),
        }),
        // A program that is not optimised reads the folder itself: nothing may lead out of it.
        _ if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) => None,
        _ => Files::get(name).map(|file| shown(name, file)),
    }
}

fn shown(name: &str, file: EmbeddedFile) -> Response<Body> {
    let stored = name.starts_with(HASHED).then_some("public, max-age=31536000, immutable");
    let data = match file.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => data.into(),
    };
    answer(StatusCode::OK, content_type(name), stored, data)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "woff2" => "font/woff2",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
