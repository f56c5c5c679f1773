//! Numbers that rows of the store are known by in other tables: a type for each, because they stand beside each other in the same
//! calls, and beside rows of messages and places in lanes.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

/// A type of one integer is written and read as that integer.
macro_rules! integer {
    ($name:ident) => {
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    };
}
pub(super) use integer;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) struct $name(pub(super) i64);

        integer!($name);
    };
}

number! {
    /// `peer.num`
    PeerNum
}

number! {
    /// `lane.num`
    LaneNum
}

number! {
    /// `room.num`
    RoomNum
}
