//! The file that outlives the program: drafts, and what the daemon has not got yet.

use crate::screen::model::Stored;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use torchat_client::timeline::Drafts;
use torchat_protocol::home;

/// `$XDG_STATE_HOME/torchat/drafts.json`, else `~/.local/state/torchat/drafts.json`. Only its user can read it.
pub(super) struct File {
    /// `None`: there is no home; drafts end with the program.
    path: Option<PathBuf>,
    /// What this program knows of it.
    base: Stored,
}

impl File {
    /// Where it is for this user.
    pub(super) fn find() -> Self {
        let home = home::home(std::env::var_os("HOME").as_deref(), std::env::home_dir);
        let state = home::base(std::env::var_os("XDG_STATE_HOME").as_deref(), home.as_deref(), home::STATE);
        Self { path: state.map(|state| state.join("torchat/drafts.json")), base: Stored::default() }
    }

    /// What was written last. A file that cannot be understood is kept aside, because somebody typed what is in it.
    pub(super) fn read(&mut self) -> Stored {
        self.base = self.path.as_ref().and_then(|path| understood(path)).unwrap_or_default();
        self.base.clone()
    }

    /// Writes what has changed here since it was read or written last; what another client of the user has written
    /// meanwhile stays. A crash leaves the old one or the new one.
    pub(super) fn write(&mut self, stored: &Stored) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        if let Some(directory) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        // Reading and writing are one for every client. A file of its own, because the other one is replaced.
        let lock = private(&path.with_extension("lock"))?;
        lock.lock()?;
        let merged = merge(&self.base, stored, understood(path).unwrap_or_default());
        let text = serde_json::to_vec(&merged)?;
        let new = path.with_extension("new");
        let written = private(&new).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_data()?;
            std::fs::rename(&new, path)
        });
        match &written {
            Ok(()) => self.base = stored.clone(),
            Err(_) => drop(std::fs::remove_file(&new)),
        }
        written
    }
}

/// The file's content. `None`: there is none, or none that can be understood, which is then kept aside.
fn understood(path: &Path) -> Option<Stored> {
    let text = std::fs::read(path).ok()?;
    let stored = serde_json::from_slice(&text).ok();
    if stored.is_none() {
        let _ = std::fs::rename(path, path.with_extension("json.bad"));
    }
    stored
}

/// What `ours` has changed since `base`, done to `theirs`.
fn merge(base: &Stored, ours: &Stored, theirs: Stored) -> Stored {
    let drafts = Drafts::merge(&base.drafts, &ours.drafts, theirs.drafts);
    Stored { drafts, notify: if ours.notify == base.notify { theirs.notify } else { ours.notify } }
}

fn private(path: &Path) -> io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use torchat_client::api::{ConversationId, Onion};
    use torchat_client::timeline::{Addressed, Unsent, Wish};
    use torchat_protocol::id::PeerId;

    const ANN: u8 = 2;
    const BOB: u8 = 3;
    const CARL: u8 = 4;

    fn file(dir: &Path) -> File {
        File { path: Some(dir.join("a/torchat/drafts.json")), base: Stored::default() }
    }

    fn draft(stored: &mut Stored, peer: u8, text: &str) {
        stored.drafts.keep(Some(own()), Some(id(peer)), text);
    }

    fn id(begin: u8) -> ConversationId {
        onion(begin).conversation()
    }

    fn own() -> Onion {
        onion(7)
    }

    fn onion(begin: u8) -> Onion {
        let key = |last| PeerId::from_key(std::array::from_fn(|at| if at == 31 { last } else { begin })).ok();
        (0..=0x7f).find_map(key).map(Onion).unwrap()
    }

    fn unsent(stored: &mut Stored, key: &str) {
        let (text, key) = (key.into(), key.into());
        let (handed, wish, addressed) = (false, Wish::Send, Addressed::default());
        stored.drafts.send(Unsent { own: own(), peer: id(1), text, key, at: 0, handed, wish, addressed });
    }

    #[test]
    fn it_comes_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = file(dir.path());
        assert_eq!(file.read(), Stored::default());
        let mut stored = Stored::default();
        draft(&mut stored, 7, "half a sent");
        file.write(&stored).unwrap();
        file.write(&stored).unwrap();
        assert_eq!(file.read(), stored);
        let path = file.path.clone().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // The file and its lock.
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(file.read(), Stored::default());
        assert_eq!(std::fs::read_to_string(path.with_extension("json.bad")).unwrap(), "{");
    }

    /// What an earlier version wrote there must not come back when client.toml has it, or has it no more.
    #[test]
    fn a_setting_of_an_earlier_version_goes() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = file(dir.path());
        let path = file.path.clone().unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "{\"drafts\":{},\"unsent\":[],\"notify\":\"bell\"}").unwrap();
        let mut stored = file.read();
        assert!(stored.notify.take().is_some());
        file.write(&stored).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("notify"), "{text}");
    }

    #[test]
    fn clients_of_one_user_lose_nothing_of_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (file(dir.path()), file(dir.path()));
        let mut first = one.read();
        draft(&mut first, ANN, "to ann");
        draft(&mut first, BOB, "to bob");
        unsent(&mut first, "1-1");
        one.write(&first).unwrap();
        // The other one begins with them, finishes one, and begins another.
        let mut second = two.read();
        assert_eq!(second, first);
        draft(&mut second, BOB, "");
        draft(&mut second, CARL, "to carl");
        unsent(&mut second, "2-1");
        // Meanwhile the first goes on, and its message is with the daemon.
        draft(&mut first, ANN, "to ann, more");
        first.drafts.settle("1-1");
        unsent(&mut first, "1-2");
        one.write(&first).unwrap();
        two.write(&second).unwrap();
        let both = file(dir.path()).read();
        let drafts = [ANN, BOB, CARL].map(|peer| both.drafts.draft(Some(own()), Some(id(peer))));
        assert_eq!(drafts, ["to ann, more", "", "to carl"]);
        let keys: Vec<_> = both.drafts.unsent().iter().map(|unsent| unsent.key.as_str()).collect();
        assert_eq!(keys, ["1-2", "2-1"]);
        // What the first did not change is not written back by it.
        first.drafts.settle("1-2");
        one.write(&first).unwrap();
        assert_eq!(file(dir.path()).read().drafts.unsent().len(), 1);
    }
}
