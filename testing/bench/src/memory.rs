//! Resident memory and processor time of a process, as the kernel counts them.

use anyhow::Context as _;

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resident {
    /// All of it.
    pub(crate) all: u64,
    /// What is not a file's: heap, stacks and written data. The rest is mostly the program's own code, which the kernel
    /// may drop and read again.
    pub(crate) anonymous: u64,
}

impl Resident {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/status");
        Self::parse(&std::fs::read_to_string(&path)?).with_context(|| format!("{path} has no resident memory"))
    }

    /// proc(5): in units of 1024 bytes, whatever it calls them.
    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
        };
        Some(Self { all: field("VmRSS:")?, anonymous: field("RssAnon:")? })
    }
}

/// Processor time of all living threads of a process, in nanoseconds. A thread that ends takes its time with it; those of
/// a runtime live on.
pub(crate) fn cpu_ns(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // proc(5), schedstat: nanoseconds on the processor come first. A thread may end meanwhile.
        let Ok(line) = std::fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        sum += line.split(' ').next().context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// Millions of bytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::Resident;

    #[test]
    fn the_kernels_lines_are_read() {
        let status = "Name:\tx\nVmRSS:\t    2000 kB\nRssAnon:\t     500 kB\nRssFile:\t    1500 kB\n";
        assert_eq!(Resident::parse(status), Some(Resident { all: 2_048_000, anonymous: 512_000 }));
        assert_eq!(Resident::parse("Name:\tx\n"), None);
    }

    #[test]
    fn our_own_memory_is_not_nothing() {
        assert!(Resident::of(std::process::id()).is_ok_and(|own| own.all > own.anonymous && own.anonymous > 0));
    }
}
