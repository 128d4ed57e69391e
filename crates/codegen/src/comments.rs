//! Comments of a schema.

use std::collections::HashMap;

use buffa_descriptor::generated::descriptor::FileDescriptorProto;

// The numbers of fields in descriptors, which comments are found by.
pub(crate) const MESSAGE_OF_FILE: i32 = 4;
pub(crate) const ENUM_OF_FILE: i32 = 5;
pub(crate) const SERVICE_OF_FILE: i32 = 6;
pub(crate) const FIELD_OF_MESSAGE: i32 = 2;
pub(crate) const MESSAGE_OF_MESSAGE: i32 = 3;
pub(crate) const ENUM_OF_MESSAGE: i32 = 4;
pub(crate) const VALUE_OF_ENUM: i32 = 2;
pub(crate) const METHOD_OF_SERVICE: i32 = 2;

/// The comments of a file, by what they stand at.
pub(crate) struct Comments<'a>(HashMap<&'a [i32], &'a str>);

impl<'a> Comments<'a> {
    pub(crate) fn new(file: &'a FileDescriptorProto) -> Self {
        let locations = file.source_code_info.location.iter();
        Self(
            locations
                .filter_map(|location| {
                    let leading = location.leading_comments.as_deref();
                    let comment = leading.or(location.trailing_comments.as_deref())?;
                    Some((location.path.as_slice(), comment))
                })
                .collect(),
        )
    }

    /// The lines of the comment at a path, without the space that all of them begin with.
    pub(crate) fn at(&self, path: &[i32]) -> Vec<String> {
        let Some(comment) = self.0.get(path) else { return Vec::new() };
        let lines: Vec<&str> = comment.trim_end().lines().map(str::trim_end).collect();
        let indent = lines
            .iter()
            .filter(|line| !line.is_empty())
            .map(|line| line.len() - line.trim_start_matches(' ').len())
            .min()
            .unwrap_or_default();
        let lines = lines.iter().map(|line| line.get(indent..).unwrap_or_default().to_owned());
        lines.skip_while(String::is_empty).collect()
    }
}
