//! Everything at once: texts, decisions, links that break, and processes that die behind any commit.

use crate::net::{Net, invite};
use std::collections::BTreeSet;
use torchat_core::effect::RoomAnswer;
use torchat_core::input::{NewInvite, RoomAct, RoomCommand, RoomWish};
use torchat_core::snapshot::rooms::RoomState;
use torchat_protocol::room::body::{BoundedText, Role};

#[test]
fn nothing_is_lost_and_all_agree_wherever_processes_die() {
    let mut died = 0;
    for seed in 0..12 {
        let mut net = Net::new(4, 1_000 + seed);
        let room = net.make(0);
        let invite = net.invite(0, room, NewInvite { uses: None, ..invite() });
        net.deaths = 40;
        for n in 1..4 {
            let join = RoomCommand::Join {
                invite: invite.clone(),
                nick: None,
                text: BoundedText::default(),
                want: None,
                client: None,
            };
            // Its process may have died before the answer.
            while net.state(n, room).is_none() {
                net.ask(n, join.clone());
            }
            net.pass(20_000);
        }
        let mut said: Vec<BTreeSet<_>> = vec![BTreeSet::new(); 4];
        for step in 0..150 {
            let n = usize::try_from(net.draw(4)).unwrap();
            match net.draw(14) {
                0 => {
                    let links: Vec<_> = net.links.keys().copied().collect();
                    if !links.is_empty() {
                        let at = usize::try_from(net.draw(links.len() as u64)).unwrap();
                        net.cut(links[at]);
                    }
                }
                1 => net.kill(n),
                // A commit fails, or only what a client has read could not be written.
                2 if net.full.insert(n) && net.draw(2) == 0 => net.kill(n),
                2 => {
                    // The node tells its desk at once.
                    if net.full.remove(&n) {
                        net.turn(n, Vec::new());
                    }
                }
                3 => {
                    let members: Vec<_> = net.desks[0].rooms.roster(room).unwrap().members.keys().copied().collect();
                    let at = usize::try_from(net.draw(members.len() as u64)).unwrap();
                    let role = if net.draw(2) == 0 { Role::Moderator } else { Role::Member };
                    let act = RoomAct::Role { member: members[at], role };
                    net.ask(0, RoomCommand::In { room, wish: RoomWish::Act { act, force: false } });
                }
                4 | 5 => net.pass(5_000),
                _ => {
                    let text = BoundedText::new(format!("{step}")).unwrap();
                    let wish = RoomWish::Say { text, re: None, to: Vec::new(), client: None, expire_ms: None };
                    let request = net.ask(n, RoomCommand::In { room, wish });
                    if let Some(RoomAnswer::Queued(mid)) = net.answer(n, request) {
                        said[n].insert(*mid);
                    }
                }
            }
        }
        net.deaths = 0;
        for n in std::mem::take(&mut net.full) {
            net.turn(n, Vec::new());
        }
        net.pass(6 * 3_600_000);
        died += net.died;
        let all: BTreeSet<_> = said.iter().flatten().copied().collect();
        assert!(all.len() > 15, "seed {seed}: {}", all.len());
        let acts = |net: &Net, n: usize| net.branch(n, room);
        for n in 0..4 {
            assert_eq!(net.state(n, room), Some(RoomState::Member), "seed {seed}, desk {n}");
            assert_eq!(acts(&net, n), acts(&net, 0), "seed {seed}, desk {n}");
            // A newcomer may have less, and texts of one that was told nothing count all the same.
            assert!(net.texts(n, room).is_superset(&all), "seed {seed}, desk {n}");
            assert_eq!(net.texts(n, room), net.texts(0, room), "seed {seed}, desk {n}");
            assert_eq!(net.desks[n].rooms.status(room).unwrap().open.len(), 3, "seed {seed}, desk {n}");
        }
    }
    assert!(died > 100, "{died} processes died");
}

