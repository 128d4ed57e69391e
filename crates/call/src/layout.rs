//! How a JSON document is laid out: on one line for programs, indented for people. Only white space changes.

/// Where the indentation stops: of a document that only nests, it would be the square of its size.
const MOST_INDENTED: usize = 64;

/// A valid document, without white space and on one line.
pub(crate) fn one_line(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 1);
    for token in tokens(json) {
        out.push_str(token);
    }
    out
}

/// A valid document, a member or element a line.
pub(crate) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut tokens = tokens(json).peekable();
    while let Some(token) = tokens.next() {
        match token {
            "{" | "[" => {
                out.push_str(token);
                if let Some(end) = tokens.next_if(|next| matches!(*next, "}" | "]")) {
                    out.push_str(end);
                } else {
                    depth += 1;
                    start_line(&mut out, depth);
                }
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                start_line(&mut out, depth);
                out.push_str(token);
            }
            "," => {
                out.push(',');
                start_line(&mut out, depth);
            }
            ":" => out.push_str(": "),
            token => out.push_str(token),
        }
    }
    out
}

fn start_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(MOST_INDENTED)));
}

/// Strings, other scalars and punctuation, without the white space between them.
fn tokens(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.bytes().next()?;
        let length = match first {
            b'"' => string_length(rest),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
            _ => rest.find(|c: char| c.is_ascii_whitespace() || "{}[],:\"".contains(c)).unwrap_or(rest.len()),
        };
        // Every length ends beside an ASCII character.
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

/// From one quotation mark to the other.
fn string_length(text: &str) -> usize {
    let mut escaped = true;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        // The first byte is the opening mark, which counts as escaped.
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#" { "a b" : [ 1.50 , -2e9, { } , [ ] ],
        "quo\"te\\" : { "x": null, "y" : "} , : é \\\\" } , "t": true } "#;

    #[test]
    fn only_white_space_changes() {
        let line = one_line(DOCUMENT);
        assert_eq!(line, r#"{"a b":[1.50,-2e9,{},[]],"quo\"te\\":{"x":null,"y":"} , : é \\\\"},"t":true}"#);
        assert_eq!(one_line(&indented(DOCUMENT)), line);
        for scalar in ["\"a\"", "1.0", "null", "\"\\\\\"", "\"\""] {
            assert_eq!(one_line(&format!(" {scalar}\n")), scalar);
            assert_eq!(indented(scalar), scalar);
        }
    }

    #[test]
    fn people_get_a_line_for_each_member() {
        let shown = indented(DOCUMENT);
        let expected = [
            "{",
            "  \"a b\": [",
            "    1.50,",
            "    -2e9,",
            "    {},",
            "    []",
            "  ],",
            "  \"quo\\\"te\\\\\": {",
            "    \"x\": null,",
            "    \"y\": \"} , : é \\\\\\\\\"",
            "  },",
            "  \"t\": true",
            "}",
        ];
        assert_eq!(shown, expected.join("\n"));
    }
}
