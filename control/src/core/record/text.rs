//! What changed of a long text, by lines.

use serde::{Deserialize, Serialize};

/// The lines between those at the start and at the end that stayed.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct TextChange {
    /// Lines at the start that stayed.
    head: usize,
    /// Lines at the end that stayed.
    tail: usize,
    /// What stands between them.
    text: String,
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

impl TextChange {
    /// What makes `new` of `old`.
    pub fn new(old: &str, new: &str) -> Self {
        let (old, new) = (lines(old), lines(new));
        let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let (old, new) = (&old[head..], &new[head..]);
        let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
        Self { head, tail, text: new[..new.len() - tail].concat() }
    }

    /// The new text; none: it was not made of this old one.
    pub fn apply(&self, old: &str) -> Option<String> {
        let old = lines(old);
        let tail = old.len().checked_sub(self.tail).filter(|tail| self.head <= *tail)?;
        Some(old[..self.head].concat() + &self.text + &old[tail..].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_change_makes_the_new_text_of_the_old_one(old in "([ab]\n){0,8}", new in "([ab]\n){0,8}b?") {
            proptest::prop_assert_eq!(TextChange::new(&old, &new).apply(&old), Some(new));
        }
    }

    #[test]
    fn what_stayed_is_not_repeated() {
        let change = TextChange::new("a\nb\nc\n", "a\nx\nc\n");
        assert_eq!((change.head, change.tail, &*change.text), (1, 1, "x\n"));
        assert_eq!(change.apply("a\n"), None);
    }
}
