//! What was typed and is not with the daemon: drafts, and messages that it has not got yet.
//!
//! A draft belongs to an identity and a conversation, a message that was sent off to its `client_id`: sent again with the same
//! one, it is one message. Messages are given to the daemon one at a time, so that they arrive in the order in which they were
//! typed whatever happens between.
//!
//! A user may have several daemons, and one file for all of them. What was typed for a peer of one is never given to another:
//! whoever gets it would know that both identities are one person.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use torchat_protocol::control::api::{ConversationId, Onion};

/// What outlives the program. It has no file and no bound of its own: it is what the user has typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct Drafts {
    /// By [`Drafts::key`].
    #[serde(rename = "drafts")]
    texts: BTreeMap<String, String>,
    unsent: VecDeque<Unsent>,
}

/// A message that the daemon has not got yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsent {
    /// The identity that it was typed as.
    pub own: Onion,
    /// The conversation that it is for.
    pub peer: ConversationId,
    /// The text.
    pub text: String,
    /// Its `client_id`.
    pub key: String,
    /// When it was typed, in milliseconds since 1970.
    pub at: i64,
    /// It was given to the daemon once, which may have it though it has not said so.
    pub handed: bool,
    /// What is to become of it.
    pub wish: Wish,
    /// In a room: which message it answers, and whom it mentions.
    #[serde(skip_serializing_if = "Addressed::is_nothing")]
    pub addressed: Addressed,
}

/// In a room: which message a text answers, and whom it mentions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressed {
    /// The number of the message that it answers, in the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<i64>,
    /// The numbers of the members whom it mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<u32>,
}

impl Addressed {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What is to become of a message that the daemon has not got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// It is sent.
    #[default]
    Send,
    /// The daemon has refused it: the user gets the text back, as soon as there is a place for it.
    GiveBack,
    /// The user has taken it back, and the daemon may have it.
    TakeBack,
}

/// The file, of this version or of an earlier one.
#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    drafts: BTreeMap<String, String>,
    #[serde(default)]
    unsent: Vec<KeptUnsent>,
}

#[derive(Deserialize)]
struct KeptUnsent {
    #[serde(default)]
    own: Option<Onion>,
    peer: ConversationId,
    text: String,
    key: String,
    at: i64,
    #[serde(default)]
    handed: bool,
    #[serde(default)]
    wish: Wish,
    #[serde(default)]
    addressed: Addressed,
}

impl From<Kept> for Drafts {
    /// Earlier versions did not say which identity a message is of. Such a message is not sent: a wrong guess would tell the peer
    /// that two identities are one person. It becomes a draft of its conversation, which costs its user one Enter.
    fn from(Kept { drafts: mut texts, unsent: kept }: Kept) -> Self {
        let mut unsent = VecDeque::new();
        for KeptUnsent { own, peer, text, key, at, handed, wish, addressed } in kept {
            match own {
                Some(own) => unsent.push_back(Unsent { own, peer, text, key, at, handed, wish, addressed }),
                None => {
                    let draft = texts.entry(Self::key(None, Some(peer))).or_default();
                    if !draft.is_empty() {
                        draft.push('\n');
                    }
                    draft.push_str(&text);
                }
            }
        }
        Self { texts, unsent }
    }
}

impl Drafts {
    /// Under which a draft is kept: `IDENTITY/CONVERSATION`; without a conversation, what was typed when none was open. Without an
    /// identity and the slash, it was typed before a daemon answered, or by an earlier version.
    fn key(own: Option<Onion>, conversation: Option<ConversationId>) -> String {
        let conversation = conversation.map(|id| id.onion()).unwrap_or_default();
        match own {
            Some(own) => format!("{}/{conversation}", own.0.onion()),
            None => conversation,
        }
    }

    /// A conversation's draft; empty if there is none. `own`: the identity; `None`: no daemon has answered yet.
    #[must_use]
    pub fn draft(&self, own: Option<Onion>, conversation: Option<ConversationId>) -> &str {
        self.texts.get(&Self::key(own, conversation)).map(String::as_str).unwrap_or_default()
    }

    /// Keeps a conversation's draft; an empty one is none.
    pub fn keep(&mut self, own: Option<Onion>, conversation: Option<ConversationId>, text: &str) {
        let key = Self::key(own, conversation);
        if text.is_empty() {
            self.texts.remove(&key);
        } else {
            self.texts.insert(key, text.to_owned());
        }
    }

    /// Takes out what belongs to no identity yet: whoever is shown it first keeps it.
    pub fn take_unowned(&mut self, conversation: Option<ConversationId>) -> Option<String> {
        self.texts.remove(&Self::key(None, conversation))
    }

    /// What the daemon has not got, in order, of every identity.
    #[must_use]
    pub fn unsent(&self) -> &VecDeque<Unsent> {
        &self.unsent
    }

    /// The same of one identity, and of what is to become of it.
    pub fn unsent_of(&self, own: Option<Onion>, wish: Wish) -> impl Iterator<Item = &Unsent> {
        self.unsent.iter().filter(move |unsent| Some(unsent.own) == own && unsent.wish == wish)
    }

