//! Any descriptor set is refused or becomes a schema whose methods and messages can be used.
#![no_main]

use arbitrary::Arbitrary;
use landbridge_fuzz::ChangedFile;
use landbridge_schema::{JsonOptions, Schema};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Any(&'a [u8]),
    Nearly(ChangedFile, &'a [u8]),
}

fuzz_target!(|input: Input<'_>| {
    let (set, message) = match input {
        Input::Any(set) => (set.to_vec(), &[][..]),
        Input::Nearly(changed, message) => (changed.set(), message),
    };
    let Ok(schema) = Schema::from_descriptor_set(&set) else { return };
    for method in schema.methods() {
        let found = schema.method(method.path()).expect("a method is found by its own path");
        assert_eq!(found.path(), method.path());
        for kind in [method.input(), method.output()] {
            assert_eq!(
                schema.message(kind.full_name()).expect("a type is found by its name").full_name(),
                kind.full_name()
            );
            let _ = kind.binary_to_json(message, &JsonOptions::default());
            let _ = kind.json_to_binary(message, &JsonOptions::default());
        }
    }
});
