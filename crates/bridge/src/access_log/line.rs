//! A line: text as the file's format has it, or a JSON object.

use crate::config::{AccessLogFormat, Format, JsonFormat, Operator, Piece, Quoting};

/// Writes the value of an operator, and says whether there is one.
type Value<'v> = &'v dyn Fn(&Operator, &mut String) -> bool;

pub(super) fn of(format: &AccessLogFormat, value: Value<'_>) -> String {
    let mut line = String::new();
    match format {
        AccessLogFormat::Text(format) => format.render(&mut line, Quoting::Escaped, value),
        AccessLogFormat::Json(fields) => {
            object(fields, value, &mut line);
            line.push('\n');
        }
    }
    line
}

/// In the order of the file.
fn object(fields: &[(String, JsonFormat)], value: Value<'_>, out: &mut String) {
    out.push('{');
    for (index, (name, field)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(name, out);
        out.push(':');
        json(field, value, out);
    }
    out.push('}');
}

fn json(format: &JsonFormat, value: Value<'_>, out: &mut String) {
    match format {
        JsonFormat::Format(format) => scalar(format, value, out),
        JsonFormat::Object(fields) => object(fields, value, out),
        JsonFormat::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                json(item, value, out);
            }
            out.push(']');
        }
        JsonFormat::Literal(literal) => out.push_str(&literal.to_string()),
    }
}

/// As in Envoy: an operator that stands alone keeps its type, and is null where there is no value.
fn scalar(format: &Format, value: Value<'_>, out: &mut String) {
    let mut text = String::new();
    match format.pieces() {
        [Piece::Value { operator, max_chars: None }] => match value(operator, &mut text) {
            false => out.push_str("null"),
            true if operator.is_number() => out.push_str(&text),
            true => string(&text, out),
        },
        _ => {
            format.render(&mut text, Quoting::Plain, value);
            string(&text, out);
        }
    }
}

fn string(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Format;

    fn known(operator: &Operator, out: &mut String) -> bool {
        match operator {
            Operator::Protocol => out.push_str("HTTP/2"),
            Operator::ResponseCode => out.push_str("200"),
            // What a hostile caller would like to see in a log.
            Operator::RouteName => out.push_str("x\" 200\r\n[2026] \"GET \u{2028}\u{1b}[2J\\ é"),
            _ => return false,
        }
        true
    }

    fn format(text: &str) -> Format {
        Format::parse(text).unwrap()
    }

    #[test]
    fn no_value_can_end_a_line_of_text_or_leave_its_quotes() {
        let text =
            AccessLogFormat::Text(format("[%PROTOCOL%] \"%ROUTE_NAME%\" %UPSTREAM_HOST% %ROUTE_NAME:2%\n"));
        let expected = "[HTTP/2] \"x\\\" 200\\r\\n[2026] \\\"GET \\u2028\\u001b[2J\\\\ é\" - x\\\"\n";
        assert_eq!(of(&text, &known), expected);
    }

    #[test]
    fn json_keeps_order_types_and_nesting() {
        let fields = vec![
            ("z".to_owned(), JsonFormat::Format(format("%RESPONSE_CODE%"))),
            ("a\"".to_owned(), JsonFormat::Format(format("%ROUTE_NAME%"))),
            ("none".to_owned(), JsonFormat::Format(format("%UPSTREAM_HOST%"))),
            ("mixed".to_owned(), JsonFormat::Format(format("%RESPONSE_CODE% of %UPSTREAM_HOST%"))),
            ("cut".to_owned(), JsonFormat::Format(format("%RESPONSE_CODE:1%"))),
            (
                "in".to_owned(),
                JsonFormat::List(vec![
                    JsonFormat::Literal(true.into()),
                    JsonFormat::Object(vec![("p".to_owned(), JsonFormat::Format(format("%PROTOCOL%")))]),
                ]),
            ),
        ];
        let line = of(&AccessLogFormat::Json(fields), &known);
        let body = line.strip_suffix('\n').unwrap();
        assert!(!body.contains(['\n', '\r']));
        let read: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(read["a\""], "x\" 200\r\n[2026] \"GET \u{2028}\u{1b}[2J\\ é");
        assert!(body.starts_with("{\"z\":200,\"a\\\"\":"), "{body}");
        let rest = "\"none\":null,\"mixed\":\"200 of -\",\"cut\":\"2\",\"in\":[true,{\"p\":\"HTTP/2\"}]}";
        assert!(body.ends_with(rest), "{body}");
    }
}
