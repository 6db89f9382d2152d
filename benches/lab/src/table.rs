//! Text for people: numbers with units, and tables that are as wide as they must be.

use std::fmt::Write as _;

/// Rows of cells under a row of headings; the first column is aligned to the left, the others to the right.
#[derive(Clone, Debug, Default)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings and no rows.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self::with_headings(headings.into_iter().map(str::to_owned).collect())
    }

    /// The same, where the columns are not known beforehand.
    pub const fn with_headings(headings: Vec<String>) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let rule = |width: usize| "─".repeat(width);
        let widths = self.widths();
        let mut text = String::new();
        line(&mut text, &self.headings, &widths, ["", "  ", ""]);
        line(
            &mut text,
            &widths.iter().map(|width| rule(*width)).collect::<Vec<_>>(),
            &widths,
            ["", "  ", ""],
        );
        self.rows.iter().for_each(|row| line(&mut text, row, &widths, ["", "  ", ""]));
        text
    }

    /// For Markdown.
    pub fn markdown(&self) -> String {
        let widths = self.widths();
        let edges = ["| ", " | ", " |"];
        let mut text = String::new();
        line(&mut text, &self.headings, &widths, edges);
        let rules: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| match column {
                0 => "-".repeat(*width),
                _ => format!("{}:", "-".repeat(width - 1)),
            })
            .collect();
        line(&mut text, &rules, &widths, edges);
        self.rows.iter().for_each(|row| line(&mut text, row, &widths, edges));
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.chain(&self.headings[column..=column]).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        // Two, so that a rule of Markdown has room for its colon.
        (0..self.headings.len()).map(|column| width(column).max(2)).collect()
    }
}

fn line(text: &mut String, cells: &[String], widths: &[usize], [before, between, after]: [&str; 3]) {
    let padded = widths.iter().enumerate().map(|(column, width)| {
        let cell = cells.get(column).map_or("", String::as_str);
        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    let row = padded.collect::<Vec<_>>().join(between);
    // Writing to a string does not fail.
    let _infallible = writeln!(text, "{}", format!("{before}{row}{after}").trim_end());
}

/// `1.23 Gbit/s`.
pub fn bits(bits_per_sec: f64) -> String {
    scaled(bits_per_sec, &[(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")], "bit/s")
}

/// `12.3 MB`, in powers of 1,000.
pub fn bytes(bytes: f64) -> String {
    scaled(bytes, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB")], "B")
}

/// `47.1 µs`.
pub fn micros(micros: f64) -> String {
    scaled(micros, &[(1e6, "s"), (1e3, "ms"), (1.0, "µs")], "µs")
}

/// `123k`.
pub fn count(count: f64) -> String {
    let text = scaled(count, &[(1e9, "G"), (1e6, "M"), (1e3, "k")], "");
    text.replace(' ', "")
}

/// Three significant digits and the largest unit that keeps the number at 1 or above.
fn scaled(value: f64, units: &[(f64, &str)], smallest: &str) -> String {
    // 999.5 would be written as 1000.
    let fits = |unit: f64| value.abs() / unit >= 0.9995;
    let (unit, name) = units.iter().copied().find(|(unit, _)| fits(*unit)).unwrap_or((1.0, smallest));
    let value = value / unit;
    let digits = match value.abs() {
        large if large >= 99.95 => 0,
        middle if middle >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$} {name}").trim_end().to_owned()
}

#[cfg(test)]
mod tests;
