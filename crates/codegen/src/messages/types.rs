//! `*_pb2.pyi`: what type checkers and editors read of a module of messages.
//!
//! Names of others begin with `_` here, and a message of this file that is used in another is said by an alias: a field
//! may have any name, also that of a type.

use std::cell::RefCell;
use std::collections::BTreeMap;

use buffa_descriptor::features::{self, ResolvedFeatures};
use buffa_descriptor::generated::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

use super::fields::{Value, has_presence, is_repeated};
use super::known::Known;
use crate::comments::{
    Comments, ENUM_OF_FILE, ENUM_OF_MESSAGE, FIELD_OF_MESSAGE, MESSAGE_OF_FILE, MESSAGE_OF_MESSAGE,
    VALUE_OF_ENUM,
};
use crate::modules::{from, import, is_library, module_path};
use crate::names::is_identifier;
use crate::options::{Imports, Options, Protobuf};
use crate::source::{Source, literal, one_line};

/// The text of the module.
pub(super) fn module(file: &FileDescriptorProto, known: &Known<'_>, options: Options) -> String {
    let name = file.name.as_deref().unwrap_or_default();
    let mut here = module_path(name, Protobuf::Google);
    here.pop();
    let mut writer = Writer {
        out: Source::default(),
        known,
        file: name,
        here,
        comments: Comments::new(file),
        relative: options.imports == Imports::Relative,
        modules: RefCell::default(),
    };
    writer.body(file);
    let body = std::mem::take(&mut writer.out).into_text();
    let mut out = Source::default();
    writer.head(&mut out, file, &body);
    out.into_text() + &body
}

/// What can be assigned to a field.
enum Assigned {
    /// It is changed in place.
    Nothing,
    WhatIsRead,
    /// A type of Python's own, which becomes a message.
    Another(&'static str),
}

/// A message by what is in its fields.
const FIELDS_OF_A_MESSAGE: &str = "_abc.Mapping[_builtins.str, _typing.Any]";

/// The type of Python's own that the library makes a message of, where there is one.
fn in_python(message: &str) -> Option<&'static str> {
    match message.trim_start_matches('.') {
        "google.protobuf.Timestamp" => Some("_datetime.datetime"),
        "google.protobuf.Duration" => Some("_datetime.timedelta"),
        "google.protobuf.Struct" => Some(FIELDS_OF_A_MESSAGE),
        "google.protobuf.ListValue" => Some("_builtins.list[_typing.Any]"),
        _ => None,
    }
}

struct Writer<'a> {
    out: Source,
    known: &'a Known<'a>,
    file: &'a str,
    here: Vec<String>,
    comments: Comments<'a>,
    relative: bool,
    /// The modules of other files, by name of the file.
    modules: RefCell<BTreeMap<String, String>>,
}

