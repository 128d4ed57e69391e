//! `*_pb2.py`: the serialized descriptors of a file, and the library's builder, which makes classes of them.
//!
//! It asks for no version of the library: what it calls there is the same in all versions from 3.20 on.

use buffa::{Message, MessageField};
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

use crate::modules::{from, import, import_by_name, is_library, module_path};
use crate::options::{Imports, Options, Protobuf};
use crate::source::{Source, one_line};

/// The text of the module.
pub(super) fn module(file: &FileDescriptorProto, options: Options) -> String {
    let name = file.name.as_deref().unwrap_or_default();
    let file = as_compiled_in(file);
    let serialized = file.encode_to_vec();
    let mut out = Source::default();
    // What type checkers need to know is in the file beside it.
    out.line("# type: ignore");
    out.line(&format!("# Made by landbridge generate from {}: changes here are lost.", one_line(name)));
    out.line("# ruff: noqa: PGH004");
    out.line("# ruff: noqa");
    out.line("# fmt: off");
    out.line("\"\"\"The messages of a proto file.\"\"\"");
    out.blank(1);
    imports(&mut out, &file, name, options);
    out.blank(1);
    out.line("_sym_db = _symbol_database.Default()");
    out.blank(1);
    let bytes = bytes(&serialized);
    out.line(&format!("DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile({bytes})"));
    out.blank(1);
    out.line("_globals = globals()");
    out.line("_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, _globals)");
    let module = match options.imports {
        Imports::Absolute => format!("'{}'", module_path(name, Protobuf::Google).join(".")),
        Imports::Relative => "__name__".to_owned(),
    };
    out.line(&format!("_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, {module}, _globals)"));
    out.line("if not _descriptor._USE_C_DESCRIPTORS:");
    out.indented(|out| PurePython { out, serialized: &serialized }.file(&file));
    out.into_text()
}

/// The descriptors as protoc compiles them in: without comments, and without JSON names that follow from the others.
fn as_compiled_in(file: &FileDescriptorProto) -> FileDescriptorProto {
    let mut file = file.clone();
    file.source_code_info = MessageField::default();
    file.message_type.iter_mut().for_each(without_json_names);
    file.extension.iter_mut().for_each(without_json_name);
    file
}

fn without_json_names(message: &mut DescriptorProto) {
    message.field.iter_mut().for_each(without_json_name);
    message.extension.iter_mut().for_each(without_json_name);
    message.nested_type.iter_mut().for_each(without_json_names);
}

fn without_json_name(field: &mut FieldDescriptorProto) {
    if field.json_name.as_deref() == Some(&json_name(field.name.as_deref().unwrap_or_default())) {
        field.json_name = None;
    }
}

/// The name of a field in JSON, where the schema gives no other.
fn json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut begins_word = false;
    for letter in name.chars() {
        match letter {
            '_' => begins_word = true,
            letter if begins_word => {
                json.push(letter.to_ascii_uppercase());
                begins_word = false;
            }
            letter => json.push(letter),
        }
    }
    json
}

/// The files that this one needs come first.
fn imports(out: &mut Source, file: &FileDescriptorProto, name: &str, options: Options) {
    let mut here = module_path(name, Protobuf::Google);
    here.pop();
    let mut own = Source::default();
    let mut by_name = false;
    for (index, dependency) in (0..).zip(&file.dependency) {
        let path = module_path(dependency, Protobuf::Google);
        let alias = path.join("_dot_");
        let relative_to = (options.imports == Imports::Relative && !is_library(dependency)).then_some(&*here);
        let is_public = file.public_dependency.contains(&index);
        match import(&path, &alias, relative_to) {
            Some(line) => {
                own.line(&line);
                if is_public && let Some((last, package)) = path.split_last() {
                    own.line(&match from(package, relative_to) {
                        Some(from) if from.ends_with('.') => format!("from {from}{last} import *"),
                        Some(from) => format!("from {from}.{last} import *"),
                        None => format!("from {last} import *"),
                    });
                }
            }
            None => {
                by_name = true;
                let alias = alias.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
                let alias = format!("_{alias}");
                own.line(&import_by_name(&path, &alias, relative_to));
                if is_public {
                    let names = "{name: value for name, value in vars(MODULE).items() if name[0] != '_'}";
                    own.line(&format!("globals().update({})", names.replace("MODULE", &alias)));
                }
            }
        }
    }
    if by_name {
        out.line("import importlib");
        out.blank(1);
    }
    out.line("from google.protobuf import descriptor as _descriptor");
    out.line("from google.protobuf import descriptor_pool as _descriptor_pool");
    out.line("from google.protobuf import symbol_database as _symbol_database");
    out.line("from google.protobuf.internal import builder as _builder");
    let own = own.into_text();
    if !own.is_empty() {
        out.blank(1);
        own.lines().for_each(|line| out.line(line));
    }
}

