//! Every way in which a packet ends has a name, a reason beside it and a line in ARCHITECTURE.md.

use super::Source;

/// The variants of `pub enum Drop` with whether a doc comment stands above each.
pub fn variants(source: &Source) -> Vec<(String, bool)> {
    let body =
        source.code.lines().zip(source.text.lines()).skip_while(|(code, _)| !code.contains("pub enum Drop"));
    let mut documented = false;
    let mut found = Vec::new();
    for (code, text) in body.skip(1) {
        let code = code.trim();
        if code.starts_with('}') {
            break;
        }
        if text.trim().starts_with("///") {
            documented = true;
        } else if let Some(name) = variant(code) {
            found.push((name, documented));
            documented = false;
        }
    }
    found
}

fn variant(code: &str) -> Option<String> {
    let name: String = code.chars().take_while(|c| c.is_alphanumeric()).collect();
    name.starts_with(char::is_uppercase).then_some(name)
}

/// Complaints about variants without a doc comment, or that `page` does not mention.
pub fn check(source: &Source, page: &str) -> Vec<String> {
    let variants = variants(source);
    if variants.is_empty() {
        return vec![format!("{}: no `pub enum Drop`", source.path)];
    }
    let undocumented = variants.iter().filter(|(_, documented)| !documented);
    let unmentioned = variants.iter().filter(|(name, _)| !page.contains(&format!("`{name}`")));
    let undocumented =
        undocumented.map(|(name, _)| format!("{}: Drop::{name} has no doc comment", source.path));
    undocumented
        .chain(unmentioned.map(|(name, _)| format!("ARCHITECTURE.md: does not mention `{name}`")))
        .collect()
}