impl Writer<'_> {
    /// What stands in front of the body: what it uses, and no more.
    fn head(&self, out: &mut Source, file: &FileDescriptorProto, body: &str) {
        out.line(&format!(
            "# Made by landbridge generate from {}: changes here are lost.",
            one_line(self.file)
        ));
        out.line("# ruff: noqa: PGH004");
        out.line("# ruff: noqa");
        // The types of extensions have no public name, what is deprecated has one all the same, and `self` may be a field.
        out.line(
            "# pyright: reportPrivateUsage=false, reportDeprecated=false, reportSelfClsParameterName=false",
        );
        out.line("# fmt: off");
        out.blank(1);
        for (from, module) in [
            ("", "builtins"),
            ("", "collections.abc"),
            ("", "datetime"),
            ("", "typing"),
            ("", "typing_extensions"),
            ("google.protobuf", "descriptor"),
            ("google.protobuf", "message"),
            ("google.protobuf.internal", "containers"),
            ("google.protobuf.internal", "enum_type_wrapper"),
            ("google.protobuf.internal", "extension_dict"),
        ] {
            let alias = format!("_{}", module.rsplit('.').next().unwrap_or_default());
            if module == "descriptor" || body.contains(&format!("{alias}.")) {
                let from = if from.is_empty() { String::new() } else { format!("from {from} ") };
                out.line(&format!("{from}import {module} as {alias}"));
            }
        }
        for (file, alias) in &*self.modules.borrow() {
            let path = module_path(file, Protobuf::Google);
            import(&path, alias, self.relative_to(file)).iter().for_each(|line| out.line(line));
        }
        self.public_imports(out, file);
        out.blank(1);
        out.line("DESCRIPTOR: _descriptor.FileDescriptor");
    }

    /// What other files give through this one.
    fn public_imports(&self, out: &mut Source, file: &FileDescriptorProto) {
        let named = |index: &i32| usize::try_from(*index).ok().and_then(|index| file.dependency.get(index));
        for name in file.public_dependency.iter().filter_map(named) {
            let path = module_path(name, Protobuf::Google);
            let names: Vec<String> = self.known.names_in(name).filter(|name| is_identifier(name)).collect();
            let Some((last, package)) =
                path.split_last().filter(|_| path.iter().all(|part| is_identifier(part)))
            else {
                continue;
            };
            if names.is_empty() {
                continue;
            }
            let from = from(package, self.relative_to(name)).unwrap_or_default();
            let dot = if from.is_empty() || from.ends_with('.') { "" } else { "." };
            let names: Vec<String> = names.iter().map(|name| format!("{name} as {name}")).collect();
            out.line(&format!("from {from}{dot}{last} import {}", names.join(", ")));
        }
    }

    fn relative_to(&self, file: &str) -> Option<&[String]> {
        (self.relative && !is_library(file)).then_some(&*self.here)
    }

    fn body(&mut self, file: &FileDescriptorProto) {
        let features = features::for_file(file);
        for (index, one) in (0..).zip(&file.enum_type) {
            self.an_enum(one, &[], &[ENUM_OF_FILE, index]);
        }
        for (index, message) in (0..).zip(&file.message_type) {
            self.message(message, &[], &features, &[MESSAGE_OF_FILE, index]);
        }
        self.extensions(&file.extension, false);
    }

    /// How a class is said: that of a message or an enum, none where Python's grammar has no way.
    fn class(&self, name: &str) -> Option<String> {
        let place = self.known.place(name)?;
        if !place.path.iter().all(|part| is_identifier(part)) {
            return None;
        }
        let path = place.path.join(".");
        if place.file == self.file {
            return Some(format!("_type_{path}"));
        }
        let module = module_path(&place.file, Protobuf::Google);
        if !module.iter().all(|part| is_identifier(part)) {
            return None;
        }
        let mut modules = self.modules.borrow_mut();
        let alias = modules.entry(place.file.clone()).or_insert_with(|| format!("_{}", module.join("_dot_")));
        Some(format!("{alias}.{path}"))
    }

    /// What a value is when it is read.
    fn read(&self, value: &Value) -> String {
        match value {
            Value::Scalar(name) => format!("_builtins.{name}"),
            Value::Enum(name) => self.class(name).unwrap_or_else(|| "_builtins.int".to_owned()),
            Value::Message(name) => self.class(name).unwrap_or_else(|| "_message.Message".to_owned()),
        }
    }

    /// What a value may be given as.
    fn given(&self, value: &Value) -> String {
        let read = self.read(value);
        match value {
            Value::Scalar(_) => read,
            Value::Enum(_) => format!("{read} | _builtins.str"),
            Value::Message(name) => {
                let read = format!("{read} | {FIELDS_OF_A_MESSAGE}");
                match in_python(name) {
                    Some(kind) if kind != FIELDS_OF_A_MESSAGE => format!("{read} | {kind}"),
                    _ => read,
                }
            }
        }
    }

    /// What a field is when it is read, what it may be given as, and what it can be assigned.
    fn field_types(&self, field: &FieldDescriptorProto) -> (String, String, Assigned) {
        let value = Value::of(field);
        if let Value::Message(name) = &value
            && let Some(entry) = self.known.map_entry(name)
            && let [key, value] = entry.field.as_slice()
        {
            let (key, value) = (self.read(&Value::of(key)), Value::of(value));
            let container = if matches!(value, Value::Message(_)) { "MessageMap" } else { "ScalarMap" };
            let value = self.read(&value);
            return (
                format!("_containers.{container}[{key}, {value}]"),
                format!("_abc.Mapping[{key}, {value}]"),
                Assigned::Nothing,
            );
        }
        let read = self.read(&value);
        let is_message = matches!(value, Value::Message(_));
        if is_repeated(field) {
            let container =
                if is_message { "RepeatedCompositeFieldContainer" } else { "RepeatedScalarFieldContainer" };
            let given = format!("_abc.Iterable[{}]", self.given(&value));
            return (format!("_containers.{container}[{read}]"), given, Assigned::Nothing);
        }
        let assigned = match &value {
            Value::Message(name) => in_python(name).map_or(Assigned::Nothing, Assigned::Another),
            _ => Assigned::WhatIsRead,
        };
        (read, self.given(&value), assigned)
    }

    fn message(
        &mut self,
        message: &DescriptorProto,
        around: &[String],
        features: &ResolvedFeatures,
        place: &[i32],
    ) {
        let name = message.name.clone().unwrap_or_default();
        if !is_identifier(&name) {
            return;
        }
        let features = features::resolve_child(features, features::message_features(message));
        let path: Vec<String> = around.iter().cloned().chain([name.clone()]).collect();
        self.out.blank(1);
        if message.options.deprecated.unwrap_or_default() {
            self.out.line("@_typing_extensions.deprecated(\"deprecated by its schema\")");
        }
        self.out.line(&format!("class {name}(_message.Message):"));
        self.out.deeper();
        let doc = self.comments.at(place);
        self.out.docstring(&doc);
        if message.field.is_empty()
            && message.nested_type.is_empty()
            && message.enum_type.is_empty()
            && message.extension.is_empty()
        {
            self.out.line("...");
        }
        for (index, one) in (0..).zip(&message.enum_type) {
            self.an_enum(one, &path, &[place, &[ENUM_OF_MESSAGE, index]].concat());
        }
        for (index, nested) in (0..).zip(&message.nested_type) {
            self.message(nested, &path, &features, &[place, &[MESSAGE_OF_MESSAGE, index]].concat());
        }
        self.extensions(&message.extension, true);
        if !message.field.is_empty() {
            self.out.blank(1);
            self.fields(message, place);
            self.constructor(message);
            self.questions(message, &features);
        }
        self.out.shallower();
        if around.is_empty() {
            self.out.blank(1);
            self.out.line(&format!("_type_{name}: _typing.TypeAlias = {name}"));
        }
    }

    fn fields(&mut self, message: &DescriptorProto, place: &[i32]) {
        for field in &message.field {
            let name = field.name.as_deref().unwrap_or_default().to_uppercase();
            self.out.line(&format!("{name}_FIELD_NUMBER: _builtins.int"));
        }
        for (index, field) in (0..).zip(&message.field) {
            let name = field.name.as_deref().unwrap_or_default();
            if !is_identifier(name) {
                continue;
            }
            let doc = self.comments.at(&[place, &[FIELD_OF_MESSAGE, index]].concat());
            match self.field_types(field) {
                (read, _, Assigned::WhatIsRead) => {
                    self.out.line(&format!("{name}: {read}"));
                    self.out.docstring(&doc);
                }
                (read, _, assigned) => {
                    self.out.line("@_builtins.property");
                    let end = if doc.is_empty() { " ..." } else { "" };
                    self.out.line(&format!("def {name}(self) -> {read}:{end}"));
                    self.out.indented(|out| out.docstring(&doc));
                    if let Assigned::Another(kind) = assigned {
                        self.out.line(&format!("@{name}.setter"));
                        self.out.line(&format!("def {name}(self, value: {kind}) -> None: ..."));
                    }
                }
            }
        }
    }

    fn constructor(&mut self, message: &DescriptorProto) {
        let names = || message.field.iter().filter_map(|field| field.name.as_deref());
        // Its own name for itself may be a field's.
        let own = if names().any(|name| name == "self") { "self_" } else { "self" };
        self.out.line("def __init__(");
        self.out.deeper();
        self.out.line(&format!("{own},"));
        if names().any(is_identifier) {
            self.out.line("*,");
        }
        for field in &message.field {
            let name = field.name.as_deref().unwrap_or_default();
            if is_identifier(name) {
                let (_, given, _) = self.field_types(field);
                self.out.line(&format!("{name}: {given} | None = ...,"));
            }
        }
        if !names().all(is_identifier) {
            // Fields that are keywords of Python: `**{"from": 1}`.
            self.out.line("**more: _typing.Any,");
        }
        self.out.shallower();
        self.out.line(") -> None: ...");
    }

    fn questions(&mut self, message: &DescriptorProto, features: &ResolvedFeatures) {
        let name_of = |field: &FieldDescriptorProto| field.name.clone().unwrap_or_default();
        // Those that stand for `optional` in proto3 are no groups of fields to anybody.
        let groups: Vec<(String, Vec<String>)> = (0..)
            .zip(&message.oneof_decl)
            .map(|(index, oneof)| {
                let fields = message.field.iter().filter(|field| {
                    field.oneof_index == Some(index) && !field.proto3_optional.unwrap_or_default()
                });
                (oneof.name.clone().unwrap_or_default(), fields.map(name_of).collect())
            })
            .filter(|(_, fields): &(_, Vec<String>)| !fields.is_empty())
            .collect();
        let group_names = || groups.iter().map(|(name, _)| name.clone());
        let present = message.field.iter().filter(|field| has_presence(field, features)).map(name_of);
        let present: Vec<String> = present.chain(group_names()).collect();
        let all: Vec<String> = message.field.iter().map(name_of).chain(group_names()).collect();
        if !present.is_empty() {
            let names = literals(&present);
            self.out.line(&format!("def HasField(self, field_name: {names}) -> _builtins.bool: ..."));
        }
        self.out.line(&format!("def ClearField(self, field_name: {}) -> None: ...", literals(&all)));
        for (name, fields) in &groups {
            if groups.len() > 1 {
                self.out.line("@_typing.overload");
            }
            let (name, fields) = (literals(std::slice::from_ref(name)), literals(fields));
            self.out.line(&format!("def WhichOneof(self, oneof_group: {name}) -> {fields} | None: ..."));
        }
    }

    fn an_enum(&mut self, one: &EnumDescriptorProto, around: &[String], place: &[i32]) {
        let name = one.name.clone().unwrap_or_default();
        let class =
            format!("_type_{}", around.iter().cloned().chain([name.clone()]).collect::<Vec<_>>().join("."));
        let class = if is_identifier(&name) { class } else { "_builtins.int".to_owned() };
        let values: Vec<&str> = one.value.iter().filter_map(|value| value.name.as_deref()).collect();
        if is_identifier(&name) {
            self.out.blank(1);
            if one.options.deprecated.unwrap_or_default() {
                self.out.line("@_typing_extensions.deprecated(\"deprecated by its schema\")");
            }
            self.out
                .line(&format!("class {name}(_builtins.int, metaclass=_enum_type_wrapper.EnumTypeWrapper):"));
            self.out.deeper();
            let doc = self.comments.at(place);
            self.out.docstring(&doc);
            for (index, value) in (0..).zip(&values) {
                if is_identifier(value) {
                    self.out.line(&format!("{value}: _typing.ClassVar[{class}]"));
                    let doc = self.comments.at(&[place, &[VALUE_OF_ENUM, index]].concat());
                    self.out.docstring(&doc);
                }
            }
            if !values.contains(&"ValueType") {
                self.out.line(&format!("ValueType: _typing.TypeAlias = {class}"));
            }
            let text = "_builtins.str";
            for (method, signature) in [
                ("Name", format!("(cls, number: _builtins.int) -> {text}")),
                ("Value", format!("(cls, name: {text} | _builtins.bytes) -> {class}")),
                ("keys", format!("(cls) -> _builtins.list[{text}]")),
                ("values", format!("(cls) -> _builtins.list[{class}]")),
                ("items", format!("(cls) -> _builtins.list[tuple[{text}, {class}]]")),
            ] {
                if !values.contains(&method) {
                    self.out.line("@_builtins.classmethod");
                    self.out.line(&format!("def {method}{signature}: ..."));
                }
            }
            self.out.shallower();
            self.out.blank(1);
            if around.is_empty() {
                self.out.line(&format!("_type_{name}: _typing.TypeAlias = {name}"));
            }
        }
        for value in values.into_iter().filter(|value| is_identifier(value)) {
            if around.is_empty() {
                self.out.line(&format!("{value}: {class}"));
            } else {
                self.out.line(&format!("{value}: _typing.ClassVar[{class}]"));
            }
        }
    }

    fn extensions(&mut self, fields: &[FieldDescriptorProto], in_class: bool) {
        for field in fields {
            let name = field.name.as_deref().unwrap_or_default();
            if !is_identifier(name) {
                continue;
            }
            let extended = Value::Message(field.extendee.clone().unwrap_or_default());
            let extended = self.read(&extended);
            let (read, ..) = self.field_types(field);
            let descriptor = format!("_extension_dict._ExtensionFieldDescriptor[{extended}, {read}]");
            let descriptor = if in_class { format!("_typing.ClassVar[{descriptor}]") } else { descriptor };
            self.out.line(&format!("{}_FIELD_NUMBER: _builtins.int", name.to_uppercase()));
            self.out.line(&format!("{name}: {descriptor}"));
        }
    }
}

fn literals(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    format!("_typing.Literal[{}]", names.join(", "))
}
