//! Why no code is made.

/// What is wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The request is not one.
    #[error("the input is no CodeGeneratorRequest ({0}): run this as a plugin of protoc or buf")]
    NotARequest(String),
    /// An option that does not exist.
    #[error("there is no option {name:?}: the options are {known}")]
    UnknownOption {
        /// As it was given.
        name: String,
        /// Those that exist.
        known: &'static str,
    },
    /// A value that an option does not have.
    #[error("the option {name} is {value:?}: it must be one of {known}")]
    BadValue {
        /// The option.
        name: String,
        /// As it was given.
        value: String,
        /// What it can be.
        known: &'static str,
    },
    /// Two things of one file that would have one name in Python.
    #[error("{file}: {first} and {second} are both {name} in Python: rename one of them, or {way_out}")]
    Clash {
        /// The proto file.
        file: String,
        /// The name that both would have.
        name: String,
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// What else would help.
        way_out: &'static str,
    },
    /// A type that no file of the request has.
    #[error("{file}: the type {name} is in no file of the request: import the file that has it")]
    UnknownType {
        /// The proto file.
        file: String,
        /// The full name.
        name: String,
    },
}
