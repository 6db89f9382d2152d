//! The rules of the tree that no compiler checks, each a function from text to complaints.
//!
//! A rule takes what it judges as an argument: `tests/tidy.rs` gives it the real tree, and a table
//! of small bad trees that it must refuse. A rule that nothing can break is not worth having.
//!
//! **Invariant:** rules read no file and run no command; [`tree`] does that for them.

pub mod arrows;
pub mod ends;
pub mod lexer;
pub mod manifest;
pub mod purity;
pub mod rooms;
pub mod shape;
pub mod tree;

/// One source file: its path from the root of the tree, with `/`, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// For example `dataplane/wire/src/message.rs`.
    pub path: String,
    /// The whole file as it is.
    pub text: String,
    /// The file with comments and the contents of literals blanked; lines stay where they are.
    pub code: String,
}

impl Source {
    /// A source with its code extracted.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let code = lexer::blank(&text);
        Self { path, text, code }
    }

    /// Whether this is test code: compiled for tests only, so it may do what shipped code may not.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || ["tests/", "benches/", "fuzz/"].iter().any(|folder| self.path.starts_with(folder))
    }

    /// `path:line` complaints for every line of code in which `word` stands as a whole word.
    pub fn complaints(&self, word: &str, why: &str) -> Vec<String> {
        (1..)
            .zip(self.code.lines())
            .filter(|(_, line)| has_word(line, word))
            .map(|(number, _)| format!("{}:{number}: `{word}`: {why}", self.path))
            .collect()
    }
}

/// Whether `word` occurs in `line` and does not go on as an identifier on either side.
pub fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let opens = word.chars().next().is_some_and(joins);
    let ends = word.chars().next_back().is_some_and(joins);
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(joins);
        let after = line[at + word.len()..].chars().next().is_some_and(joins);
        (!opens || !before) && (!ends || !after)
    })
}