/// What the library's implementation in Python needs besides: where each part stands in the serialized descriptors, and
/// options as bytes, which may hold extensions that are not known yet.
struct PurePython<'a> {
    out: &'a mut Source,
    serialized: &'a [u8],
}

impl PurePython<'_> {
    fn file(mut self, file: &FileDescriptorProto) {
        const FILE: &str = "DESCRIPTOR";
        self.out.line("DESCRIPTOR._loaded_options = None");
        if file.options.is_set() {
            let options = bytes(&file.options.encode_to_vec());
            self.out.line(&format!("DESCRIPTOR._serialized_options = {options}"));
        }
        for one in &file.enum_type {
            self.an_enum(&format!("{FILE}.enum_types_by_name"), one);
        }
        for message in &file.message_type {
            self.message(&format!("{FILE}.message_types_by_name"), message);
        }
        for field in &file.extension {
            let of = found(&format!("{FILE}.extensions_by_name"), field.name.as_deref());
            self.options(&of, field.options.as_option().map(Message::encode_to_vec));
        }
        for service in &file.service {
            let of = found(&format!("{FILE}.services_by_name"), service.name.as_deref());
            self.options(&of, service.options.as_option().map(Message::encode_to_vec));
            self.place(&of, &service.encode_to_vec());
            for method in &service.method {
                let of = found(&format!("{of}.methods_by_name"), method.name.as_deref());
                self.options(&of, method.options.as_option().map(Message::encode_to_vec));
            }
        }
    }

    fn message(&mut self, among: &str, message: &DescriptorProto) {
        let of = found(among, message.name.as_deref());
        self.options(&of, message.options.as_option().map(Message::encode_to_vec));
        self.place(&of, &message.encode_to_vec());
        for oneof in &message.oneof_decl {
            let of = found(&format!("{of}.oneofs_by_name"), oneof.name.as_deref());
            self.options(&of, oneof.options.as_option().map(Message::encode_to_vec));
        }
        for (kind, fields) in [("fields_by_name", &message.field), ("extensions_by_name", &message.extension)]
        {
            for field in fields {
                let of = found(&format!("{of}.{kind}"), field.name.as_deref());
                self.options(&of, field.options.as_option().map(Message::encode_to_vec));
            }
        }
        for one in &message.enum_type {
            self.an_enum(&format!("{of}.enum_types_by_name"), one);
        }
        for nested in &message.nested_type {
            self.message(&format!("{of}.nested_types_by_name"), nested);
        }
    }

    fn an_enum(&mut self, among: &str, one: &EnumDescriptorProto) {
        let of = found(among, one.name.as_deref());
        self.options(&of, one.options.as_option().map(Message::encode_to_vec));
        self.place(&of, &one.encode_to_vec());
        for value in &one.value {
            let of = found(&format!("{of}.values_by_name"), value.name.as_deref());
            self.options(&of, value.options.as_option().map(Message::encode_to_vec));
        }
    }

    fn options(&mut self, of: &str, options: Option<Vec<u8>>) {
        if let Some(options) = options {
            self.out.line(&format!("{of}._loaded_options = None"));
            self.out.line(&format!("{of}._serialized_options = {}", bytes(&options)));
        }
    }

    /// The same bytes elsewhere would say the same.
    fn place(&mut self, of: &str, part: &[u8]) {
        let start = self.serialized.windows(part.len().max(1)).position(|window| window == part);
        if let Some(start) = start {
            self.out.line(&format!("{of}._serialized_start = {start}"));
            self.out.line(&format!("{of}._serialized_end = {}", start + part.len()));
        }
    }
}

fn found(among: &str, name: Option<&str>) -> String {
    format!("{among}['{}']", name.unwrap_or_default())
}

/// Bytes, as Python writes them.
fn bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 3);
    text.push_str("b'");
    for byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b'\'' => text.push_str("\\'"),
            b' '..=b'~' => text.push(char::from(*byte)),
            byte => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_so_that_python_reads_them_back() {
        assert_eq!(bytes(b"a'\\\n\x00\xff1"), r"b'a\'\\\n\x00\xff1'");
    }

    #[test]
    fn names_in_json_are_in_camel_case() {
        for (name, expected) in [("up_to", "upTo"), ("_a__b_", "AB"), ("a1_b", "a1B"), ("aB", "aB")] {
            assert_eq!(json_name(name), expected, "{name}");
        }
    }
}
