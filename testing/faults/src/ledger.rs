//! What senders were told, and whether the receiver's history agrees with it.

use anyhow::{bail, ensure};
use std::collections::{HashMap, HashSet};

/// What became of one text at its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// END: it must arrive, once.
    Acked,
    /// ERR, so nothing should have been stored. It may not arrive twice.
    Refused,
    /// The answer was lost with its daemon: it may arrive once or not at all.
    Unsure,
}

/// The texts of one direction, in the order in which each sender sent them. A text is `sender number`.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    fates: HashMap<String, Fate>,
}

/// What a check found that is no violation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    /// Messages in the history.
    pub messages: usize,
    /// Of them acknowledged to their sender.
    pub acked: usize,
}

impl std::ops::AddAssign for Findings {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.acked += other.acked;
    }
}

impl Ledger {
    /// Notes what a sender was told.
    pub fn note(&mut self, text: String, fate: Fate) {
        self.fates.insert(text, fate);
    }

    /// Somebody took this text away: it may be there or not.
    pub fn excuse(&mut self, text: &str) {
        if let Some(fate) = self.fates.get_mut(text) {
            *fate = Fate::Unsure;
        }
    }

    /// Takes over what another one knows.
    pub fn merge(&mut self, other: Self) {
        self.fates.extend(other.fates);
    }

    /// How many texts were acknowledged.
    #[must_use]
    pub fn acked(&self) -> usize {
        self.fates.values().filter(|fate| **fate == Fate::Acked).count()
    }

    /// Whether it is of a sender whose name ends so.
    #[must_use]
    pub fn is_of(&self, end: &str) -> bool {
        let sender = |text: &String| text.split_once(' ').is_some_and(|(sender, _)| sender.ends_with(end));
        self.fates.keys().next().is_some_and(sender)
    }

    /// Acknowledged texts that are not among these.
    #[must_use]
    pub fn missing(&self, texts: &[String]) -> Vec<String> {
        let there: HashSet<&str> = texts.iter().map(String::as_str).collect();
        let acked = self.fates.iter().filter(|(_, fate)| **fate == Fate::Acked).map(|(text, _)| text);
        acked.filter(|text| !there.contains(text.as_str())).cloned().collect()
    }

    /// Judges a history: pairs of message id and text, oldest first.
    ///
    /// # Errors
    /// What is lost, repeated, forged or out of order.
    pub fn check(&self, lines: &[(String, String)]) -> anyhow::Result<Findings> {
        let mut findings = Findings { messages: lines.len(), ..Findings::default() };
        let mut ids = HashSet::new();
        let mut last: HashMap<&str, u64> = HashMap::new();
        for (mid, text) in lines {
            ensure!(ids.insert(mid), "the message id {mid} stands twice (text {text:?})");
            let Some((sender, number)) = text.split_once(' ') else { bail!("nobody sent {text:?}") };
            let number: u64 = number.parse()?;
            if let Some(before) = last.insert(sender, number) {
                ensure!(before != number, "{text:?} stands twice");
                ensure!(before < number, "out of order or twice: {text:?} after {before}");
            }
            match self.fates.get(text) {
                Some(Fate::Acked) => findings.acked += 1,
                // A user who repeats it says it twice.
                Some(Fate::Refused) => bail!("{text:?} was refused and is stored all the same"),
                Some(Fate::Unsure) => {}
                None => bail!("nobody sent {text:?}"),
            }
        }
        let texts: Vec<String> = lines.iter().map(|(_, text)| text.clone()).collect();
        let missing = self.missing(&texts);
        let some = missing.get(..missing.len().min(5));
        ensure!(missing.is_empty(), "{} acknowledged messages are lost, such as {some:?}", missing.len());
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Fate, Ledger};

    fn lines(texts: &[&str]) -> Vec<(String, String)> {
        texts.iter().enumerate().map(|(n, text)| (n.to_string(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_violation_is_found() {
        let mut ledger = Ledger::default();
        for n in 1..=3 {
            ledger.note(format!("a {n}"), Fate::Acked);
        }
        ledger.note("a 4".into(), Fate::Unsure);
        ledger.note("a 5".into(), Fate::Refused);
        assert_eq!(ledger.check(&lines(&["a 1", "a 2", "a 3"])).unwrap().acked, 3);
        assert_eq!(ledger.check(&lines(&["a 1", "a 2", "a 3", "a 4"])).unwrap().messages, 4);
        for (history, why) in [
            (&["a 1", "a 3"][..], "lost"),
            (&["a 1", "a 2", "a 3", "a 5"][..], "refused"),
            (&["a 1", "a 2", "a 2", "a 3"], "twice"),
            (&["a 2", "a 1", "a 3"], "out of order"),
            (&["a 1", "a 2", "a 3", "a 9"], "nobody sent"),
        ] {
            let error = ledger.check(&lines(history)).unwrap_err().to_string();
            assert!(error.contains(why), "{history:?}: {error}");
        }
        let twice = vec![("1".to_owned(), "a 1".to_owned()), ("1".to_owned(), "a 2".to_owned())];
        assert!(ledger.check(&twice).unwrap_err().to_string().contains("message id"));
    }
}
