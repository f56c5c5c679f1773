//! One spelling for each value: serde's derived code takes more than the one that is documented (an array for a
//! structure, an object with one key for a word, `null` for a missing key). Whatever the first daemons take, other programs
//! will one day send, and in a room two replicas that read differently would disagree for good. So only the documented
//! spelling is read.

use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{Error as _, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::marker::PhantomData;

/// Reads a structure from a JSON object only.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Object(PhantomData))
}

/// Reads a list of structures, each from a JSON object only.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(bound = "T: Deserialize<'de>")]
    struct One<T>(#[serde(deserialize_with = "object")] T);

    Ok(Vec::<One<T>>::deserialize(deserializer)?.into_iter().map(|one| one.0).collect())
}

/// Reads one of a few words from a JSON string only.
pub(crate) fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    let text: CowStrDeserializer<'_, D::Error> = text.into_deserializer();
    T::deserialize(text).map_err(D::Error::custom)
}

/// Reads a value that may be missing, and is no `null`. Stands beside `default`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// As [`present`], of a structure.
pub(crate) fn present_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    object(deserializer).map(Some)
}