    /// A message is to be sent after all others.
    pub fn send(&mut self, message: Unsent) {
        self.unsent.push_back(message);
    }

    /// The message with this `client_id`, to note what happens to it. `None`: it is settled.
    pub fn unsent_mut(&mut self, key: &str) -> Option<&mut Unsent> {
        self.unsent.iter_mut().find(|unsent| unsent.key == key)
    }

    /// The daemon has it, or it was taken back.
    pub fn settle(&mut self, key: &str) {
        self.unsent.retain(|unsent| unsent.key != key);
    }

    /// What this program has changed since `base`, done to `theirs`: several clients of one user keep one file.
    #[must_use]
    pub fn merge(base: &Self, ours: &Self, theirs: Self) -> Self {
        let Self { mut texts, mut unsent } = theirs;
        for key in base.texts.keys().chain(ours.texts.keys()) {
            match (base.texts.get(key), ours.texts.get(key)) {
                (before, now) if before == now => {}
                (_, Some(now)) => drop(texts.insert(key.clone(), now.clone())),
                (_, None) => drop(texts.remove(key)),
            }
        }
        fn find<'a>(list: &'a VecDeque<Unsent>, key: &str) -> Option<&'a Unsent> {
            list.iter().find(|unsent| unsent.key == key)
        }
        // What the daemon has got from here is gone; what it has not got is there once, in order.
        unsent.retain(|unsent| find(&base.unsent, &unsent.key).is_none() || find(&ours.unsent, &unsent.key).is_some());
        for new in &ours.unsent {
            match (find(&base.unsent, &new.key), unsent.iter_mut().find(|unsent| unsent.key == new.key)) {
                (before, Some(theirs)) if before != Some(new) => theirs.clone_from(new),
                (None, None) => unsent.push_back(new.clone()),
                _ => {}
            }
        }
        Self { texts, unsent }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::timeline::tests::{onion, with};

    fn unsent(key: &str) -> Unsent {
        let (own, peer, handed, wish) = (onion(1), with(2), false, Wish::Send);
        let addressed = Addressed { re: None, to: vec![3] };
        Unsent { own, peer, text: key.into(), key: key.into(), at: 0, handed, wish, addressed }
    }

    #[test]
    fn drafts_of_several_clients_are_merged() {
        let (own, ann, bob) = (Some(onion(1)), Some(with(2)), Some(with(3)));
        let mut base = Drafts::default();
        base.keep(own, ann, "to ann");
        base.keep(own, bob, "to bob");
        base.send(unsent("1-1"));
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        ours.keep(own, bob, "");
        ours.send(unsent("2-1"));
        theirs.keep(own, ann, "to ann, more");
        theirs.settle("1-1");
        theirs.send(unsent("1-2"));
        let merged = Drafts::merge(&base, &ours, theirs);
        assert_eq!((merged.draft(own, ann), merged.draft(own, bob), merged.draft(own, None)), ("to ann, more", "", ""));
        let keys: Vec<_> = merged.unsent().iter().map(|unsent| unsent.key.as_str()).collect();
        assert_eq!(keys, ["1-2", "2-1"]);
    }

    #[test]
    fn what_becomes_of_a_message_is_merged() {
        let mut base = Drafts::default();
        base.send(unsent("1"));
        base.send(unsent("2"));
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        ours.unsent_mut("1").unwrap().wish = Wish::TakeBack;
        theirs.unsent_mut("2").unwrap().handed = true;
        let merged = Drafts::merge(&base, &ours, theirs);
        let state = |unsent: &Unsent| (unsent.wish, unsent.handed);
        let states: Vec<_> = merged.unsent().iter().map(state).collect();
        assert_eq!(states, [(Wish::TakeBack, false), (Wish::Send, true)]);
        assert_eq!(merged.unsent_of(Some(onion(1)), Wish::TakeBack).count(), 1);
        assert_eq!(merged.unsent_of(Some(onion(5)), Wish::TakeBack).count(), 0);
    }

    #[test]
    fn what_has_no_owner_is_a_draft_of_nobody() {
        let ann = with(2);
        let kept = format!(
            "{{\"drafts\":{{\"{0}\":\"half\"}},\"unsent\":[{{\"peer\":\"{0}\",\"text\":\"uno\",\"key\":\"k\",\"at\":1}}]}}",
            ann.onion()
        );
        let mut drafts: Drafts = serde_json::from_str(&kept).unwrap();
        assert!(drafts.unsent().is_empty());
        assert_eq!(drafts.draft(Some(onion(1)), Some(ann)), "");
        assert_eq!(drafts.take_unowned(Some(ann)).unwrap(), "half\nuno");
        assert_eq!(drafts.take_unowned(Some(ann)), None);
        drafts.send(unsent("k"));
        let again: Drafts = serde_json::from_str(&serde_json::to_string(&drafts).unwrap()).unwrap();
        assert_eq!(again, drafts);
    }
}
