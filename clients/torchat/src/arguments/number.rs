//! Numbers on the command line, and what is said of a word that is none.

use std::str::FromStr;

/// At least 1.
///
/// # Errors
/// What the number must be.
pub(super) fn positive(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "the number must be 1 or more".to_owned())
}

/// Between two numbers, both included.
pub(super) fn between(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("the number must be {least} to {most}"))
    }
}

/// Any whole number that fits. The daemon knows its limits, and names them.
///
/// # Errors
/// What it must be.
pub(super) fn whole<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "it must be a whole number".to_owned())
}
