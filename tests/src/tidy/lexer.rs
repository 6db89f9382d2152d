//! Blanks what is not code, so that a rule about `unsafe` does not trip over a comment about it.
//!
//! It knows comments (nested ones too), strings, raw strings, byte strings and characters; it keeps every
//! newline, so line numbers still tell the truth.

/// The text with comments and the contents of literals replaced by spaces.
pub fn blank(text: &str) -> String {
    let mut lexer = Lexer { rest: text, out: String::with_capacity(text.len()) };
    while !lexer.rest.is_empty() {
        lexer.step();
    }
    lexer.out
}

struct Lexer<'a> {
    rest: &'a str,
    out: String,
}

impl Lexer<'_> {
    fn step(&mut self) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.blank(end);
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment(self.rest));
        } else if let Some(len) = raw_string(self.rest) {
            // A raw identifier's or a word's last letter is no prefix of a literal.
            if self.out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                self.keep(1)
            } else {
                self.blank(len)
            }
        } else if self.rest.starts_with('"') {
            self.blank(quoted(self.rest, '"'));
        } else if let Some(len) = character(self.rest) {
            self.blank(len);
        } else {
            let first = self.rest.chars().next().map_or(1, char::len_utf8);
            self.keep(first);
        }
    }

    fn keep(&mut self, len: usize) {
        let (kept, rest) = self.rest.split_at(len);
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, len: usize) {
        let (gone, rest) = self.rest.split_at(len);
        self.out.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// The length of the block comment at the start, with those nested in it; an open one ends with the text.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let here = &text.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"` and so on, if one stands here.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    })?;
    let hashes = text[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let open = prefix.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[open..].find(&close).map_or(text.len(), |end| open + end + close.len()))
}

/// The length of a literal that opens here with `quote` and may hold escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal, if one stands here; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    if first == '\\' {
        return Some(quoted(text, '\''));
    }
    inside[first.len_utf8()..].starts_with('\'').then(|| 2 + first.len_utf8())
}

#[cfg(test)]
mod tests;
