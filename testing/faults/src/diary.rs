//! What a consumer wrote while it was killed again and again, and whether the event log kept its promise to it.

use anyhow::{Context as _, bail, ensure};
use std::collections::BTreeMap;

/// What a diary tells that is no violation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Diary {
    /// Different messages.
    pub messages: usize,
    /// Runs of the consumer.
    pub runs: usize,
    /// Messages that came again because a kill came before their acknowledgement.
    pub again: usize,
    /// Up to which event the consumer knows that it has acknowledged.
    pub acknowledged: u64,
    /// The last event.
    pub last: u64,
}

impl Diary {
    /// Everything is worked off and acknowledged. `cursor`: up to which event, by the daemon's word. A consumer that was killed
    /// between the daemon's answer and its own line has nothing more to do, and writes that line never.
    #[must_use]
    pub fn is_complete(&self, messages: usize, cursor: u64) -> bool {
        self.messages >= messages && self.acknowledged.max(cursor) >= self.last
    }

    /// Reads a diary. Nothing may come twice after it was acknowledged, or within one run; everything comes in its
    /// order; `expected` are the texts of all messages, of which the diary may be a part that is not finished.
    ///
    /// # Errors
    /// What is lost, repeated or out of order.
    pub fn read(text: &str, expected: &[String]) -> anyhow::Result<Self> {
        let mut diary = Self::default();
        let mut events: BTreeMap<u64, &str> = BTreeMap::new();
        let mut in_this_run: Option<u64> = None;
        for (n, line) in text.split_inclusive('\n').enumerate() {
            // Being written at this moment.
            let Some(line) = line.strip_suffix('\n') else { break };
            let mut words = line.splitn(3, ' ');
            let kind = words.next();
            if kind == Some("run") {
                diary.runs += 1;
                in_this_run = None;
                continue;
            }
            let seq: u64 = words.next().with_context(|| format!("line {n}: {line:?}"))?.parse()?;
            match kind {
                Some("got") => {
                    let text = words.next().with_context(|| format!("line {n} has no text"))?;
                    ensure!(seq > diary.acknowledged, "{seq} came again after it was acknowledged (line {n})");
                    ensure!(in_this_run.is_none_or(|last| seq > last), "{seq} is out of order (line {n})");
                    in_this_run = Some(seq);
                    if let Some(before) = events.insert(seq, text) {
                        ensure!(before == text, "{seq} was {before:?} and is {text:?} (line {n})");
                        diary.again += 1;
                    }
                }
                Some("ack") => diary.acknowledged = diary.acknowledged.max(seq),
                Some("gap") => bail!("the log has dropped events: {line}"),
                _ => bail!("line {n}: {line:?}"),
            }
        }
        diary.last = events.keys().last().copied().unwrap_or_default();
        diary.messages = events.len();
        let mut expected = expected.iter();
        for (seq, text) in events {
            let wanted = expected.next();
            ensure!(wanted.is_some_and(|wanted| wanted == text), "{seq} is {text:?} instead of {wanted:?}");
        }
        Ok(diary)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Diary;

    fn read(text: &str) -> anyhow::Result<Diary> {
        Diary::read(text, &["a", "b", "c"].map(str::to_owned))
    }

    #[test]
    fn every_broken_promise_is_found() {
        let good = read("run\ngot 4 a\ngot 6 b\nack 4\nrun\ngot 6 b\ngot 9 c\nack 9\n").unwrap();
        assert_eq!((good.messages, good.runs, good.again, good.is_complete(3, 0)), (3, 2, 1, true));
        assert!(!read("run\ngot 4 a\nack 4\ngot 6 b").unwrap().is_complete(2, 6), "the last line is not finished");
        let killed = read("run\ngot 4 a\nack 4\ngot 6 b\nrun\n").unwrap();
        assert_eq!([4, 6].map(|cursor| killed.is_complete(2, cursor)), [false, true]);
        for (diary, why) in [
            ("run\ngot 4 a\nack 4\nrun\ngot 4 a\n", "after it was acknowledged"),
            ("run\ngot 4 a\ngot 4 a\n", "out of order"),
            ("run\ngot 4 a\ngot 6 c\n", "instead of"),
            ("run\ngot 4 a\ngot 6 a\n", "instead of"),
            ("run\ngot 4 a\nrun\ngot 4 b\n", "and is"),
            ("run\ngap 1 3\n", "dropped"),
            ("run\ngot 1 a\ngot 2 b\ngot 3 c\ngot 4 d\n", "instead of"),
        ] {
            let error = read(diary).unwrap_err().to_string();
            assert!(error.contains(why), "{diary:?}: {error}");
        }
    }
}
