//! QR codes in half blocks.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code. The standard wants 4; phones are content with 2, and a small terminal with less
/// cannot show more.
const QUIET: usize = 2;

/// A code as rows of text, two modules in a character. The blocks are the dark modules, to be drawn dark on light paper; with
/// `light_blocks` they are the light ones, for a dark terminal without colours. `None`: the text is too long for any code.
pub(crate) fn rows(text: &str, light_blocks: bool) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let size = code.width();
    let side = size + 2 * QUIET;
    let colors = code.to_colors();
    let dark = |x: usize, y: usize| {
        let (Some(x), Some(y)) = (x.checked_sub(QUIET), y.checked_sub(QUIET)) else { return false };
        x < size && y < size && colors.get(y * size + x) == Some(&Color::Dark)
    };
    let row = |y: usize| {
        (0..side)
            .map(|x| match (dark(x, y) != light_blocks, dark(x, y + 1) != light_blocks) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect()
    };
    Some((0..side).step_by(2).map(row).collect())
}

/// Columns and rows of [`rows`].
pub(crate) fn size(text: &str) -> Option<(usize, usize)> {
    let side = QrCode::with_error_correction_level(text, EcLevel::L).ok()?.width() + 2 * QUIET;
    Some((side, side.div_ceil(2)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_half_blocks_are_the_code() {
        let text = format!("torchat:{}?i={}", "a".repeat(56), "0".repeat(32));
        let code = QrCode::with_error_correction_level(&text, EcLevel::L).unwrap();
        for ink in [false, true] {
            let rows = rows(&text, ink).unwrap();
            assert_eq!(size(&text), Some((code.width() + 2 * QUIET, rows.len())));
            assert!(rows.len() <= 22 && rows.iter().all(|row| row.chars().count() == code.width() + 2 * QUIET));
            for (y, line) in code.to_colors().chunks(code.width()).enumerate() {
                for (x, color) in line.iter().enumerate() {
                    let block = rows[(y + QUIET) / 2].chars().nth(x + QUIET).unwrap();
                    let full = if (y + QUIET).is_multiple_of(2) { "█▀" } else { "█▄" }.contains(block);
                    assert_eq!(full, (*color == Color::Dark) != ink, "{x} {y}");
                }
            }
        }
    }
}
