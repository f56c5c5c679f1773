//! Medians and quartiles.

/// Where the middle of some numbers lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
    pub(crate) n: usize,
}

impl Summary {
    /// The quartiles; nothing of nothing. Of an even number of values the median is the mean of the middle two.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |numerator: usize| {
            // Linear between the two neighbours.
            let (index, rest) = (last * numerator / 4, (last * numerator % 4) as f64 / 4.0);
            sorted[index] + (sorted[(index + 1).min(last)] - sorted[index]) * rest
        };
        Some(Self { low: at(1), median: at(2), high: at(3), n: sorted.len() })
    }
}

/// The median, or not a number when there are no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    Summary::of(values).map_or(f64::NAN, |summary| summary.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        assert_eq!(Summary::of([]), None);
        assert_eq!(Summary::of([3.0]), Some(Summary { low: 3.0, median: 3.0, high: 3.0, n: 1 }));
        assert_eq!(Summary::of([5.0, 1.0, 3.0, 2.0, 4.0]), Some(Summary { low: 2.0, median: 3.0, high: 4.0, n: 5 }));
        assert_eq!(median([1.0, 2.0]), 1.5);
        assert!(median([]).is_nan());
    }
}
