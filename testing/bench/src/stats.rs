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

/// The value that this many of 100 are not above, by nearest rank: always one that was measured. Not a number when there
/// are none.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    rank.checked_sub(1).and_then(|index| sorted.get(index).copied()).unwrap_or(f64::NAN)
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

    #[test]
    fn percentiles_are_values() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([50, 95, 99, 100].map(|percent| percentile(&values, percent)), [50.0, 95.0, 99.0, 100.0]);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert!(percentile(&[], 50).is_nan());
    }
}
