//! JSON documents, one after the other, with or without white space between them.

use std::io::{BufReader, Read};

use serde_json::de::{IoRead, StreamDeserializer};
use serde_json::value::RawValue;

/// Reads documents, each as soon as its last character has come.
pub(crate) struct Documents<R: Read> {
    stream: StreamDeserializer<'static, IoRead<BufReader<R>>, Box<RawValue>>,
}

impl<R: Read> Documents<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { stream: serde_json::Deserializer::from_reader(BufReader::new(reader)).into_iter() }
    }
}

impl<R: Read> Iterator for Documents<R> {
    /// The text of a document, or what is wrong with it and where.
    type Item = Result<String, serde_json::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.stream.next()?.map(|document| Box::<str>::from(document).into_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        Documents::new(text.as_bytes()).map(Result::unwrap).collect()
    }

    #[test]
    fn documents_may_stand_on_lines_or_side_by_side() {
        assert_eq!(all("{\"a\":1}\n{\"b\":2}\n"), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(all("{}{} {}\r\n\t[1]"), ["{}", "{}", "{}", "[1]"]);
        assert_eq!(all("\"1.5s\" 2 null \"}\""), ["\"1.5s\"", "2", "null", "\"}\""]);
        assert_eq!(all("{\n  \"a\": \"} {\\\"\"\n}"), ["{\n  \"a\": \"} {\\\"\"\n}"]);
        for nothing in ["", " ", "\n\n"] {
            assert!(all(nothing).is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn a_document_keeps_the_digits_of_its_numbers() {
        assert_eq!(all("[1e400, 0.10, 18446744073709551616]"), ["[1e400, 0.10, 18446744073709551616]"]);
    }

    #[test]
    fn what_is_no_json_is_told_with_its_place() {
        for (text, good, place) in [
            ("{} x", 1, "line 1 column 4"),
            ("{}\n{\"a\":}", 1, "line 2 column 6"),
            ("{\"a\":1", 0, "line 1 column 6"),
            ("'a'", 0, "line 1 column 1"),
        ] {
            let mut documents = Documents::new(text.as_bytes());
            for _ in 0..good {
                assert!(documents.next().unwrap().is_ok(), "{text}");
            }
            let error = documents.next().unwrap().unwrap_err().to_string();
            assert!(error.contains(place), "{text}: {error}");
            assert!(documents.next().is_none(), "{text}");
        }
    }

    /// Gives a byte at a time, and counts them.
    struct Typed<'a>(&'a [u8], &'a std::cell::Cell<usize>);

    impl Read for Typed<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let (Some((first, rest)), Some(place)) = (self.0.split_first(), into.first_mut()) else {
                return Ok(0);
            };
            *place = *first;
            self.0 = rest;
            self.1.set(self.1.get() + 1);
            Ok(1)
        }
    }

    #[test]
    fn a_document_is_there_with_its_last_character() {
        let read = std::cell::Cell::new(0);
        let mut documents = Documents::new(Typed(b"{\"a\": {}} [1]\n", &read));
        assert_eq!(documents.next().unwrap().unwrap(), "{\"a\": {}}");
        assert_eq!(read.get(), 9);
        assert_eq!(documents.next().unwrap().unwrap(), "[1]");
        assert_eq!(read.get(), 13);
    }
}
