// SPDX-License-Identifier: Apache-2.0
//! System calls that the agent has no use for, and whoever takes it over would have:
//! for it they do not exist.
//!
//! A list of those that are left out, not of those that are let in. The latter would
//! have to know what the next libc does, and the `systemctl` of each distribution,
//! which is started where there is no bus. Where systemd starts the agent it has such
//! a list of systemd's own on top of this one.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Left out with all arguments.
#[rustfmt::skip]
const LEFT_OUT: &[c_long] = &[
    // Other kernels, and parts of this one.
    libc::SYS_kexec_load, libc::SYS_kexec_file_load, libc::SYS_reboot,
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    // Namespaces, in a new one of which anybody has all capabilities.
    libc::SYS_unshare, libc::SYS_setns,
    // Its flags are out of sight of a filter; libc then takes clone(2).
    libc::SYS_clone3,
    // What is mounted where.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount, libc::SYS_fspick,
    libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_mount_setattr,
    libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_quotactl, libc::SYS_quotactl_fd,
    libc::SYS_open_by_handle_at,
    // Other processes.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_process_madvise, libc::SYS_pidfd_getfd, libc::SYS_kcmp,
    // The machine's clock, names and accounts.
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_adjtimex,
    libc::SYS_clock_adjtime, libc::SYS_sethostname, libc::SYS_setdomainname,
    libc::SYS_acct, libc::SYS_syslog, libc::SYS_vhangup,
    // Large, and often where a kernel was broken into.
    libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_userfaultfd, libc::SYS_perf_event_open, libc::SYS_fanotify_init,
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl,
    libc::SYS_memfd_secret, libc::SYS_personality,
    libc::SYS_mbind, libc::SYS_set_mempolicy, libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // Ports, segments and numbers of the processor's.
    #[cfg(target_arch = "x86_64")] libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")] libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")] libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")] libc::SYS_uselib,
];

/// Which families of sockets there are; the rest are a kernel's less trodden paths.
const FAMILIES: [libc::c_int; 5] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
    libc::AF_PACKET,
];

/// Flags of clone(2) that make a namespace (that of CLONE_NEWTIME is a signal to it).
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Does without them, in this thread and all it starts.
pub(super) fn reduce() -> Result<(), Error> {
    apply_filter(&filter()?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let always = |call: &c_long| (*call, Vec::new());
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = LEFT_OUT.iter().map(always).collect();
    rules.insert(libc::SYS_socket, vec![of_other_families()?]);
    rules.insert(libc::SYS_clone, flags(0, &NAMESPACES)?);
    let code = libc::PROT_WRITE | libc::PROT_EXEC;
    rules.insert(libc::SYS_mmap, flags(2, &[code])?);
    rules.insert(libc::SYS_mprotect, flags(2, &[libc::PROT_EXEC])?);
    rules.insert(libc::SYS_pkey_mprotect, flags(2, &[libc::PROT_EXEC])?);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        // What a libc takes for an older kernel, and finds another way.
        SeccompAction::Errno(libc::ENOSYS as u32),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?;
    filter.try_into()
}

fn of_other_families() -> Result<SeccompRule, BackendError> {
    let is_not = |family| {
        let value = family as u64;
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
    };
    SeccompRule::new(FAMILIES.map(is_not).into_iter().collect::<Result<_, _>>()?)
}

/// A call with all bits of any of these in that argument.
fn flags(argument: u8, any: &[libc::c_int]) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |bits: &libc::c_int| {
        let bits = u64::from(bits.cast_unsigned());
        let set = SeccompCmpOp::MaskedEq(bits);
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, set, bits);
        SeccompRule::new(vec![condition?])
    };
    any.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use std::{io, net::UdpSocket, thread};

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

    use super::*;

    /// In a thread of its own, which takes it along.
    fn without<T: Send + 'static>(attempt: impl FnOnce() -> T + Send + 'static) -> T {
        let reduced = thread::spawn(|| {
            reduce().unwrap();
            attempt()
        });
        reduced.join().unwrap()
    }

    #[test]
    fn what_is_left_out_is_not_there() {
        let missing = without(|| {
            let unshared = nix::sched::unshare(nix::sched::CloneFlags::empty());
            let alg = AddressFamily::Alg;
            let socket = socket(alg, SockType::SeqPacket, SockFlag::empty(), None);
            (unshared, socket.map(drop))
        });
        let nosys = Err(nix::Error::ENOSYS);
        assert_eq!(missing, (nosys, nosys));
    }

    #[test]
    fn threads_programs_and_sockets_are() {
        without(|| -> io::Result<()> {
            thread::spawn(|| ()).join().unwrap();
            UdpSocket::bind("127.0.0.1:0")?;
            let status = std::process::Command::new("/bin/true").status()?;
            assert!(status.success());
            Ok(())
        })
        .unwrap();
    }
}
