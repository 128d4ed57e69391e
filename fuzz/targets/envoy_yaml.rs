//! Any file is refused with the place of every fault, or can be dumped and loaded again as the same configuration.
#![no_main]

use landbridge_bridge::config::Bootstrap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Bootstrap::from_yaml(text) {
        Ok(bootstrap) => {
            let dump = bootstrap.to_json().to_string();
            // Without its private keys a file is not the same.
            if !dump.contains("[redacted]") {
                let again = match Bootstrap::from_yaml(&dump) {
                    Ok(again) => again,
                    Err(errors) => panic!("our own dump was refused: {errors}\n{dump}"),
                };
                assert_eq!(again.to_json(), bootstrap.to_json());
            }
        }
        Err(errors) => {
            assert!(!errors.as_slice().is_empty(), "a file is not refused without a reason");
            for error in errors.as_slice() {
                assert!(!error.message.is_empty() && error.line >= 1 && error.column >= 1, "{error}");
            }
        }
    }
});
