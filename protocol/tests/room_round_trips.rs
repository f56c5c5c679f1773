//! Whatever a room can say is read back as it was said, binary bytes have one meaning and one spelling, and no bytes panic.
#![allow(clippy::unwrap_used)]

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use torchat_protocol::id::{InviteSecret, PeerId, parse_onion};
use torchat_protocol::nick::Nick as Name;
use torchat_protocol::room::body::acts::*;
use torchat_protocol::room::body::said::*;
use torchat_protocol::room::body::{BoundedText, Keep, Place, Ref, Role};
use torchat_protocol::room::*;

const MAX: u64 = (1 << 53) - 1;
const ROOM: RoomId = RoomId([0xee; 32]);

fn author() -> impl Strategy<Value = Author> {
    prop_oneof![1 => Just(0), 3 => 256u32..2_000, 1 => 256..=u32::MAX].prop_map(|number| Author::new(number).unwrap())
}

fn of_member() -> impl Strategy<Value = Author> {
    prop_oneof![256u32..2_000, 256..=u32::MAX].prop_map(|number| Author::new(number).unwrap())
}

fn member() -> impl Strategy<Value = MemberNo> {
    prop_oneof![1u32..9, 1..1u32 << 24].prop_map(|number| MemberNo::new(number).unwrap())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![1u64..100, 1..=MAX, Just(MAX)]
}

/// Texts of every length that is allowed, with characters of every length.
fn text<const N: usize>() -> impl Strategy<Value = BoundedText<N>> {
    let some = vec(any::<char>(), 0..12).prop_map(|chars| chars.into_iter().collect::<String>());
    let full = select(vec!['x', '\u{1}', '\u{e9}', '\u{1f600}'])
        .prop_map(|c| std::iter::repeat_n(c, N / c.len_utf8()).collect::<String>());
    prop_oneof![6 => some, 1 => full].prop_filter_map("too long", BoundedText::new)
}

fn named() -> impl Strategy<Value = Ref> {
    let tag = any::<[u8; 8]>().prop_map(Tag);
    (author(), 0..=MAX, tag).prop_map(|(author, seq, tag)| Ref { place: Place { author, seq }, tag })
}

fn keep() -> impl Strategy<Value = Keep> {
    btree_map(any::<u8>(), number(), 0..6).prop_map(|pairs| pairs.into_iter().collect())
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::Reader, Role::Member, Role::Moderator, Role::Owner])
}

