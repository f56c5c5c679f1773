//! Makes a fixture of the store by this tree's code: `stores VERSION DIR` writes `vVERSION.db.zst` and `vVERSION.json` there.

use anyhow::Context as _;
use std::path::PathBuf;
use torchat_harness::stores;

/// As small as it gets: it is made once and kept forever.
const LEVEL: i32 = 19;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let version = arguments.next().context("VERSION is missing")?.to_string_lossy().parse::<u32>()?;
    let into = PathBuf::from(arguments.next().context("DIR is missing")?);
    let dir = tempfile::tempdir()?;
    let (store, told) = stores::make(dir.path())?;
    let packed = zstd::encode_all(store.as_slice(), LEVEL)?;
    println!("v{version}: {} bytes, packed {}", store.len(), packed.len());
    std::fs::write(into.join(format!("v{version}.db.zst")), packed)?;
    std::fs::write(into.join(format!("v{version}.json")), format!("{told}\n"))?;
    Ok(())
}
