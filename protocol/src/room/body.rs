//! What events say: a JSON object for each kind.
//!
//! A reader ignores keys that it does not know, and reads every other value in its one spelling (see [`crate::strict`]):
//! a body that two replicas read differently would divide the room. The forms of the bodies are here and in
//! [`acts`] and [`said`]; which of them have an effect is decided in the crate `torchat-room`.

pub mod acts;
pub mod said;

use crate::json;
use crate::limits::JSON_DEPTH;
use crate::room::id::{Author, EventId, Tag};
use crate::room::limits::BODY_BYTES;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;

/// Why bytes are not the body of a kind. The words are ours: nothing of what its author wrote stands in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body of an event breaks the rules of its kind: {0}")]
pub struct BodyError(json::JsonError);

/// A text of at most `N` bytes of UTF-8. `Debug` shows only its length, because logs may be stolen.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BoundedText<const N: usize>(String);

impl<const N: usize> BoundedText<N> {
    /// The text, if it is short enough.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= N).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const N: usize> fmt::Debug for BoundedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundedText({} bytes)", self.0.len())
    }
}

impl<'de, const N: usize> Deserialize<'de> for BoundedText<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).ok_or_else(|| de::Error::custom("a text is too long"))
    }
}

/// The last number of each chain of one member that something leaves as it was. A chain that is not named has 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep(BTreeMap<u8, u64>);

impl Keep {
    /// Nothing is left.
    pub const NOTHING: Self = Self(BTreeMap::new());

    /// The last number of a chain.
    #[must_use]
    pub fn of(&self, chain: u8) -> u64 {
        self.0.get(&chain).copied().unwrap_or(0)
    }
}

impl FromIterator<(u8, u64)> for Keep {
    fn from_iter<I: IntoIterator<Item = (u8, u64)>>(pairs: I) -> Self {
        Self(pairs.into_iter().filter(|(_, seq)| *seq > 0).collect())
    }
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(u8, u64)>::deserialize(deserializer)?;
        if !pairs.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(de::Error::custom("the chains are not in ascending order"));
        }
        Ok(pairs.into_iter().collect())
    }
}

/// Where an event is: its author and number. Of a chain with two histories each has an event there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Who said it.
    pub author: Author,
    /// Its number in the author's chain.
    pub seq: u64,
}

impl From<(Author, u64)> for Place {
    fn from((author, seq): (Author, u64)) -> Self {
        Self { author, seq }
    }
}

impl From<Place> for (Author, u64) {
    fn from(place: Place) -> Self {
        (place.author, place.seq)
    }
}

/// Names an event: its place and how its id begins. It means nothing for another event at that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(Author, u64, Tag)", into = "(Author, u64, Tag)")]
pub struct Ref {
    /// Where it is.
    pub place: Place,
    /// How its id begins.
    pub tag: Tag,
}

impl Ref {
    /// Whether it names the event with this id, which is at its place.
    #[must_use]
    pub fn is_of(&self, id: EventId) -> bool {
        self.tag == id.tag()
    }
}

impl From<(Author, u64, Tag)> for Ref {
    fn from((author, seq, tag): (Author, u64, Tag)) -> Self {
        Self { place: Place { author, seq }, tag }
    }
}

impl From<Ref> for (Author, u64, Tag) {
    fn from(named: Ref) -> Self {
        (named.place.author, named.place.seq, named.tag)
    }
}

/// What a member may do. A larger one may all that a smaller one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Reader,
    /// Writes.
    Member,
    /// Hides and redacts what members say.
    Moderator,
    /// Decides who is a member.
    Owner,
}

/// A list of at most `N` structures, each from a JSON object only.
pub(crate) fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>, const N: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list = crate::strict::objects(deserializer)?;
    if list.len() > N { Err(de::Error::custom("a list is too long")) } else { Ok(list) }
}

/// Gives each kind its number, its form and its name.
macro_rules! kinds {
    ($($(#[$doc:meta])* $number:literal $name:ident($form:ty),)*) => {
        /// What an event says.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Body {
            $($(#[$doc])* $name($form),)*
        }

        impl Body {
            /// The number of the kind.
            #[must_use]
            pub fn kind(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $number,)*
                }
            }

            /// The bytes: compact JSON.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                // Texts, numbers and lists of them cannot fail to serialise.
                match self {
                    $(Self::$name(form) => serde_json::to_vec(form),)*
                }
                .unwrap_or_default()
            }

            /// Reads the body of a kind. `Ok(None)`: a kind of a later version.
            ///
            /// # Errors
            /// [`BodyError`]: it breaks the rules of its kind.
            pub fn decode(kind: u8, bytes: &[u8]) -> Result<Option<Self>, BodyError> {
                match kind {
                    $($number => read(bytes).map(|form| Some(Self::$name(form))),)*
                    _ => Ok(None),
                }
            }
        }
    };
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    json::from_slice(bytes, BODY_BYTES, JSON_DEPTH).map_err(|error| BodyError(error.in_our_words()))
}

kinds! {
    /// The room begins. By the owner, the first act.
    1 Create(acts::Create),
    /// Who is a member, and as what. By the owner.
    2 Roster(acts::Roster),
    /// Name, topic and policy. By the owner.
    3 Set(acts::Set),
    /// Who keeps the room for others. By the owner.
    4 Hosts(acts::Hosts),
    /// The room passes to another member. By the owner.
    5 Handover(acts::Handover),
    /// Which of two branches of acts holds. By the owner.
    6 Settle(acts::Settle),
    /// The room ends. By the owner.
    7 Destroy(acts::Destroy),
    /// A text. By a member.
    16 Text(said::Text),
    /// Another text in the place of one. By its author.
    17 Edit(said::Edit),
    /// A sign on a text. By a member.
    18 Reaction(said::Reaction),
    /// A text is taken away. By its author, or by a moderator.
    19 Redact(said::Redact),
    /// What a member says is hidden. By a moderator.
    20 Mute(said::Mute),
    /// It is hidden no more. By a moderator.
    21 Unmute(said::Unmute),
    /// Another topic. By a moderator.
    22 Topic(said::Topic),
    /// A member goes. By anybody.
    23 Leave(said::Leave),
    /// What somebody has seen. By anybody, if the policy says so.
    24 Seen(said::Seen),
    /// A member offers to keep the room for others, or not any more.
    25 Offer(said::Offer),
    /// A moderator speaks for or against somebody who wants to join.
    26 Vouch(said::Vouch),
    /// A moderator asks that a member is removed.
    27 Expel(said::Expel),
    /// Another name. By anybody.
    29 Nick(said::Nick),
    /// The owner wants to hand the room over.
    30 Hand(said::Hand),
    /// Somebody agrees to own the room.
    31 Take(said::Take),
}
