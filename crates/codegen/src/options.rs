//! What the user may choose, as `--connect-python_opt=name=value,name=value`.

use crate::error::GenerateError;

/// The choices of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) protobuf: Protobuf,
    pub(crate) io: Io,
    pub(crate) imports: Imports,
    pub(crate) naming: Naming,
}

/// Whose messages the stubs are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protobuf {
    /// Google's `protobuf`: `_pb2` modules.
    #[default]
    Google,
    /// `protobuf-py`: `_pb` modules.
    Py,
}

/// Which kinds of handlers and clients there are code for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Io {
    #[default]
    Both,
    Async,
    Sync,
}

impl Io {
    pub(crate) fn has_async(self) -> bool {
        self != Self::Sync
    }

    pub(crate) fn has_sync(self) -> bool {
        self != Self::Async
    }
}

/// How modules of messages are imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Imports {
    /// From the root of the output, as protoc's own modules import each other.
    #[default]
    Absolute,
    /// From where the stub is.
    Relative,
}

/// How methods are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Naming {
    /// As Connect-Python does: `ListDBs` is `list_d_bs`.
    #[default]
    Connect,
    /// With the plural of an abbreviation kept together: `ListDBs` is `list_dbs`.
    Pep,
    /// As the schema has them, and grpc-python: `ListDBs`.
    Google,
}

const KNOWN: &str = "protobuf, io, imports, naming";

impl Options {
    /// Reads the parameter of a request.
    pub(crate) fn parse(parameter: &str) -> Result<Self, GenerateError> {
        let mut options = Self::default();
        for given in parameter.split(',').map(str::trim).filter(|given| !given.is_empty()) {
            let (name, value) = given.split_once('=').unwrap_or((given, ""));
            match name {
                "protobuf" => {
                    options.protobuf = choose(
                        name,
                        value,
                        "google, py",
                        &[("google", Protobuf::Google), ("py", Protobuf::Py)],
                    )?;
                }
                "io" => {
                    let values = [("both", Io::Both), ("async", Io::Async), ("sync", Io::Sync)];
                    options.io = choose(name, value, "both, async, sync", &values)?;
                }
                "imports" => {
                    let values = [("absolute", Imports::Absolute), ("relative", Imports::Relative)];
                    options.imports = choose(name, value, "absolute, relative", &values)?;
                }
                "naming" => {
                    let values =
                        [("connect", Naming::Connect), ("pep", Naming::Pep), ("google", Naming::Google)];
                    options.naming = choose(name, value, "connect, pep, google", &values)?;
                }
                _ => return Err(GenerateError::UnknownOption { name: name.to_owned(), known: KNOWN }),
            }
        }
        Ok(options)
    }
}

fn choose<T: Copy>(
    name: &str,
    value: &str,
    known: &'static str,
    values: &[(&str, T)],
) -> Result<T, GenerateError> {
    values
        .iter()
        .find(|(one, _)| *one == value)
        .map(|(_, chosen)| *chosen)
        .ok_or_else(|| GenerateError::BadValue { name: name.to_owned(), value: value.to_owned(), known })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_order_and_default_to_what_grpc_python_users_have() {
        assert_eq!(Options::parse("").unwrap().protobuf, Protobuf::Google);
        let options = Options::parse("naming=pep, io=sync,imports=relative,protobuf=py").unwrap();
        let expected =
            Options { protobuf: Protobuf::Py, io: Io::Sync, imports: Imports::Relative, naming: Naming::Pep };
        assert_eq!(options, expected);
    }

    #[test]
    fn an_option_that_does_not_exist_is_refused_with_those_that_do() {
        let error = Options::parse("nameing=pep").unwrap_err().to_string();
        assert!(error.contains("nameing") && error.contains(KNOWN), "{error}");
        let error = Options::parse("io=threads").unwrap_err().to_string();
        assert!(error.contains("threads") && error.contains("both, async, sync"), "{error}");
    }
}
