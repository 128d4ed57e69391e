//! The paths, listed for people.

use std::fmt::Write;

use super::{AdminResponse, ENDPOINTS, Endpoint, HTML};

/// As text: for `/help`, and for a path that is not there.
pub(super) fn commands() -> String {
    let mut text = String::from("admin commands are:\n");
    for endpoint in ENDPOINTS {
        let post = if endpoint.changes { " (POST)" } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}{post}: {}", endpoint.path, endpoint.help);
        for (name, help) in endpoint.parameters {
            let _ = writeln!(text, "      {name}: {help}");
        }
    }
    text
}

/// As a page: links for what reads, buttons for what changes. Without scripts and without anything from elsewhere.
pub(super) fn page() -> AdminResponse {
    let rows: String = ENDPOINTS.iter().map(row).collect();
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Landbridge admin</title></head>\n<body>\n\
         <h1>Landbridge admin</h1>\n<table>\n<tr><th>Command</th><th>Description</th></tr>\n{rows}</table>\n</body>\n</html>\n"
    );
    AdminResponse { content_type: HTML, ..AdminResponse::ok(body) }
}

fn row(endpoint: &Endpoint) -> String {
    let Endpoint { path, help, .. } = endpoint;
    let name = path.trim_start_matches('/');
    let command = if endpoint.changes {
        format!("<form action=\"{name}\" method=\"post\"><button>{path}</button></form>")
    } else {
        format!("<a href=\"{name}\">{path}</a>")
    };
    format!("<tr><td>{command}</td><td>{help}</td></tr>\n")
}
