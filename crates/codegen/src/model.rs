//! The services of a file, as far as code is made of them.

use std::collections::HashMap;

use buffa_descriptor::generated::descriptor::method_options::IdempotencyLevel;
use buffa_descriptor::generated::descriptor::{DescriptorProto, FileDescriptorProto};

use crate::comments::{Comments, METHOD_OF_SERVICE, SERVICE_OF_FILE};
use crate::error::GenerateError;
use crate::names;
use crate::options::Options;

/// One service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// What the names of its classes in Python begin with.
    pub(crate) class: String,
    /// With its package.
    pub(crate) full_name: String,
    pub(crate) doc: Vec<String>,
    pub(crate) deprecated: bool,
    pub(crate) methods: Vec<Method>,
}

/// One method.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: String,
    /// Its function in Python.
    pub(crate) function: String,
    pub(crate) input: TypeRef,
    pub(crate) output: TypeRef,
    pub(crate) streams_in: bool,
    pub(crate) streams_out: bool,
    pub(crate) idempotency: &'static str,
    pub(crate) doc: Vec<String>,
    pub(crate) deprecated: bool,
}

/// A message: its file, and its name with those of the messages around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeRef {
    pub(crate) file: String,
    pub(crate) path: Vec<String>,
}

/// Every message of a request, by full name with a leading dot.
pub(crate) type Types = HashMap<String, TypeRef>;

/// Finds all messages of these files.
pub(crate) fn types(files: &[FileDescriptorProto]) -> Types {
    let mut types = Types::new();
    for file in files {
        let package = file.package.as_deref().unwrap_or_default();
        let prefix = if package.is_empty() { String::new() } else { format!(".{package}") };
        let name = file.name.as_deref().unwrap_or_default();
        collect(&file.message_type, &prefix, name, &[], &mut types);
    }
    types
}

fn collect(messages: &[DescriptorProto], prefix: &str, file: &str, around: &[String], types: &mut Types) {
    for message in messages {
        let name = message.name.clone().unwrap_or_default();
        let full_name = format!("{prefix}.{name}");
        let path: Vec<String> = around.iter().cloned().chain([name]).collect();
        collect(&message.nested_type, &full_name, file, &path, types);
        types.insert(full_name, TypeRef { file: file.to_owned(), path });
    }
}

/// The services of one file.
pub(crate) fn services(
    file: &FileDescriptorProto,
    types: &Types,
    options: Options,
) -> Result<Vec<Service>, GenerateError> {
    let file_name = file.name.as_deref().unwrap_or_default();
    let package = file.package.as_deref().unwrap_or_default();
    let comments = Comments::new(file);
    let mut services = Vec::new();
    for (place, service) in (0..).zip(&file.service) {
        let name = service.name.clone().unwrap_or_default();
        let mut methods: Vec<Method> = Vec::new();
        for (index, method) in (0..).zip(&service.method) {
            let find = |name: &Option<String>| {
                let name = name.as_deref().unwrap_or_default();
                types.get(name).cloned().ok_or_else(|| GenerateError::UnknownType {
                    file: file_name.to_owned(),
                    name: name.trim_start_matches('.').to_owned(),
                })
            };
            let method_name = method.name.clone().unwrap_or_default();
            let function = names::method(&method_name, options.naming);
            if let Some(other) = methods.iter().find(|other| other.function == function) {
                return Err(GenerateError::Clash {
                    file: file_name.to_owned(),
                    name: function,
                    first: format!("the method {name}.{}", other.name),
                    second: format!("the method {name}.{method_name}"),
                    way_out: "choose another value of the option naming",
                });
            }
            methods.push(Method {
                name: method_name,
                function,
                input: find(&method.input_type)?,
                output: find(&method.output_type)?,
                streams_in: method.client_streaming.unwrap_or_default(),
                streams_out: method.server_streaming.unwrap_or_default(),
                idempotency: match method.options.idempotency_level {
                    Some(IdempotencyLevel::NoSideEffects) => "NO_SIDE_EFFECTS",
                    Some(IdempotencyLevel::Idempotent) => "IDEMPOTENT",
                    _ => "UNKNOWN",
                },
                doc: comments.at(&[SERVICE_OF_FILE, place, METHOD_OF_SERVICE, index]),
                deprecated: method.options.deprecated.unwrap_or_default(),
            });
        }
        services.push(Service {
            class: names::service(&name),
            full_name: if package.is_empty() { name.clone() } else { format!("{package}.{name}") },
            name,
            doc: comments.at(&[SERVICE_OF_FILE, place]),
            deprecated: service.options.deprecated.unwrap_or_default(),
            methods,
        });
    }
    Ok(services)
}
