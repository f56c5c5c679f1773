//! What a process costs, read from /proc.

use anyhow::Context as _;

/// Ticks of `utime` and `stime` in a second: Linux shows them to programs in this unit whatever the kernel's own is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Memory in use, in KiB.
    pub rss_kib: u64,
    /// The most memory that was ever in use, in KiB.
    pub peak_kib: u64,
    /// Processor time of all its threads, in seconds.
    pub cpu_s: f64,
}

/// Reads the usage of a process.
///
/// # Errors
/// When it does not run.
pub fn usage(pid: u32) -> anyhow::Result<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
        line.trim().trim_end_matches(" kB").parse::<u64>().context("no number")
    };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before the last bracket may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks = |n: usize| fields.split_whitespace().nth(n).and_then(|text| text.parse::<u64>().ok());
    // proc(5): utime and stime are the fields 14 and 15, and the one after the name is the third.
    let ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system).context("no times")?;
    #[allow(clippy::cast_precision_loss, reason = "a number of ticks")]
    let cpu_s = ticks as f64 / TICKS_PER_SECOND;
    Ok(Usage { rss_kib: kib("VmRSS:")?, peak_kib: kib("VmHWM:")?, cpu_s })
}

/// Lets this process open as many streams as the system allows: a thousand are not enough for a flood.
///
/// # Errors
/// When the system refuses.
pub fn many_streams() -> anyhow::Result<()> {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    Ok(rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn our_own_usage_grows() {
        let before = super::usage(std::process::id()).unwrap();
        let mut memory = vec![1u8; 64 << 20];
        while super::usage(std::process::id()).unwrap().cpu_s <= before.cpu_s {
            memory.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(3));
        }
        let after = super::usage(std::process::id()).unwrap();
        assert!(after.rss_kib > before.rss_kib + 60 * 1024 && after.peak_kib >= after.rss_kib, "{before:?} {after:?}");
        assert!(std::hint::black_box(memory).len() == 64 << 20);
    }
}
