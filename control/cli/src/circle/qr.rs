//! A link as a QR code for a terminal: two modules per character, one above the other.

use qrcode::{Color, EcLevel, QrCode};

/// Free modules around the code, as the standard asks for.
const QUIET: usize = 4;
/// Black on white, whatever the terminal's own colours are: not every camera takes a code the other way round.
const PAPER: &str = "\x1b[38;5;16;48;5;231m";
const NO_PAPER: &str = "\x1b[0m";

/// Draws `link`; none if it is longer than any code. On a terminal with colours of its own.
pub(super) fn draw(link: &str, coloured: bool) -> Option<String> {
    // In capitals it takes fewer bits, and links are read in any case.
    let code = QrCode::with_error_correction_level(link.to_uppercase(), EcLevel::L).ok()?;
    let size = code.width();
    let dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + size).contains(&x) && (QUIET..QUIET + size).contains(&y);
        inside && code[(x - QUIET, y - QUIET)] == Color::Dark
    };
    let whole = size + 2 * QUIET;
    let mut text = String::new();
    for y in (0..whole).step_by(2) {
        text.push_str(if coloured { PAPER } else { "" });
        text.extend((0..whole).map(|x| match (dark(x, y), dark(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        text.push_str(if coloured { NO_PAPER } else { "" });
        text.push('\n');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_becomes_a_square_that_fits_a_terminal() {
        let link = format!("ringmesh://join/{}", "a7".repeat(110));
        let text = draw(&link, false).expect("short enough");
        let rows: Vec<_> = text.lines().collect();
        let width = rows[0].chars().count();
        assert!(rows.iter().all(|row| row.chars().count() == width), "a square");
        assert_eq!(rows.len(), width.div_ceil(2));
        assert!(width < 80, "{width}");
        // The finder in the corner: a dark row of seven, then one that is dark at both ends.
        let corner: String = rows[QUIET / 2].chars().skip(QUIET).take(8).collect();
        assert_eq!(corner, "█▀▀▀▀▀█ ");
        assert!(draw(&link, true).expect("short enough").lines().all(|row| row.ends_with(NO_PAPER)));
        assert_eq!(draw(&"a".repeat(5000), false), None);
    }
}
