//! A store beside a model, compared after every commit.

use crate::disk::{Disk, place};
use crate::messages::Model;
use crate::net::Beside;
use rusqlite::Connection;
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tempfile::TempDir;
use torchat_core::op::{Op, RoomOp};
use torchat_core::snapshot::rooms::RoomKeys;
use torchat_engine::store::{Reader, Store};
use torchat_protocol::room::body::Role;
use torchat_protocol::room::{Author, Event, Frame, RoomId};
use torchat_room::outcome::{ChannelId, Op as ReplicaOp};
use torchat_room::reading::{Filter, Read, Report, answer};
use torchat_room::replica::Stored;
use torchat_room::standing::Standing;

/// What was compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) commits: Rc<Cell<u64>>,
    pub(crate) answers: Rc<Cell<u64>>,
}

/// A room in a store's file.
pub(crate) struct SqlStore {
    dir: TempDir,
    store: Store,
    reader: Reader,
    /// What the reader of the API does not tell: the rows.
    rows: Connection,
    room: RoomId,
    counts: Counts,
    messages: Model,
}

/// A directory in memory, if there is one: each commit is synced.
pub(crate) fn fast_dir() -> TempDir {
    let shm = Path::new("/dev/shm");
    let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
    dir.unwrap()
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("torchat.db")
}

