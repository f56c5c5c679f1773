//! The system calls that the daemon never needs, refused by the kernel.
//!
//! A list of what is refused, and not of what is allowed: SQLite, tokio, arti and the C library take what they like of the
//! rest, and another one with each version; a daemon that a new library kills in the middle of the night would be switched
//! to no sandbox at all. Refused is by ENOSYS, "this kernel does not have it", for which libraries have another way: the C
//! library makes its threads by `clone` where `clone3` is not there, and the flags of `clone` can be judged.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as If, SeccompFilter,
    SeccompRule,
};
use std::collections::BTreeMap;

/// Refused whatever they are asked for.
const NEVER: &[i64] = &[
    // Other processes, their memory and files.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // New processes: the flags of clone3 are in memory, where they cannot be judged.
    libc::SYS_clone3,
    libc::SYS_execveat,
    // File systems and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // The kernel itself, and what holes in it were found by.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_personality,
    // Who we are.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];

/// The same, where the processor has them.
#[cfg(target_arch = "x86_64")]
const NEVER_HERE: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const NEVER_HERE: &[i64] = &[];

/// The only sockets: local programs, Tor's relays, and the kernel's answer who owns a connection.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Refuses them to this thread and all that it starts.
pub(super) fn refuse() -> Result<(), String> {
    let filter = filter().map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&filter).map_err(|error| error.to_string())
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        NEVER.iter().chain(NEVER_HERE).map(|call| (*call, Vec::new())).collect();
    let as_u64 = |value: i32| u64::from(value.unsigned_abs());
    // Threads, but no processes and no namespaces. An execution in place is our replacement.
    let thread = as_u64(libc::CLONE_THREAD);
    let no_thread = SeccompRule::new(vec![If::new(0, Len::Dword, Op::MaskedEq(thread), 0)?])?;
    rules.insert(libc::SYS_clone, vec![no_thread]);
    let foreign = FAMILIES.iter().map(|family| If::new(0, Len::Dword, Op::Ne, as_u64(*family)));
    let foreign = SeccompRule::new(foreign.collect::<Result<_, _>>()?)?;
    rules.insert(libc::SYS_socket, vec![foreign]);
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}
