//! No text can do more than be refused.

use landbridge_bridge::config::Bootstrap;
use proptest::prelude::*;

use crate::fields::FULL;
use crate::refused;

proptest! {
    #[test]
    fn any_text_is_loaded_or_refused(text in "\\PC*") {
        let _ = Bootstrap::from_yaml(&text);
    }

    #[test]
    fn any_yaml_is_loaded_or_refused(text in "([a-z_]{1,4}: |- |[{}\\[\\],&*!|>'\"?#%@`]|\\n {0,4}|[0-9.]{1,3}|\\t|é)*") {
        let _ = Bootstrap::from_yaml(&text);
    }

    #[test]
    fn a_good_file_with_a_piece_missing_is_loaded_or_refused(start in 0..FULL.len(), length in 0..200_usize) {
        let end = (start + length).min(FULL.len());
        let text = format!("{}{}", &FULL[..start], &FULL[end..]);
        let _ = Bootstrap::from_yaml(&text);
    }

    #[test]
    fn a_good_file_with_two_lines_exchanged_is_loaded_or_refused(a in 0..300_usize, b in 0..300_usize) {
        let mut lines: Vec<&str> = FULL.lines().collect();
        let last = lines.len() - 1;
        lines.swap(a.min(last), b.min(last));
        let _ = Bootstrap::from_yaml(&lines.join("\n"));
    }
}

#[test]
fn aliases_do_not_multiply_without_end() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let inner = level - 1;
        let uses = vec![format!("*a{inner}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
    }
    assert_eq!(refused(&text), "line 6, column 15: more than 400000 values, aliases expanded");
}

#[test]
fn an_alias_cannot_hold_itself() {
    let said = refused("a: &a [1, *a]");
    assert_eq!(said, "line 1, column 11: an alias inside the very node it names");
}

#[test]
fn nesting_is_bounded_even_through_aliases() {
    let said = refused(&"[".repeat(100));
    assert_eq!(said, "line 1, column 65: nested deeper than 64 levels");
    let block: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(refused(&block), "line 65, column 65: nested deeper than 64 levels");
    let (open, close) = ("[".repeat(40), "]".repeat(40));
    let said = refused(&format!("a: &a {open}{close}\nb: {open}*a{close}"));
    assert_eq!(said, "line 2, column 44: nested deeper than 64 levels");
}

#[test]
fn a_huge_text_is_not_even_read() {
    let said = refused(&"#".repeat((8 << 20) + 1));
    assert_eq!(said, "line 1, column 1: the file has 8388609 bytes; at most 8388608 are read");
}