/// Copies the files as they are, as a process leaves them that is killed.
fn copied(from: &TempDir) -> TempDir {
    let to = fast_dir();
    for entry in std::fs::read_dir(from.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

impl SqlStore {
    /// A store with the room of a model that has nothing yet.
    pub(crate) fn new(disk: &Disk, counts: Counts) -> Self {
        let dir = fast_dir();
        let mut store = Store::open(&file(&dir)).unwrap();
        let Stored { room, log, me, .. } = disk.stored();
        let keys = RoomKeys { sign: me.unwrap().seed, sealing: [2; 32] };
        // Others in the same store, which nothing concerns.
        let rooms = [RoomId([7; 32]), room, RoomId([8; 32])];
        let begin = |room| Op::from(RoomOp::Begin { room, keys: keys.clone(), log, way: None });
        store.commit(0, &rooms.map(begin)).unwrap();
        drop(store);
        Self::open(dir, room, counts, Model::default())
    }

    fn open(dir: TempDir, room: RoomId, counts: Counts, messages: Model) -> Self {
        let path = file(&dir);
        let store = Store::open(&path).unwrap();
        let rows = Connection::open(&path).unwrap();
        Self { store, reader: Reader::of_file(path), rows, dir, room, counts, messages }
    }

    fn stored(&self) -> Stored {
        let rooms = self.reader.rooms().unwrap().rooms;
        assert_eq!(rooms.len(), 3);
        rooms.into_iter().map(|room| room.stored).find(|stored| stored.room == self.room).unwrap()
    }

    fn compare(&self, disk: &Disk) {
        same(&self.stored(), &disk.stored());
        let model = disk.log().map(|(pos, event, standing)| {
            let body = event.body().map(|body| body.len() as i64);
            (pos as i64, place(event).author.get(), place(event).seq as i64, number(standing), body)
        });
        let mut query = self.rows.prepare_cached(
            "SELECT place & ((1 << 40) - 1), chain & 4294967295, seq, standing, octet_length(body) FROM room_event
             WHERE chain IS NOT NULL ORDER BY place",
        );
        let query = query.as_mut().unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
        let rows: Vec<(i64, u32, i64, i64, Option<i64>)> = rows.unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows, model.collect::<Vec<_>>());
        self.messages.compare(&self.rows, disk);
    }

    /// The whole log, and what looks at all of it.
    fn compare_all(&self, disk: &Disk) {
        self.compare(disk);
        let stored = disk.stored();
        let filter = Arc::new(Filter {
            end: stored.next,
            members: disk.events().filter_map(|event| event.header().author.member()).collect(),
            branch: disk.branch().iter().map(|act| act.id()).collect(),
            ..Filter::default()
        });
        let channel = ChannelId(0);
        let mut reads = vec![Read::Log { channel, from: 1, early: None, most: u32::MAX, filter: filter.clone() }];
        reads.push(Read::Log { channel, from: 1, early: Some(stored.next), most: 9_000, filter: filter.clone() });
        for want in [Some(0), Some(1), Some(7), Some(100_000), None] {
            reads.push(Read::Begin { channel, want, not_before: 1, filter: filter.clone() });
        }
        let chains: Vec<Author> = stored.chains.iter().map(|(author, ..)| *author).collect();
        for next in [0, 1, 2, stored.next / 2, stored.next, stored.next + 1, u64::MAX] {
            reads.push(Read::Digest { ticket: 0, next, chains: chains.clone() });
        }
        for author in chains {
            reads.push(Read::Own { author, from: 1 });
            reads.push(Read::Chain { channel, author, from: 1, upto: u64::MAX, not_before: 1, most: 5_000 });
        }
        for read in reads {
            let Ok((frames, report)) = answer(disk, &read);
            self.answer(&read, &frames, &report);
        }
    }
}

impl Beside for SqlStore {
    fn commit(&mut self, ops: &[ReplicaOp], disk: &Disk) {
        self.counts.commits.set(self.counts.commits.get() + 1);
        self.messages.note(ops);
        let room = self.room;
        let ops: Vec<Op> = ops.iter().map(|op| Op::from(RoomOp::Replica { room, op: op.clone() })).collect();
        self.store.commit(1_790_000_000_000, &ops).unwrap();
        // The user reads now and then, and the search is kept up.
        if self.counts.commits.get().is_multiple_of(7) {
            while self.store.index(100).unwrap() {}
        }
        self.compare(disk);
    }

    fn answer(&self, read: &Read, frames: &[Frame], report: &Report) {
        self.counts.answers.set(self.counts.answers.get() + 1);
        let (ours, told) = self.reader.answer_room(self.room, read).unwrap().unwrap();
        assert_eq!((&ours[..], &told), (frames, report), "{read:?}");
    }

    fn kill(&mut self, disk: &Disk) {
        *self = Self::open(copied(&self.dir), self.room, self.counts.clone(), self.messages.clone());
        self.compare_all(disk);
    }

    fn copy(&self) -> Box<dyn Beside> {
        Box::new(Self::open(copied(&self.dir), self.room, self.counts.clone(), self.messages.clone()))
    }
}

/// What an event counts as, as the schema says it.
fn number(standing: Standing) -> i64 {
    let role = |role: Role| 1 + role as i64;
    match standing {
        Standing::Void => 0,
        Standing::As(of) => role(of),
        Standing::Hidden(of) => 4 + role(of),
    }
}

fn same(ours: &Stored, model: &Stored) {
    assert_eq!((ours.room, ours.log, ours.next), (model.room, model.log, model.next));
    assert_eq!((ours.digest, ours.lamport, ours.fresh), (model.digest, model.lamport, model.fresh));
    let me = |stored: &Stored| stored.me.as_ref().map(|me| (me.seed, me.chain));
    assert_eq!(me(ours), me(model));
    assert_eq!(ours.acts, model.acts);
    assert_eq!(ours.act_positions, model.act_positions);
    assert_eq!(ours.rivals, model.rivals);
    let proofs = |stored: &Stored| {
        let mut proofs = stored.act_forks.clone();
        proofs.sort_by_key(|(one, _)| one.header().seq);
        proofs
    };
    assert_eq!(proofs(ours), proofs(model));
    assert_eq!(ours.chains, model.chains);
    assert_eq!((&ours.loose, &ours.missing), (&model.loose, &model.missing));
    assert_eq!(ours.mutes, model.mutes);
    // A replica begins without the bodies of the last events.
    let recent = |stored: &Stored| -> Vec<(u64, Event)> {
        stored.recent.iter().map(|(pos, event)| (*pos, event.stripped())).collect()
    };
    assert_eq!(recent(ours), recent(model));
    assert_eq!((&ours.cookies, &ours.outbox, &ours.reviews), (&model.cookies, &model.outbox, &model.reviews));
}
