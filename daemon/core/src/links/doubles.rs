//! Which of two links to one peer stays.

use super::Links;
use crate::input::LinkId;

impl Links {
    /// Two links to one peer are harmless, because lanes ignore repetitions; one is enough. A new one in the same
    /// direction replaces the old, whose other end is probably gone. Of two in opposite directions both ends keep
    /// the one with the smaller hash; the side that dialled the other one closes it. A client can choose among hashes, by what it
    /// puts behind the purpose in its last message. It gains nothing: it could as well not dial.
    ///
    /// Returns those that are to be closed, in this order.
    pub(crate) fn doubles(&self, new: LinkId) -> Vec<LinkId> {
        let Some(link) = self.links.get(&new) else { return Vec::new() };
        let judged = |other: &LinkId| {
            let old = self.links.get(other).filter(|old| old.is_open() && *other != new)?;
            if old.outgoing == link.outgoing {
                return Some(*other);
            }
            let (loser, ours) = if old.tie < link.tie { (new, link.outgoing) } else { (*other, old.outgoing) };
            ours.then_some(loser)
        };
        self.of(&link.peer).iter().filter_map(judged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::tests::up;
    use crate::turn::tests::peer;

    #[test]
    fn a_new_link_in_the_same_direction_replaces_the_old_one() {
        let mut links = Links::default();
        let old = up(&mut links, 1, false, 1);
        let new = up(&mut links, 2, false, 2);
        assert_eq!(links.doubles(new), [old]);
        assert_eq!(links.of(&peer(1)), [old, new]);
    }

    #[test]
    fn of_two_in_opposite_directions_both_ends_keep_the_same_one_and_its_dialler_closes_the_other() {
        for (one, other) in [(1, 2), (2, 1)] {
            let mut ours = Links::default();
            let mut theirs = Links::default();
            // The first is dialled by us, the second by them; the bindings are the same at both ends.
            up(&mut ours, 1, true, one);
            up(&mut theirs, 1, false, one);
            let closed_here = up(&mut ours, 2, false, other);
            let closed_here = ours.doubles(closed_here);
            let closed_there = up(&mut theirs, 2, true, other);
            let closed_there = theirs.doubles(closed_there);
            assert_eq!(closed_here.len() + closed_there.len(), 1, "one of them closes one: {one} {other}");
        }
    }
}
