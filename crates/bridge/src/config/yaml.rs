//! YAML text -> a tree that remembers where each node stood.
//!
//! Scalars keep their text: what `8080` or `on` means depends on the field that holds it, which only the reader of that
//! field knows. Text size, depth and the number of nodes (aliases count as often as they are used) are bounded, so
//! no file can make this grow without end.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::error::ConfigError;

/// Largest text read, in bytes.
const MAX_TEXT: usize = 8 << 20;
/// Deepest nesting of lists and maps. Envoy's deepest messages stay below 40.
const MAX_DEPTH: usize = 64;
/// Most nodes in a tree, aliases expanded.
const MAX_NODES: usize = 400_000;

/// A place in the text: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map with its value. Keys of a map are unique.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) mark: Mark,
    pub(super) value: Node,
}

#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Neither quoted nor a block, so that it may mean a number, a boolean or null.
    pub(super) plain: bool,
}

/// What a scalar means by itself, as Envoy's parser has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Text(&'a str),
}

impl Scalar {
    pub(super) fn meaning(&self) -> Meaning<'_> {
        let text = self.text.as_str();
        if !self.plain {
            return Meaning::Text(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
            // Envoy's parser takes the YAML 1.1 words as well, so a file may rely on them.
            "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
                return Meaning::Bool(true);
            }
            "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
                return Meaning::Bool(false);
            }
            _ => {}
        }
        // A number with decimals is text to Envoy, as no field it reads from YAML has them.
        integer(text).map_or(Meaning::Text(text), Meaning::Integer)
    }
}

/// Whole numbers as Envoy's parser reads them: `0x` is hexadecimal and a leading `0` octal, as in a pipe's `mode: 0600`.
fn integer(text: &str) -> Option<i128> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'0'..=b'7', ..] => (&text[1..], 8),
        _ => return text.parse().ok(),
    };
    let all_digits = digits.chars().all(|c| c.is_digit(radix));
    all_digits.then(|| i128::from_str_radix(digits, radix).ok())?
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.meaning() == Meaning::Null)
    }

    /// Reads one document.
    ///
    /// # Errors
    /// Not YAML, empty, more than one document, a doubled key, or beyond the bounds of this module.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.len() > MAX_TEXT {
            return Err(fault(
                Mark { line: 1, column: 1 },
                format!("the file has {} bytes; at most {MAX_TEXT} are read", text.len()),
            ));
        }
        let mut builder = Builder::default();
        let mut last = Mark { line: 1, column: 1 };
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| {
                let at = error.marker();
                let mark = Mark { line: at.line().max(1), column: at.col() + 1 };
                fault(mark, format!("not YAML: {}", error.info()))
            })?;
            last = mark(&span);
            builder.take(event, last)?;
        }
        builder.root.ok_or_else(|| fault(last, "the file is empty; a configuration needs `static_resources`"))
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        let (items, entries): (&[Node], &[Entry]) = match &self.value {
            Value::Scalar(_) => (&[], &[]),
            Value::List(items) => (items, &[]),
            Value::Map(entries) => (&[], entries),
        };
        items.iter().chain(entries.iter().map(|entry| &entry.value))
    }

    fn count(&self) -> usize {
        1 + self.children().map(Node::count).sum::<usize>()
    }

    fn depth(&self) -> usize {
        1 + self.children().map(Node::depth).max().unwrap_or(0)
    }
}

/// Puts events together, iteratively: `open` is the way from the root to the node being read.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

struct Open {
    mark: Mark,
    anchor: usize,
    content: OpenContent,
}

enum OpenContent {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, keys: HashSet<String>, key: Option<(String, Mark)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, mark: Mark) -> Result<(), ConfigError> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => match self.root {
                None => Ok(()),
                Some(_) => Err(fault(mark, "a second YAML document; a configuration is one document")),
            },
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(fault(mark, "an alias inside the very node it names"));
                };
                let node = node.clone();
                self.admit(node.count(), mark)?;
                if self.open.len() + node.depth() > MAX_DEPTH + 1 {
                    return Err(too_deep(mark));
                }
                self.place(node, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let text_tag = match tag {
                    None => false,
                    Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => true,
                    Some(_) => return Err(fault(mark, TAGGED)),
                };
                self.admit(1, mark)?;
                let plain = style == ScalarStyle::Plain && !text_tag;
                let scalar = Scalar { text: text.into_owned(), plain };
                let value = Value::Scalar(scalar);
                self.place(Node { mark, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                let content = OpenContent::List(Vec::new());
                self.enter(mark, anchor, tag.is_some(), content)
            }
            Event::MappingStart(anchor, tag) => {
                let content = OpenContent::Map { entries: Vec::new(), keys: HashSet::new(), key: None };
                self.enter(mark, anchor, tag.is_some(), content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return Err(fault(mark, "not YAML: an end without a start"));
                };
                let value = match open.content {
                    OpenContent::List(items) => Value::List(items),
                    OpenContent::Map { entries, .. } => Value::Map(entries),
                };
                let node = Node { mark: open.mark, value };
                self.place(node, open.anchor)
            }
        }
    }

    fn enter(
        &mut self,
        mark: Mark,
        anchor: usize,
        tagged: bool,
        content: OpenContent,
    ) -> Result<(), ConfigError> {
        if tagged {
            return Err(fault(mark, TAGGED));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(too_deep(mark));
        }
        self.admit(1, mark)?;
        self.open.push(Open { mark, anchor, content });
        Ok(())
    }

    fn admit(&mut self, nodes: usize, mark: Mark) -> Result<(), ConfigError> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(fault(mark, format!("more than {MAX_NODES} values, aliases expanded")));
        }
        Ok(())
    }

    /// A whole node: goes where the innermost open list or map expects it.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), ConfigError> {
        if anchor > 0 {
            // The stored copy is memory too.
            self.admit(node.count(), node.mark)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(OpenContent::List(items)) => items.push(node),
            Some(OpenContent::Map { entries, keys, key }) => match key.take() {
                Some((key, mark)) => entries.push(Entry { key, mark, value: node }),
                None => {
                    let Value::Scalar(scalar) = node.value else {
                        return Err(fault(node.mark, "a key must be a word, not a list or a map"));
                    };
                    if !keys.insert(scalar.text.clone()) {
                        return Err(fault(node.mark, format!("`{}` is given twice", scalar.text)));
                    }
                    *key = Some((scalar.text, node.mark));
                }
            },
        }
        Ok(())
    }
}

const TAGGED: &str = "YAML tags are not supported, except !!str";

fn too_deep(mark: Mark) -> ConfigError {
    fault(mark, format!("nested deeper than {MAX_DEPTH} levels"))
}

fn mark(span: &Span) -> Mark {
    Mark { line: span.start.line().max(1), column: span.start.col() + 1 }
}

fn fault(mark: Mark, message: impl Into<String>) -> ConfigError {
    ConfigError { path: String::new(), line: mark.line, column: mark.column, message: message.into() }
}
