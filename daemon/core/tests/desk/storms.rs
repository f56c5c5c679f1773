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
            let join =
                RoomCommand::Join { invite: invite.clone(), nick: None, text: BoundedText::default(), want: None };
            // Its process may have died before the answer.
            while net.state(n, room).is_none() {
                net.ask(n, join.clone());
            }
            net.pass(20_000);
        }
        let mut said: Vec<BTreeSet<_>> = vec![BTreeSet::new(); 4];
        for step in 0..150 {
            let n = usize::try_from(net.draw(4)).unwrap();
            match net.draw(12) {
                0 => {
                    let links: Vec<_> = net.links.keys().copied().collect();
                    if !links.is_empty() {
                        let at = usize::try_from(net.draw(links.len() as u64)).unwrap();
                        net.cut(links[at]);
                    }
                }
                1 => net.kill(n),
                2 => {
                    let members: Vec<_> = net.desks[0].rooms.roster(room).unwrap().members.keys().copied().collect();
                    let at = usize::try_from(net.draw(members.len() as u64)).unwrap();
                    let role = if net.draw(2) == 0 { Role::Moderator } else { Role::Member };
                    let act = RoomAct::Role { member: members[at], role };
                    net.ask(0, RoomCommand::In { room, wish: RoomWish::Act { act, force: false } });
                }
                3 | 4 => net.pass(5_000),
                _ => {
                    let text = BoundedText::new(format!("{step}")).unwrap();
                    let wish = RoomWish::Say { text, re: None, to: Vec::new() };
                    let request = net.ask(n, RoomCommand::In { room, wish });
                    if let Some(RoomAnswer::Queued(mid)) = net.answer(n, request) {
                        said[n].insert(*mid);
                    }
                }
            }
        }
        net.deaths = 0;
        net.pass(6 * 3_600_000);
        died += net.died;
        let all: BTreeSet<_> = said.iter().flatten().copied().collect();
        assert!(all.len() > 30, "seed {seed}: {}", all.len());
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
