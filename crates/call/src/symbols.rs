//! What a server has: its methods, and what its names stand for.

use landbridge_schema::{Method, Schema, StreamKind};

use crate::failure::Failure;
use crate::knowledge;
use crate::order::Order;
use crate::screen::Screen;

/// Prints every method on a line of its own, which starts with what a call's address has to end with.
///
/// # Errors
/// Why there is no schema.
pub(crate) async fn list(order: &Order, screen: Screen) -> Result<(), Failure> {
    let schema = schema(order, screen).await?;
    let mut text = String::new();
    for service in schema.services() {
        for method in schema.methods_of(service) {
            text.push_str(&line(method));
        }
        if schema.methods_of(service).next().is_none() {
            text.push_str(&format!("{service}\n"));
        }
    }
    screen.text(&text)
}

/// Prints what a full name stands for.
///
/// # Errors
/// Where it stands for nothing.
pub(crate) async fn describe(order: &Order, symbol: &str, screen: Screen) -> Result<(), Failure> {
    let schema = schema(order, screen).await?;
    match schema.describe(symbol) {
        Some(text) => screen.text(&text),
        None => Err(Failure::Given(format!(
            "the schema has no {symbol:?}: a full name is expected, such as package.Service, package.Service/Method \
             or package.Message"
        ))),
    }
}

async fn schema(order: &Order, screen: Screen) -> Result<Schema, Failure> {
    let dialer = order.server.dialer()?;
    let known = knowledge::gather(order, &dialer, None, knowledge::TIMEOUT).await?;
    for failure in &known.failures {
        screen.warning(format_args!("{}: {}", failure.service, failure.reason));
    }
    known.schema.map_err(knowledge::Problem::into_failure)
}

fn line(method: &Method) -> String {
    let (takes, gives) = match method.kind() {
        StreamKind::Unary => ("", ""),
        StreamKind::ClientStream => ("stream ", ""),
        StreamKind::ServerStream => ("", "stream "),
        StreamKind::BidiStream => ("stream ", "stream "),
    };
    let (input, output) = (method.input().full_name(), method.output().full_name());
    format!("{}({takes}{input}) returns ({gives}{output})\n", method.path().trim_start_matches('/'))
}