fn entry() -> impl Strategy<Value = Entry> {
    let optional = (option::of(any::<[u8; 32]>()), option::of(text()), option::of(any::<[u8; 8]>()));
    (member(), any::<[[u8; 32]; 2]>(), role(), optional).prop_map(|(no, [sign, sealing], role, (id, nick, via))| {
        Entry {
            no,
            sign: MemberKey(sign),
            sealing: BoxKey(sealing),
            role,
            id: id.map(Identity),
            nick,
            via: via.map(InviteId),
        }
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let words = (
        select(vec![Readers::Members, Readers::Anyone]),
        select(vec![Role::Member, Role::Reader]),
        [(); 2].map(|()| select(vec![Deciders::Owner, Deciders::Mods])),
        select(vec![Replicas::Members, Replicas::Any, Replicas::Local]),
    );
    (words, 0..=MAX, 0..=MAX, 0u64..=3_600, any::<bool>()).prop_map(
        |((read, joins, [admit, expel], replicas), history, keep_days, slow_s, seen)| Policy {
            read,
            joins,
            admit,
            expel,
            history,
            keep_days,
            slow_s,
            seen,
            replicas,
        },
    )
}

fn act() -> impl Strategy<Value = Body> {
    let cut = (member(), keep(), select(vec![CutReason::Left, CutReason::Removed, CutReason::Replaced]));
    let cut = cut.prop_map(|(no, keep, why)| Cut { no, keep, why });
    let change = (member(), role(), keep()).prop_map(|(no, role, keep)| Promotion { no, role, keep });
    let handover = (member(), any::<[u8; 32]>(), any::<[u8; 64]>(), keep(), keep());
    prop_oneof![
        (entry(), text(), text(), policy(), any::<[u8; 16]>()).prop_map(|(owner, name, topic, policy, salt)| {
            Body::Create(Create { owner, name, topic, policy, salt: Salt(salt) })
        }),
        (vec(entry(), 0..5), vec(cut, 0..5), vec(change, 0..5)).prop_map(|(add, cut, role)| Body::Roster(Roster {
            add,
            cut,
            role
        })),
        (option::of(text()), option::of(text()), option::of(policy()))
            .prop_map(|(name, topic, policy)| Body::Set(Set { name, topic, policy })),
        btree_map(any::<[u8; 32]>(), any::<u32>(), 0..=8).prop_map(|hosts| {
            Body::Hosts(Hosts { hosts: hosts.into_iter().map(|(id, no)| Host { id: Identity(id), no }).collect() })
        }),
        handover.prop_map(|(to, proposal, accept, old, new)| {
            Body::Handover(Handover { to, proposal: EventId(proposal), accept: Signature(accept), old, new })
        }),
        option::of(0..=MAX).prop_map(|lost| Body::Settle(Settle { lost })),
        option::of(text()).prop_map(|why| Body::Destroy(Destroy { why })),
    ]
}

fn text_id() -> impl Strategy<Value = TextId> {
    any::<[u8; 16]>().prop_map(TextId)
}

fn said() -> impl Strategy<Value = Body> {
    prop_oneof![
        (text_id(), text(), option::of(named()), vec(member(), 0..=16))
            .prop_map(|(mid, text, re, to)| Body::Text(Text { mid, text, re, to })),
        (named(), text_id(), text()).prop_map(|(of, mid, text)| Body::Edit(Edit { of, mid, text })),
        (named(), text()).prop_map(|(of, sign)| Body::Reaction(Reaction { of, sign })),
        (named(), option::of(text())).prop_map(|(of, why)| Body::Redact(Redact { of, why })),
        (member(), keep(), option::of(text())).prop_map(|(who, keep, why)| Body::Mute(Mute { who, keep, why })),
        (named(), keep()).prop_map(|(of, resume)| Body::Unmute(Unmute { of, resume })),
        text().prop_map(|topic| Body::Topic(Topic { topic })),
        Just(Body::Leave(Leave {})),
        vec(named(), 0..20).prop_map(|heads| Body::Seen(Seen { heads })),
        (any::<bool>(), 0..=MAX).prop_map(|(host, bytes)| Body::Offer(Offer { host, bytes })),
        (any::<[u8; 32]>(), any::<bool>(), role()).prop_map(|(sign, yes, role)| Body::Vouch(Vouch {
            sign: MemberKey(sign),
            yes,
            role
        })),
        (member(), keep(), option::of(text())).prop_map(|(who, keep, why)| Body::Expel(Expel { who, keep, why })),
        text().prop_map(|nick| Body::Nick(Nick { nick })),
        member().prop_map(|to| Body::Hand(Hand { to })),
        (any::<[u8; 32]>(), any::<[u8; 64]>())
            .prop_map(|(proposal, accept)| Body::Take(Take { proposal: EventId(proposal), accept: Signature(accept) })),
    ]
}

fn header() -> impl Strategy<Value = Header> {
    let numbers = (author(), number(), number(), any::<[u32; 2]>(), 0..=131_072u32);
    (any::<u8>(), numbers, any::<[[u8; 32]; 2]>()).prop_map(
        |(kind, (author, seq, lamport, [acts, minute], body_len), [prev, body_hash])| {
            let first = kind == CREATE && author == Author::ACTS && seq == 1;
            let (room, prev) = if first { (None, [0; 32]) } else { (Some(ROOM), prev) };
            let prev = EventId(prev);
            Header { kind, room, author, seq, prev, acts, lamport, minute, body_len, body_hash }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let body = option::of(prop_oneof![8 => vec(any::<u8>(), 0..60), 1 => vec(Just(b'x'), 7_700..7_900)]);
    (header(), any::<[u8; 64]>(), body).prop_map(|(header, signature, body)| match body {
        None if header.author != Author::ACTS => Event::without_body(header, Signature(signature)),
        body => {
            let body = body.unwrap_or_default();
            let body_len = u32::try_from(body.len()).unwrap();
            let header = Header { body_len, body_hash: Sha256::digest(&body).into(), ..header };
            Event::new(header, Signature(signature), Arc::from(body)).unwrap()
        }
    })
}

fn head() -> impl Strategy<Value = Head> {
    (of_member(), number(), any::<[u8; 8]>()).prop_map(|(author, seq, tag)| Head { author, seq, tag: Tag(tag) })
}

fn heads() -> impl Strategy<Value = Vec<Head>> {
    let acts = option::of((number(), any::<[u8; 8]>())).prop_map(|acts| {
        let (seq, tag) = acts.unwrap_or_default();
        Head { author: Author::ACTS, seq, tag: Tag(tag) }
    });
    let chains = btree_map(of_member(), (number(), any::<[u8; 8]>()), 0..9);
    (acts, chains).prop_map(|(acts, chains)| {
        let chains = chains.into_iter().map(|(author, (seq, tag))| Head { author, seq, tag: Tag(tag) });
        std::iter::once(acts).chain(chains).collect()
    })
}

fn log_place() -> impl Strategy<Value = LogPlace> {
    (number(), any::<[u8; 16]>()).prop_map(|(next, digest)| LogPlace { next, digest: LogDigest(digest) })
}

fn join() -> impl Strategy<Value = Join> {
    let invite = option::of(any::<([u8; 8], [u8; 32])>());
    let nick = option::of("[a-z]{5,12}").prop_map(|nick| nick.and_then(|nick| Name::parse(&nick).ok()));
    (any::<[[u8; 32]; 3]>(), invite, nick, text()).prop_map(|([room, sign, sealing], invite, nick, text)| Join {
        room: RoomId(room),
        sign: MemberKey(sign),
        sealing: BoxKey(sealing),
        invite: invite.map(|(id, proof)| (InviteId(id), Proof(proof))),
        nick,
        text,
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let open = prop_oneof![
        option::of(member()).prop_map(OpenAs::Member),
        Just(OpenAs::Guest),
        (member(), any::<[u8; 64]>()).prop_map(|(member, signature)| OpenAs::Key(member, Signature(signature))),
    ];
    let open = (any::<[u8; 32]>(), open).prop_map(|(room, role)| Frame::Open(Open { room: RoomId(room), role }));
    let cookie = (any::<[u8; 8]>(), log_place()).prop_map(|(log, place)| Has::Upto(Cookie { log: LogId(log), place }));
    let has = prop_oneof![cookie, heads().prop_map(Has::Heads)];
    let hello = (any::<[u8; 8]>(), has, option::of(0..u32::MAX), any::<u32>())
        .prop_map(|(log, has, want, credit)| Frame::Hello(Hello { log: LogId(log), has, want, credit }));
    let close = (any::<u8>(), any::<u32>(), text())
        .prop_map(|(code, retry_s, words)| Frame::Close(Close { code: CloseCode::from(code), retry_s, words }));
    let deny = (author(), number(), any::<u8>(), any::<u32>()).prop_map(|(author, seq, code, retry_s)| {
        Frame::Deny(Deny { author, seq, code: DenyCode::from(code), retry_s })
    });
    let base = btree_map(of_member(), (header(), any::<[u8; 64]>()), 0..6).prop_map(|chains| {
        let bare = |(author, (header, signature))| {
            let header = Header { author, room: Some(ROOM), ..header };
            Event::without_body(header, Signature(signature))
        };
        Frame::Base(chains.into_iter().map(bare).collect())
    });
    let fork = (header(), any::<[[u8; 64]; 2]>()).prop_map(|(header, [one, other])| {
        let header = Header { kind: header.kind & 0xfe, room: Some(ROOM), ..header };
        let rival = Header { kind: header.kind | 1, ..header };
        let rival = Header { seq: header.seq, author: header.author, room: header.room, ..rival };
        let pair = (Event::without_body(header, Signature(one)), Event::without_body(rival, Signature(other)));
        Frame::Fork(Box::new(pair))
    });
    // Kind 1 as the first act would be the beginning of a room.
    let fork = fork.prop_filter("a create event", |frame| match frame {
        Frame::Fork(pair) => pair.1.header().kind != CREATE || pair.1.header().author != Author::ACTS,
        _ => true,
    });
    prop_oneof![
        open,
        hello,
        close,
        Just(Frame::Reset),
        heads().prop_map(Frame::Have),
        base,
        vec(event(), 0..3)
            .prop_filter("too long", |list| list.iter().map(Frame::event_len).sum::<usize>() <= 7_944)
            .prop_map(Frame::Events),
        log_place().prop_map(Frame::Mark),
        btree_map(author(), number(), 0..9).prop_map(|chains| Frame::Stored(chains.into_iter().collect())),
        deny,
        fork,
        head().prop_map(Frame::At),
        (author(), number()).prop_map(|(author, upto)| Frame::Need(author, upto)),
        btree_set((author(), number()), 0..9).prop_map(|places| Frame::Body(places.into_iter().collect())),
        any::<u32>().prop_map(Frame::Credit),
        join().prop_map(Frame::Join),
        option::of(member()).prop_map(|no| Frame::Told(no.map_or(Told::Pending, Told::Accepted))),
        (any::<[u8; 32]>(), join()).prop_map(|(id, join)| Frame::Petition(Petition { id: Identity(id), join })),
    ]
}

/// Whether a frame of this type is JSON, which has more than one spelling.
fn is_json(kind: u8) -> bool {
    kind >= 0x50
}

proptest! {
    #[test]
    fn every_body_is_read_back(body in prop_oneof![act(), said()]) {
        let bytes = body.encode();
        prop_assert_eq!(Body::decode(body.kind(), &bytes), Ok(Some(body)));
    }

    #[test]
    fn every_header_is_read_back(header in header()) {
        prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        prop_assert_eq!(Header::from_wire(&header.to_wire(), ROOM), Ok(header));
    }

    #[test]
    fn every_frame_is_read_back(frame in frame()) {
        let bytes = frame.encode();
        let read = Frame::decode(frame.kind(), &bytes, ROOM);
        let read = read.map_err(|error| TestCaseError::fail(format!("{error} in {frame:?}")))?.unwrap();
        prop_assert_eq!(read.encode(), bytes);
        // The halves of a fork have an order of their own.
        if !matches!(frame, Frame::Fork(_)) {
            prop_assert_eq!(read, frame);
        }
    }

    #[test]
    fn a_frame_with_one_byte_changed_is_another_one_or_none(
        frame in frame(), at in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let (kind, mut bytes) = (frame.kind(), frame.encode());
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(Some(read)) = Frame::decode(kind, &bytes, ROOM) && !is_json(kind) {
            prop_assert_eq!(read.encode(), bytes, "two spellings");
        }
    }

    #[test]
    fn events_are_packed_in_their_order_and_none_is_lost(events in vec(event(), 0..12)) {
        let parts = Frame::Events(events.clone()).parts();
        let mut found = Vec::new();
        for part in &parts {
            let bytes = part.encode();
            let Ok(Some(Frame::Events(list))) = Frame::decode(0x46, &bytes, ROOM) else { panic!("{part:?}") };
            prop_assert!(bytes.len() <= 7_944 || list.len() == 1);
            found.extend(list);
        }
        // Two neighbours would not have fitted into one.
        for pair in parts.windows(2) {
            let [Frame::Events(one), Frame::Events(next)] = pair else { unreachable!() };
            let together = one.iter().chain(next.first()).map(Frame::event_len).sum::<usize>();
            prop_assert!(together > 7_944);
        }
        prop_assert_eq!(found, events);
    }

    #[test]
    fn no_bytes_panic(kind in prop_oneof![0x40u8..0x54, any::<u8>()], bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(Some(frame)) = Frame::decode(kind, &bytes, ROOM) {
            prop_assert_eq!(frame.kind(), kind);
            prop_assert!(is_json(kind) || frame.encode() == bytes);
        }
        let _ = Frame::decode_first(kind, &bytes);
        let _ = Body::decode(kind, &bytes);
        if let Some(header) = bytes.first_chunk() && let Ok(header) = Header::decode(header) {
            prop_assert_eq!(&header.encode()[..], &bytes[..HEADER_LEN]);
        }
    }

    #[test]
    fn json_like_bytes_never_panic(kind in 0u8..40, text in "[{}\\[\\]\",:a-f01\\\\u ]{0,60}") {
        let _ = Body::decode(kind, text.as_bytes());
        let _ = Frame::decode(0x50 + kind % 3, text.as_bytes(), ROOM);
    }

    #[test]
    fn an_invite_is_read_back(doors in 1usize..=3, pass in option::of(any::<([u8; 8], [u8; 16])>())) {
        let doors: Vec<PeerId> = [
            "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd",
            "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid",
            "52sfije2rhkqqibiuxx2dj5olxew2ajppimi4o5bnxe6axygijwrooid",
        ].into_iter().take(doors).map(|door| parse_onion(door).unwrap()).collect();
        let room = RoomId(*doors[0].as_bytes());
        let pass = pass.map(|(id, secret)| Pass { id: InviteId(id), secret: InviteSecret(secret) });
        let invite = RoomInvite::new(room, doors, pass).unwrap();
        prop_assert_eq!(invite.to_string().parse(), Ok(invite));
    }

    #[test]
    fn no_text_is_an_invite_in_two_spellings(text in "torchat-room:[a-z2-7]{55,57}[?]d=[a-z2-7,]{0,60}(&i=[0-9a-f]{47,49})?") {
        if let Ok(invite) = text.parse::<RoomInvite>() {
            prop_assert_eq!(invite.to_string(), text);
        }
    }
}
