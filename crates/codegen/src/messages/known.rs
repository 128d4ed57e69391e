//! The messages and enums of all files.

use std::collections::HashMap;

use buffa_descriptor::generated::descriptor::{DescriptorProto, FileDescriptorProto};

use crate::model::TypeRef;

/// Messages and enums, by full name with a leading dot.
pub(super) struct Known<'a> {
    places: HashMap<String, TypeRef>,
    entries: HashMap<String, &'a DescriptorProto>,
    files: HashMap<&'a str, &'a FileDescriptorProto>,
}

impl<'a> Known<'a> {
    pub(super) fn of(files: &'a [FileDescriptorProto]) -> Self {
        let mut known = Self { places: HashMap::new(), entries: HashMap::new(), files: HashMap::new() };
        for file in files {
            let package = file.package.as_deref().unwrap_or_default();
            let prefix = if package.is_empty() { String::new() } else { format!(".{package}") };
            let name = file.name.as_deref().unwrap_or_default();
            known.files.insert(name, file);
            for one in &file.enum_type {
                known.add(&prefix, name, &[], one.name.as_deref());
            }
            for message in &file.message_type {
                known.collect(message, &prefix, name, &[]);
            }
        }
        known
    }

    fn collect(&mut self, message: &'a DescriptorProto, prefix: &str, file: &str, around: &[String]) {
        let (full_name, path) = self.add(prefix, file, around, message.name.as_deref());
        if message.options.map_entry.unwrap_or_default() {
            self.entries.insert(full_name.clone(), message);
        }
        for one in &message.enum_type {
            self.add(&full_name, file, &path, one.name.as_deref());
        }
        for nested in &message.nested_type {
            self.collect(nested, &full_name, file, &path);
        }
    }

    fn add(
        &mut self,
        prefix: &str,
        file: &str,
        around: &[String],
        name: Option<&str>,
    ) -> (String, Vec<String>) {
        let name = name.unwrap_or_default();
        let full_name = format!("{prefix}.{name}");
        let path: Vec<String> = around.iter().cloned().chain([name.to_owned()]).collect();
        self.places.insert(full_name.clone(), TypeRef { file: file.to_owned(), path: path.clone() });
        (full_name, path)
    }

    /// Where a message or an enum is.
    pub(super) fn place(&self, name: &str) -> Option<&TypeRef> {
        self.places.get(name)
    }

    /// The entry message of a map field's type.
    pub(super) fn map_entry(&self, name: &str) -> Option<&'a DescriptorProto> {
        self.entries.get(name).copied()
    }

    /// What the module of a file has, besides what it has from others.
    pub(super) fn names_in(&self, file: &str) -> impl Iterator<Item = String> {
        let file = self.files.get(file).copied();
        file.into_iter().flat_map(|file| {
            let messages = file.message_type.iter().map(|message| &message.name);
            let enums = file.enum_type.iter().map(|one| &one.name);
            let values = file.enum_type.iter().flat_map(|one| &one.value).map(|value| &value.name);
            let extensions = file.extension.iter().map(|field| &field.name);
            messages.chain(enums).chain(values).chain(extensions).filter_map(Clone::clone)
        })
    }
}
