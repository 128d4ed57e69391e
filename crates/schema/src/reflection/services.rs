//! Which services the gathered files make, when some of the files may be broken.

use std::collections::{BTreeMap, BTreeSet};

use buffa_descriptor::generated::descriptor::FileDescriptorProto;

use crate::schema::Schema;

type Files = BTreeMap<String, FileDescriptorProto>;

/// The full names of a file's services.
pub(super) fn services_of(file: &FileDescriptorProto) -> impl Iterator<Item = String> {
    let package = file.package.as_deref().unwrap_or_default();
    file.service.iter().map(move |service| {
        let name = service.name.as_deref().unwrap_or_default();
        if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
    })
}

/// Links all services that link together, and tells of each of the others why it does not.
///
/// All at once if possible. Otherwise halves are tried, then their halves, so that a few broken services among many cost
/// a few attempts each.
pub(super) fn link_services(files: &Files, services: &[String]) -> (Option<Schema>, Vec<(String, String)>) {
    let homes: BTreeMap<String, &str> = files
        .iter()
        .flat_map(|(name, file)| services_of(file).map(move |service| (service, name.as_str())))
        .collect();
    let mut linked = Linked { files, names: BTreeSet::new(), schema: None };
    let mut failures = Vec::new();
    let mut waiting = vec![services];
    while let Some(group) = waiting.pop() {
        let roots = group.iter().filter_map(|service| homes.get(service).copied());
        match (linked.add(roots), group) {
            (Ok(()), _) | (Err(_), []) => {}
            (Err(reason), [service]) => failures.push((service.clone(), reason)),
            (Err(_), group) => {
                let (first, second) = group.split_at(group.len() / 2);
                waiting.extend([second, first]);
            }
        }
    }
    (linked.schema, failures)
}

/// The files known to link together, and what they make.
struct Linked<'a> {
    files: &'a Files,
    names: BTreeSet<&'a str>,
    schema: Option<Schema>,
}

impl<'a> Linked<'a> {
    /// Adds files and all they import, or nothing if those do not link.
    fn add(&mut self, roots: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let mut names = self.names.clone();
        let mut waiting: Vec<&str> = roots.collect();
        while let Some(name) = waiting.pop() {
            // An import that the server does not have is for the linker to judge.
            if let Some((name, file)) = self.files.get_key_value(name)
                && names.insert(name)
            {
                waiting.extend(file.dependency.iter().map(String::as_str));
            }
        }
        if names.is_empty() || (names == self.names && self.schema.is_some()) {
            return Ok(());
        }
        let files = names.iter().filter_map(|name| self.files.get(*name)).cloned().collect();
        self.schema = Some(Schema::from_files(files).map_err(|error| error.to_string())?);
        self.names = names;
        Ok(())
    }
}