/// Members come, leave, are removed and come again, roles and the room itself change hands, and processes die.
#[test]
fn members_come_and_go_and_those_who_stay_agree() {
    let mut changes = [0; 4];
    for seed in 0..12 {
        let mut net = Net::new(5, 2_000 + seed);
        let room = net.make(0);
        let mut invite_of = net.invite(0, room, NewInvite { uses: None, ..invite() });
        net.deaths = 60;
        for step in 0..120 {
            let n = usize::try_from(net.draw(5)).unwrap();
            let owner = (0..5).find(|n| net.role(*n, room) == Some(Role::Owner));
            let ask = |net: &mut Net, n: usize, wish| net.ask(n, RoomCommand::In { room, wish });
            match net.draw(14) {
                0 | 1 => {
                    let text = BoundedText::new("let me in").unwrap();
                    net.ask(
                        n,
                        RoomCommand::Join { invite: invite_of.clone(), nick: None, text, want: Some(20), client: None },
                    );
                    net.pass(30_000);
                }
                2 => drop(ask(&mut net, n, RoomWish::Leave)),
                3 => {
                    let members: Vec<_> = net.members(owner, room);
                    if let (Some(owner), false) = (owner, members.is_empty()) {
                        let at = usize::try_from(net.draw(members.len() as u64)).unwrap();
                        let act = RoomAct::Remove { member: members[at], ban: false };
                        ask(&mut net, owner, RoomWish::Act { act, force: false });
                        changes[0] += 1;
                    }
                }
                4 => {
                    if let (Some(owner), Some((to, _))) =
                        (owner, net.desks[n].rooms.status(room).and_then(|one| one.me))
                    {
                        ask(&mut net, owner, RoomWish::Hand(to));
                        net.pass(5_000);
                        ask(&mut net, n, RoomWish::Take);
                        net.pass(5_000);
                        if net.role(n, room) == Some(Role::Owner) && n != owner {
                            changes[1] += 1;
                            let request = ask(&mut net, n, RoomWish::Invite(NewInvite { uses: None, ..invite() }));
                            if let Some(RoomAnswer::Invited(new)) = net.answer(n, request).cloned() {
                                invite_of = new;
                            }
                        }
                    }
                }
                5 => net.kill(n),
                6 => {
                    let links: Vec<_> = net.links.keys().copied().collect();
                    if !links.is_empty() {
                        let at = usize::try_from(net.draw(links.len() as u64)).unwrap();
                        net.cut(links[at]);
                    }
                }
                7 | 8 => net.pass(10_000),
                _ => {
                    let text = BoundedText::new(format!("{step}")).unwrap();
                    ask(&mut net, n, RoomWish::Say { text, re: None, to: Vec::new(), client: None, expire_ms: None });
                }
            }
        }
        net.deaths = 0;
        net.pass(12 * 3_600_000);
        let owners: Vec<_> = (0..5).filter(|n| net.role(*n, room) == Some(Role::Owner)).collect();
        assert_eq!(owners.len(), 1, "seed {seed}");
        let first = net.desks[owners[0]].rooms.status(room).unwrap().members;
        let stay: Vec<_> = (0..5).filter(|n| net.state(*n, room) == Some(RoomState::Member)).collect();
        // Who leaves goes when one other member has that it does; if that one is removed before the owner hears of it, the owner
        // does not know. Who was let in by a door that has left since finds nobody.
        let apart = [Some(RoomState::Left), Some(RoomState::Joining)];
        let unheard = net.present(owners[0], room).into_iter().filter(|n| apart.contains(&net.state(*n, room)));
        assert_eq!(stay.len() + unheard.count(), first, "seed {seed}: who is a member knows it, and nobody else");
        for n in &stay {
            assert_eq!(net.branch(*n, room), net.branch(owners[0], room), "seed {seed}, desk {n}");
            assert_eq!(net.desks[*n].rooms.status(room).unwrap().open.len(), stay.len() - 1, "seed {seed}, desk {n}");
        }
        changes[2] += stay.len();
        changes[3] += 5 - stay.len();
    }
    assert!(changes.iter().all(|count| *count > 5), "{changes:?}");
}
