//! How many, in words for people: the same on the screen and in the shell.

/// "1 message", "1,204 messages". For words whose plural has an `s`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    let number = grouped(n);
    if n == 1 { format!("{number} {what}") } else { format!("{number} {what}s") }
}

/// A number with its thousands apart.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many_and_thousands_are_apart() {
        let all = [0, 1, 2, 999, 1_000, 1_204, 1_000_000, u64::MAX].map(|n| counted(n, "message"));
        let first = ["0 messages", "1 message", "2 messages", "999 messages", "1,000 messages", "1,204 messages"];
        assert_eq!(all[..6], first);
        assert_eq!(all[6..], ["1,000,000 messages", "18,446,744,073,709,551,615 messages"]);
    }
}
