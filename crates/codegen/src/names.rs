//! Names in Python.

use crate::options::Naming;

/// The name of a method's function: snake case, and with `_` behind it where Python or our clients need the name.
pub(crate) fn method(name: &str, naming: Naming) -> String {
    let name = snake_case(name, naming);
    let taken = is_keyword(&name) || OF_CLIENTS.contains(&name.as_str());
    if taken { name + "_" } else { name }
}

/// Names that clients have themselves.
const OF_CLIENTS: [&str; 5] =
    ["close", "execute_unary", "execute_client_stream", "execute_server_stream", "execute_bidi_stream"];

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Whether Python's grammar has this word for itself.
pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// A name in snake case: an underscore where a word begins.
fn snake_case(name: &str, naming: Naming) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, letter) in letters.iter().enumerate() {
        if begins_word(&letters, index, naming) && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn begins_word(letters: &[char], index: usize, naming: Naming) -> bool {
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    if index == 0 || !at(index).is_ascii_uppercase() {
        return false;
    }
    let before = at(index - 1);
    if before.is_ascii_lowercase() || before.is_ascii_digit() {
        return true;
    }
    // The last capital of several begins the word that goes on in small letters. In a plural such as `DBs` none goes on.
    let goes_on = at(index + 1).is_ascii_lowercase();
    let is_plural = naming == Naming::Pep
        && before.is_ascii_uppercase()
        && at(index + 1) == 's'
        && !at(index + 2).is_ascii_lowercase();
    goes_on && before != '_' && !is_plural
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_named_as_connect_python_names_them() {
        for (name, expected) in [
            ("SayHello", "say_hello"),
            ("ListDBs", "list_d_bs"),
            ("HTTPGet2Foo", "http_get2_foo"),
            ("sayHello", "say_hello"),
            ("say_hello", "say_hello"),
            ("GetURL", "get_url"),
            ("A", "a"),
        ] {
            assert_eq!(method(name, Naming::Connect), expected, "{name}");
        }
    }

    #[test]
    fn plurals_of_abbreviations_stay_together_where_that_is_asked_for() {
        for (name, expected) in [
            ("ListDBs", "list_dbs"),
            ("GetURLsFast", "get_urls_fast"),
            ("HTTPServer", "http_server"),
            ("DBsync", "d_bsync"),
        ] {
            assert_eq!(method(name, Naming::Pep), expected, "{name}");
        }
    }

    #[test]
    fn names_of_python_and_of_clients_get_an_underscore() {
        assert_eq!(method("Import", Naming::Connect), "import_");
        assert_eq!(method("Close", Naming::Connect), "close_");
        assert_eq!(method("ExecuteUnary", Naming::Connect), "execute_unary_");
        assert_eq!(method("Match", Naming::Connect), "match");
    }
}
