//! What can happen in a storm, and how often.

/// What can happen in a storm.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Send,
    Cancel,
    Appear,
    Read,
    Add,
    Kill,
    Stop,
    Freeze,
    BackUp,
    Restore,
    Swap,
    Night,
    SetClock,
    Fill,
    Offline,
    Cut,
    Swallow,
    Partition,
    Weather,
    Audit,
}

/// Each deed with its weight.
pub(super) type Mood = &'static [(Deed, usize)];

/// What a storm can be like: its deeds, how many daemons more than one it has at most, and whether its messages are
/// short-lived.
pub(super) const MOODS: [(Mood, usize, bool); 6] = [
    (ANYTHING, 4, false),
    (ANYTHING, 4, false),
    (BACKUPS, 2, false),
    (LINKS, 2, false),
    (COPIES, 2, false),
    (NIGHTS, 3, true),
];

/// The same with a room: at least three daemons, because what one member has forgotten another one may know or not.
pub(super) const ROOM_MOODS: [(Mood, usize, bool); 6] = [
    (ANYTHING, 3, false),
    (LINKS, 3, false),
    (COPIES, 2, false),
    (NIGHTS, 2, true),
    (APART, 3, false),
    (APART, 2, false),
];

/// Everything at once: finds what comes of one fault meeting another.
const ANYTHING: Mood = &[
    (Deed::Send, 34),
    (Deed::Cancel, 6),
    (Deed::Read, 10),
    (Deed::Add, 3),
    (Deed::Appear, 4),
    (Deed::Kill, 7),
    (Deed::Stop, 3),
    (Deed::Freeze, 6),
    (Deed::BackUp, 5),
    (Deed::Restore, 4),
    (Deed::Swap, 2),
    (Deed::Night, 1),
    (Deed::SetClock, 4),
    (Deed::Fill, 4),
    (Deed::Offline, 4),
    (Deed::Cut, 3),
    (Deed::Swallow, 2),
    (Deed::Partition, 4),
    (Deed::Weather, 4),
    (Deed::Audit, 3),
];
/// Backups of a few daemons that talk much: with everything at once, a restored sender rarely writes over the numbers
/// that its receiver knows already (found when the chain digest was left out and 2 storms of 220 noticed).
const BACKUPS: Mood = &[
    (Deed::Send, 50),
    (Deed::Cancel, 4),
    (Deed::Read, 5),
    (Deed::Kill, 3),
    (Deed::BackUp, 12),
    (Deed::Restore, 15),
    (Deed::Cut, 4),
    (Deed::Partition, 3),
    (Deed::Offline, 4),
    (Deed::Weather, 2),
    (Deed::Audit, 2),
];
/// Links that are lost at every byte, and daemons that die meanwhile.
const LINKS: Mood = &[
    (Deed::Send, 45),
    (Deed::Cancel, 4),
    (Deed::Read, 5),
    (Deed::Kill, 6),
    (Deed::Freeze, 3),
    (Deed::Appear, 5),
    (Deed::Cut, 12),
    (Deed::Swallow, 5),
    (Deed::Offline, 5),
    (Deed::Partition, 5),
    (Deed::Weather, 12),
    (Deed::Audit, 2),
];
/// Two copies of a data directory that take turns, at one end or at both.
const COPIES: Mood = &[
    (Deed::Send, 50),
    (Deed::Cancel, 4),
    (Deed::Read, 5),
    (Deed::Appear, 2),
    (Deed::Kill, 4),
    (Deed::Swap, 14),
    (Deed::BackUp, 2),
    (Deed::Restore, 2),
    (Deed::Cut, 4),
    (Deed::Partition, 3),
    (Deed::Offline, 4),
    (Deed::Weather, 3),
    (Deed::Audit, 2),
];
/// Days pass, clocks are wrong, and what cannot be delivered fails.
const NIGHTS: Mood = &[
    (Deed::Send, 45),
    (Deed::Cancel, 5),
    (Deed::Read, 5),
    (Deed::Appear, 6),
    (Deed::Kill, 4),
    (Deed::Freeze, 5),
    (Deed::Night, 9),
    (Deed::SetClock, 6),
    (Deed::BackUp, 2),
    (Deed::Restore, 2),
    (Deed::Cut, 2),
    (Deed::Swallow, 3),
    (Deed::Partition, 12),
    (Deed::Offline, 6),
    (Deed::Weather, 3),
    (Deed::Audit, 2),
];
/// Backups of members that do not all reach each other: a restored one writes on before it hears what it has forgotten.
const APART: Mood = &[
    (Deed::Send, 12),
    (Deed::Read, 2),
    (Deed::Kill, 4),
    (Deed::BackUp, 12),
    (Deed::Restore, 14),
    (Deed::Cut, 5),
    (Deed::Partition, 22),
    (Deed::Offline, 4),
    (Deed::Weather, 2),
    (Deed::Audit, 2),
];
