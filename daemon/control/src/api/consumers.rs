//! Which subscription speaks for a consumer: the one that came last, on whatever connection.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Longest name of a consumer.
const NAME_BYTES: usize = 64;

/// Whether this can be the name of a consumer.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By name with its namespace.
    active: HashMap<String, (u64, CancellationToken)>,
}

/// The active consumers of all connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Consumers(Arc<Mutex<Table>>);

impl Consumers {
    /// Makes a subscription the one of its consumer; `over` tells it when another one takes its place.
    pub(crate) fn take(&self, name: String, over: CancellationToken) -> Claim {
        let mut table = self.0.lock();
        let number = table.next;
        table.next += 1;
        if let Some((_, older)) = table.active.insert(name.clone(), (number, over)) {
            older.cancel();
        }
        drop(table);
        Claim { consumers: self.clone(), name, number }
    }
}

/// A subscription's hold on its consumer. Ends with it.
#[derive(Debug)]
pub(crate) struct Claim {
    consumers: Consumers,
    name: String,
    number: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut table = self.consumers.0.lock();
        if table.active.get(&self.name).is_some_and(|(number, _)| *number == self.number) {
            table.active.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_wins_and_leaves_nothing_behind() {
        let consumers = Consumers::default();
        let over: [_; 4] = std::array::from_fn(|_| CancellationToken::new());
        let ended = || over.each_ref().map(CancellationToken::is_cancelled);
        let first = consumers.take("bot".into(), over[0].clone());
        let other = consumers.take("bot2".into(), over[1].clone());
        let second = consumers.take("bot".into(), over[2].clone());
        assert_eq!(ended(), [true, false, false, false]);
        drop(first);
        let third = consumers.take("bot".into(), over[3].clone());
        assert_eq!(ended(), [true, false, true, false], "the end of the first one did not hide the second");
        drop((second, third, other));
        assert!(consumers.0.lock().active.is_empty());
    }

    #[test]
    fn names_are_simple() {
        for good in ["bot1", "a", "A.b_c-d", &"x".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "token:cron/x", "ü", "a\n", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
