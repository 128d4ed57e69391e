//! Names in Python.

use crate::options::Naming;

/// The name of a method's function: in snake case unless the user wants it as the schema has it, and with `_` behind it
/// where Python or our clients need the name.
pub(crate) fn method(name: &str, naming: Naming) -> String {
    let name = if naming == Naming::Google { name.to_owned() } else { snake_case(name, naming) };
    public(&name, |name| is_keyword(name) || OF_CLIENTS.contains(&name))
}

/// The name of a service's class.
pub(crate) fn service(name: &str) -> String {
    public(name, is_keyword)
}

/// The name of a message's class in protobuf-py.
pub(crate) fn py_message(name: &str) -> String {
    let name = public(name, |name| is_keyword(name) || OF_PY_MESSAGES.contains(&name));
    if name.starts_with("ext_") { format!("pb_{name}") } else { name }
}

/// A part of the path of a module in protobuf-py, or of a stub.
pub(crate) fn module_part(part: &str) -> String {
    let mut name = part.replace(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric(), "_");
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    let name = public(&name, is_keyword);
    if name.trim_end_matches('_').ends_with("_pb") { name + "_" } else { name }
}

/// A name that others may use: `_` goes behind what is reserved, `pb_` in front of what would be private. Names that look
/// like the outcome change as well, so two names never become one.
fn public(name: &str, is_reserved: impl Fn(&str) -> bool) -> String {
    let behind = if is_reserved(name.trim_end_matches('_')) { "_" } else { "" };
    let before = if name.starts_with('_') || name.starts_with("pb_") { "pb_" } else { "" };
    format!("{before}{name}{behind}")
}

/// Names that clients and services have themselves.
const OF_CLIENTS: [&str; 6] = [
    "close",
    "desc",
    "execute_unary",
    "execute_client_stream",
    "execute_server_stream",
    "execute_bidi_stream",
];

/// Names that no class of a message has in protobuf-py: types of fields, and attributes of messages.
const OF_PY_MESSAGES: [&str; 15] = [
    "int",
    "str",
    "bytes",
    "float",
    "bool",
    "list",
    "dict",
    "has_field",
    "clear_field",
    "to_binary",
    "to_json",
    "from_binary",
    "from_json",
    "desc",
    "self",
];

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Whether Python's grammar has this word for itself.
pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Whether Python's grammar takes this for a name.
pub(crate) fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
        && !is_keyword(name)
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
    if before.is_ascii_lowercase() || (naming == Naming::Pep && before.is_ascii_digit()) {
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
            ("ListV2DBs", "list_v2d_bs"),
            ("ListDBsV2", "list_d_bs_v2"),
            ("List_DBs", "list_d_bs"),
            ("IPv4Get", "i_pv4_get"),
            ("HTTPGet2Foo", "http_get2_foo"),
            ("sayHello", "say_hello"),
            ("say_hello", "say_hello"),
            ("GetURL", "get_url"),
            ("A", "a"),
            ("Foo_", "foo_"),
            ("_foo", "pb__foo"),
            ("__init__", "pb___init__"),
            ("_1", "pb__1"),
        ] {
            assert_eq!(method(name, Naming::Connect), expected, "{name}");
        }
    }

    #[test]
    fn plurals_of_abbreviations_stay_together_where_that_is_asked_for() {
        for (name, expected) in [
            ("ListDBs", "list_dbs"),
            ("ListV2DBs", "list_v2_dbs"),
            ("GetURLsFast", "get_urls_fast"),
            ("HTTPServer", "http_server"),
            ("DBsync", "d_bsync"),
        ] {
            assert_eq!(method(name, Naming::Pep), expected, "{name}");
        }
    }

    #[test]
    fn methods_are_named_as_the_schema_has_them_where_that_is_asked_for() {
        assert_eq!(method("SayHello", Naming::Google), "SayHello");
        assert_eq!(method("import", Naming::Google), "import_");
    }

    #[test]
    fn names_of_python_and_of_clients_get_an_underscore() {
        assert_eq!(method("Import", Naming::Connect), "import_");
        assert_eq!(method("Import_", Naming::Connect), "import__");
        assert_eq!(method("Close", Naming::Connect), "close_");
        assert_eq!(method("Desc", Naming::Connect), "desc_");
        assert_eq!(method("ExecuteUnary", Naming::Connect), "execute_unary_");
        assert_eq!(method("Match", Naming::Connect), "match");
        assert_eq!(service("None"), "None_");
        assert_eq!(service("None_"), "None__");
        assert_eq!(service("Other_"), "Other_");
    }

    #[test]
    fn messages_and_modules_are_named_as_protobuf_py_names_them() {
        for (name, expected) in
            [("M", "M"), ("class", "class_"), ("str", "str_"), ("_p", "pb__p"), ("ext_a", "pb_ext_a")]
        {
            assert_eq!(py_message(name), expected, "{name}");
        }
        for (part, expected) in [
            ("x.y-z", "x_y_z"),
            ("class", "class_"),
            ("1x", "pb__1x"),
            ("pb_x", "pb_pb_x"),
            ("a_pb", "a_pb_"),
        ] {
            assert_eq!(module_part(part), expected, "{part}");
        }
    }
}
